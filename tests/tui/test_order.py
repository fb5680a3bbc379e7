"""Sorting rows: natural order of texts, unknown values last, equal ones in their own order."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.support import frames
from tui.present.order import Sorted, arrange, keys_of, natural_key


def test_digits_compare_as_numbers() -> None:
    assert sorted(["gpu10", "gpu2", "GPU1"], key=natural_key) == ["GPU1", "gpu2", "gpu10"]


@given(st.lists(st.text(), max_size=8))
def test_any_texts_can_be_sorted(texts: list[str]) -> None:
    once = sorted(texts, key=natural_key)
    assert sorted(once, key=natural_key) == once


@given(st.lists(st.one_of(st.just(float("nan")), st.floats(-5, 5).map(round)), max_size=30), st.booleans())
def test_unknown_is_last_and_equal_ones_keep_their_order(values: list[float], descending: bool) -> None:
    keys = np.array(values, np.float64)
    order = arrange(np.arange(len(values)), keys, descending).tolist()
    known = [index for index in order if keys[index] == keys[index]]
    assert order[len(known) :] == [index for index in range(len(values)) if keys[index] != keys[index]]
    assert known == sorted(known, key=lambda index: (-keys[index] if descending else keys[index], index))


_KEYS = st.one_of(st.just(float("nan")), st.floats(allow_nan=False), st.floats(79, 81), st.integers(-3, 3).map(float))


@given(st.lists(_KEYS, min_size=1, max_size=40), st.booleans(), st.randoms(use_true_random=False))
def test_sorted_as_far_as_somebody_looks(values: list[float], descending: bool, random: Random) -> None:
    keys, rows = np.array(values, np.float64), np.arange(len(values))[::-1]
    wanted = arrange(rows, keys, descending).tolist()
    found, asked = Sorted(rows, keys, descending), list(range(len(values)))
    random.shuffle(asked)
    for index in asked:
        assert found.index_of(wanted[index]) == index
        assert found.row(index) == wanted[index]
    assert found.index_of(len(values)) is None


def test_rows_without_keys_stay_as_they_are() -> None:
    found = Sorted(np.array([3, 1, 2]), None, True)
    assert [found.row(index) for index in range(len(found))] == [3, 1, 2]
    assert found.index_of(2) == 2


def test_texts_are_ranked_and_empty_ones_unknown() -> None:
    boards = frames.settled().accelerators
    keys = keys_of(boards, "job")
    jobs = [boards.text(row, "job") for row in range(boards.count)]
    known = [row for row in range(boards.count) if keys[row] == keys[row]]
    assert [jobs[row] for row in sorted(known, key=lambda row: keys[row])] == sorted(jobs[row] for row in known)
    assert all(np.isnan(keys[row]) for row in range(boards.count) if not jobs[row])
