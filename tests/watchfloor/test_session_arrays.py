"""What changed of an array, told in few bytes: whatever it was, it comes back to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from watchfloor.errors import SessionError
from watchfloor.session.arrays import patch, patched

NUMBERS = st.one_of(
    st.floats(),
    st.integers(-100, 100).map(float),
    st.integers(-9999, 9999).map(lambda number: number / 10),
    st.sampled_from([0.0, -0.0, float("nan"), float("inf"), 1e20, 2.0**53, 0.1 + 0.2]),
)


def floats(values: list[float]) -> NDArray[np.float64]:
    return np.array(values, np.float64)


def same(one: NDArray, other: NDArray) -> bool:
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


@settings(max_examples=400)
@given(st.lists(NUMBERS, max_size=40), st.lists(NUMBERS, max_size=40))
def test_numbers_come_back_bit_by_bit(before: list[float], now: list[float]) -> None:
    told = patch(floats(before), floats(now))
    assert same(patched(floats(before), told) if told else floats(before), floats(now))
    assert same(patched(None, patch(None, floats(now))), floats(now))


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=40), st.lists(st.integers(-(2**31), 2**31 - 1), max_size=40))
def test_codes_come_back(before: list[int], now: list[int]) -> None:
    one, other = np.array(before, np.int32), np.array(now, np.int32)
    told = patch(one, other)
    assert same(patched(one, told) if told else one, other)


@pytest.mark.parametrize("dtype", [np.int8, np.bool_])
def test_reasons_and_marks_come_back(dtype: type) -> None:
    one, other = np.array([0, 1, 1, 0, 1] * 9).astype(dtype), np.array([1, 1, 0, 0, 1] * 9).astype(dtype)
    assert same(patched(one, patch(one, other)), other)


def test_nothing_is_told_of_what_did_not_change() -> None:
    values = floats([1.0, float("nan"), 3.5])
    assert patch(values, values.copy()) == b""


def test_a_few_cells_of_many_take_few_bytes() -> None:
    before = np.random.default_rng(1).normal(500, 90, 8000).round(1)
    now = before.copy()
    now[[5, 700, 7999]] += 0.5
    assert len(patch(before, now)) < 60
    assert same(patched(before, patch(before, now)), now)


def test_steps_of_tenths_take_a_byte_each() -> None:
    before = np.arange(1000) / 10
    now = (np.arange(1000) + np.arange(1000) % 7 + 1) / 10
    assert len(patch(before, now)) < 1100
    assert same(patched(before, patch(before, now)), now)


@given(st.binary(max_size=200))
def test_what_is_no_patch_is_refused(data: bytes) -> None:
    try:
        patched(floats([1.0, 2.0]), data)
    except SessionError:
        return


def test_a_patch_that_is_cut_is_refused() -> None:
    before, now = floats([1.0, 2.0, 3.0]), floats([2.0, 9.5, 3.25])
    told = patch(before, now)
    for end in range(len(told)):
        with pytest.raises(SessionError):
            patched(before, told[:end])
