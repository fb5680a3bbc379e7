"""Rings of history: they widen as rows come, and forget nothing by it."""

from __future__ import annotations

import numpy as np
import pytest

from watchfloor.history import COARSE_SECONDS, ROWS_PER_BLOCK, ROWS_PER_STEP, History
from watchfloor.model import Scope


def second(history: History, rows: int, value: float) -> None:
    """One second in which every trended metric of every row has this value."""
    names = history.trended(Scope.ACCELERATOR)
    history.append(Scope.ACCELERATOR, {name: np.full(rows, value) for name in names})


@pytest.mark.parametrize("more", [ROWS_PER_STEP + 1, ROWS_PER_BLOCK, ROWS_PER_BLOCK + 1, 3 * ROWS_PER_BLOCK])
def test_rows_that_come_later_leave_the_earlier_ones_their_past(more: int) -> None:
    history = History()
    for _ in range(COARSE_SECONDS + 1):
        second(history, 1, 40.0)
    for _ in range(COARSE_SECONDS):
        second(history, more, 60.0)
    minute = history.minute(Scope.ACCELERATOR, "temp", 0).mean
    assert minute.tolist() == [40.0] * (COARSE_SECONDS + 1) + [60.0] * COARSE_SECONDS
    coarse = history.half_hour(Scope.ACCELERATOR, "temp", 0)
    assert coarse.mean[0] == 40.0 and coarse.maximum[1] == 60.0
    late = history.minute(Scope.ACCELERATOR, "temp", more - 1).mean
    assert np.isnan(late[: COARSE_SECONDS + 1]).all() and (late[-COARSE_SECONDS:] == 60.0).all()


def test_a_row_that_has_no_ring_yet_is_unknown_among_those_that_have() -> None:
    history = History()
    for _ in range(3):
        second(history, 2, 50.0)
    rows = np.array([0, ROWS_PER_STEP + 5])
    found = history.window(Scope.ACCELERATOR, "temp", 3, rows)
    assert (found[:, 0] == 50.0).all() and np.isnan(found[:, 1]).all()
    assert np.isnan(history.minute(Scope.ACCELERATOR, "temp", ROWS_PER_STEP + 5).mean).all()


def test_a_small_fleet_takes_little() -> None:
    history = History()
    second(history, 8, 50.0)
    rings = history._rings[Scope.ACCELERATOR]._blocks[0]._rings
    assert {ring.fine.shape[1] for ring in rings.values()} == {ROWS_PER_STEP}
