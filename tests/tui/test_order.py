"""Sorting rows: natural order of texts, unknown values last, equal ones in their own order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.support import frames
from tui.present.order import arrange, keys_of, natural_key


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


def test_texts_are_ranked_and_empty_ones_unknown() -> None:
    boards = frames.settled().accelerators
    keys = keys_of(boards, "job")
    jobs = [boards.text(row, "job") for row in range(boards.count)]
    known = [row for row in range(boards.count) if keys[row] == keys[row]]
    assert [jobs[row] for row in sorted(known, key=lambda row: keys[row])] == sorted(jobs[row] for row in known)
    assert all(np.isnan(keys[row]) for row in range(boards.count) if not jobs[row])
