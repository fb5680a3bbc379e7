"""Power that was taken is given back in so many steps, and with the last of them all of it."""

from __future__ import annotations

import pytest

from playbooks.planners._power import Board, Capped
from watchfloor.model import Scope, Subject


@pytest.mark.parametrize("lowest", range(540, 700))
def test_three_steps_give_back_exactly_what_was_there(lowest: int) -> None:
    limit = float(lowest)
    for _ in range(3):
        board = Board(0, Subject(Scope.ACCELERATOR, "n1", "GPU-1"), limit, 100.0, 700.0, None)
        limit = float(Capped(board, 700.0, float(lowest)).next(3))
    assert limit == 700.0
