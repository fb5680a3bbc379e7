"""Columns that move together, told by what was not foretold: whatever they are, they come back to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from struct import error as StructError

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from collectors.probe.cells import RATE_BITS
from watchfloor.errors import SessionError
from watchfloor.session import arrays, coding
from watchfloor.session.teller import RATE_DIGITS, Teller
from watchfloor.session.together import Listener, Together, last_digits, own_steps

Columns = dict[str, NDArray]
NODES, BOARDS, SECONDS = 30, 8, 24
NODE = np.repeat(np.arange(NODES, dtype=np.int32), BOARDS)
NUMBERS = st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1), st.just(0))


@given(st.lists(NUMBERS, max_size=60))
def test_whole_numbers_come_back(numbers: list[int]) -> None:
    told = np.array(numbers, np.int64)
    assert np.array_equal(coding.decoded(coding.coded(told), len(told)), told)


@pytest.mark.parametrize("spread", [0.2, 0.6, 3.0, 90.0, 1e4, 1e11])
def test_noise_takes_hardly_more_bits_than_there_are_in_it(spread: float) -> None:
    numbers = np.rint(np.random.default_rng(4).normal(0, spread, 8000)).astype(np.int64)
    coarse = numbers >> max(0, int(np.log2(spread)) - 3)  # below it all bits are as good as random
    _, counts = np.unique(coarse, return_counts=True)
    share = counts / len(numbers)
    bits = float(-(share * np.log2(share)).sum()) + max(0, int(np.log2(spread)) - 3)
    assert len(coding.coded(numbers)) < 8000 / 8 * (bits * 1.02 + 0.15)


def test_what_is_rare_and_large_makes_others_no_larger() -> None:
    numbers = np.rint(np.random.default_rng(4).normal(0, 2, 8000)).astype(np.int64)
    before = len(coding.coded(numbers))
    numbers[[5, 900, 7000]] = 2**61, -(2**40), 999_999
    told = coding.coded(numbers)
    assert len(told) < before + 120
    assert np.array_equal(coding.decoded(told, len(numbers)), numbers)


def test_what_is_0_takes_nothing() -> None:
    assert coding.coded(np.zeros(500, np.int64)) == b""


@settings(max_examples=300)
@given(st.binary(max_size=60), st.integers(0, 99))
def test_what_is_no_code_is_refused(data: bytes, count: int) -> None:
    try:
        coding.decoded(data, count)
    except (ValueError, StructError):
        return


def test_what_the_last_of_nine_binary_digits_is_worth() -> None:
    numbers = np.array([0, 7, -511, 512, 1_023, 1_024, 2**40])
    assert last_digits(numbers, 9, 1.0).tolist() == [1, 1, 1, 2, 2, 4, 2**32]
    assert last_digits(numbers, 9, 10.0).tolist() == [1, 1, 1, 1, 1, 1, 10 * 2**28]  # 102.4 in tenths
    assert last_digits(numbers * 10, 9, 10.0).tolist() == [1, 1, 10, 20, 20, 40, 10 * 2**32]
    assert own_steps(np.array([512, 600]), 9, 1.0).tolist() == [1, 2]  # 512 may be 511 next


def test_a_recording_counts_on_the_digits_that_a_probe_tells() -> None:
    assert RATE_DIGITS == RATE_BITS


def test_rates_of_any_size_take_as_much_as_their_digits() -> None:
    rng = np.random.default_rng(5)
    size = np.where(np.arange(NODES * BOARDS) % 2, 1.6e11, 3.2e4)
    before, now = ({"a.rate": nine_digits(size * rng.normal(1, 0.05, len(size)))} for _ in range(2))
    telling = Teller().tell(before, now, NODE)
    assert telling is not None
    assert telling.told.columns[0] is not None and telling.told.columns[0].digits == 9
    assert sum(map(len, telling.told.columns[0].numbers)) < len(size) * 8 / 8


def seconds(seed: int = 1) -> Iterator[Columns]:
    """Boards at work: each draws power and talks as it is busy, those of a node alike; values come and go."""
    rng = np.random.default_rng(seed)
    energy = np.zeros(NODES * BOARDS)
    for second in range(SECONDS):
        busy = 70 + 9 * np.sin(second / 2 + NODE) + rng.normal(0, 2, NODES * BOARDS)
        power = (90 + 5.9 * busy).round(1)
        energy = energy + power.round()
        rate = busy * 1.9e9 * np.where(np.arange(NODES * BOARDS) % 5, 1, 1e-4)
        columns = {"a.power": power, "a.energy": energy, "a.util": busy.round(), "a.rate": nine_digits(rate)}
        columns["a.odd"] = busy / 3  # whole numbers of nothing
        columns["a.still"] = np.full(NODES * BOARDS, 5.0)
        gone = rng.integers(0, NODES * BOARDS, 3)
        columns["a.power"][gone] = np.nan
        yield columns


def nine_digits(values: NDArray) -> NDArray:
    worth = np.exp2(np.frexp(values)[1] - 9)
    return np.rint(values / worth) * worth


def told_of(moments: list[Columns]) -> list[tuple[Together | None, dict[str, bytes]]]:
    """As a file tells it: together, and what is left."""
    teller, found = Teller(), []
    for before, now in pairwise(moments):
        telling = teller.tell(before, now, NODE)
        known = {**before, **(telling.columns if telling else {})}
        left = {name: data for name, column in now.items() if (data := arrays.patch(known[name], column))}
        found.append((telling.told if telling else None, left))
    return found


def shown_of(first: Columns, told: list[tuple[Together | None, dict[str, bytes]]]) -> Iterator[Columns]:
    listener, now = Listener(), dict(first)
    for together, left in told:
        if together is not None:
            now |= listener.take(msgspec.convert(msgspec.to_builtins(together), Together), now, NODE)
        now |= {name: arrays.patched(now[name], data) for name, data in left.items()}
        yield dict(now)


def alike(one: Columns, other: Columns) -> bool:
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_columns_come_back_bit_by_bit_also_those_whose_values_come_and_go(seed: int) -> None:
    moments = list(seconds(seed))
    shown = shown_of(moments[0], told_of(moments))
    assert all(alike(one, other) for one, other in zip(moments[1:], shown, strict=True))


def test_what_others_tell_takes_next_to_nothing() -> None:
    moments = [{"a.power": np.nan_to_num(now["a.power"]), "a.energy": now["a.energy"]} for now in seconds()]
    for now in moments:
        now["a.margin"] = (900 - now["a.power"]).round(1)
    last, _ = told_of(moments)[-1]
    assert last is not None
    smallest, *_, largest = sorted(len(b"".join(column.numbers)) for column in last.columns if column)
    assert smallest == 0
    assert largest > 100


def test_a_fleet_that_grows_is_told_on() -> None:
    moments = list(seconds())
    grown = {name: np.concatenate([column, column]) for name, column in moments[8].items()}
    told = Teller()
    assert told.tell(moments[6], moments[7], NODE) is not None
    assert told.tell(moments[7], grown, NODE) is None
    assert told.tell(grown, {name: column + 1 for name, column in grown.items()}, np.tile(NODE, 2)) is not None


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_was_altered_is_refused_or_read_as_something_else(data: st.DataObject) -> None:
    moments = list(seconds())[:3]
    told, _ = told_of(moments)[0]
    assert told is not None
    bytes_told = bytearray(msgspec.msgpack.encode(told))
    for _ in range(data.draw(st.integers(1, 3))):
        bytes_told[data.draw(st.integers(0, len(bytes_told) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = msgspec.msgpack.decode(bytes(bytes_told), type=Together)
        Listener().take(found, moments[0], NODE)
    except (SessionError, msgspec.DecodeError, UnicodeDecodeError):  # the reader makes one of them
        return
