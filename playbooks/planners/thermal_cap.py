"""Boards that come close to slowing themselves down: each is given less power than it draws now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from playbooks.planners._power import ALIKE_WATTS, boards_of, cap, share
from watchfloor.change import Value
from watchfloor.playbook import Matter, Wish

OPTIONS: Mapping[str, Value] = {
    "less": 15,  # percent below what it draws, or below its limit where that is less
    "lowest": 50,  # percent of the highest limit that a board takes
}


def plan(matter: Matter) -> Sequence[Wish]:
    found: list[Wish] = []
    for board in boards_of(matter.frame, matter.targets):
        drawn = min(board.limit, board.draw if board.draw is not None else board.limit)
        floor = max(board.lowest, board.highest * share(matter.options, "lowest"))
        watts = max(floor, drawn * (1 - share(matter.options, "less")))
        if watts < board.limit - ALIKE_WATTS:
            found.append(cap(board, watts, ""))
    return found
