"""Racks that come close to their budget: work of low priority is slowed first, the next only where that isn't enough.

After POLCA (arXiv 2308.12908): two thresholds, the low-priority work first. What is reckoned with is what the boards
draw; `hosts` watts a node come on top of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from playbooks.planners._power import ALIKE_WATTS, Board, Rack, cap, number, racks_of, share
from watchfloor.change import Value
from watchfloor.frame import Frame
from watchfloor.playbook import Matter, Wish

OPTIONS: Mapping[str, Value] = {
    "goal": 75,  # percent of the budget that the rack is brought to
    "lowest": 50,  # percent of the highest limit that a board takes: no board gets less
    "hosts": 0,  # watts of each node beside its boards
}
_NO_JOB, _UNKNOWN = float("-inf"), 0.0  # priorities


def plan(matter: Matter) -> Sequence[Wish]:
    return [wish for rack in racks_of(matter.frame, matter.targets) for wish in _of_rack(matter, rack)]


def _of_rack(matter: Matter, rack: Rack) -> list[Wish]:
    frame, options = matter.frame, matter.options
    boards = [board for board in rack.boards(frame) if board.draw is not None]
    drawn = sum(board.draw or 0.0 for board in boards) + float(options["hosts"]) * len(rack.nodes)
    excess = drawn - share(options, "goal") * rack.budget
    why = f"rack {rack.name} draws {drawn / 1000:.1f} kW of its budget of {rack.budget / 1000:.1f} kW"
    found: list[Wish] = []
    by_priority = sorted(boards, key=lambda board: priority(frame, board))
    for _, every in groupby(by_priority, lambda board: priority(frame, board)):
        if excess <= 0:
            break
        wishes, excess = _slowed(list(every), excess, share(options, "lowest"), why)
        found += wishes
    return found


def _slowed(boards: Sequence[Board], excess: float, lowest: float, why: str) -> tuple[list[Wish], float]:
    """Boards of equal priority share the cut by what each can give; what is left of the excess comes back."""
    floors = [max(board.lowest, board.highest * lowest) for board in boards]
    spare = [max(0.0, (board.draw or 0.0) - floor) for board, floor in zip(boards, floors, strict=True)]
    cut = min(excess, sum(spare))
    if cut <= 0:
        return [], excess
    limits = [(board.draw or 0.0) - cut * part / sum(spare) for board, part in zip(boards, spare, strict=True)]
    wishes = [
        cap(board, int(watts), why)  # rounded down: together they must not draw more than the goal
        for board, watts, part in zip(boards, limits, spare, strict=True)
        if part > 0 and watts < board.limit - ALIKE_WATTS
    ]
    return wishes, excess - cut


def priority(frame: Frame, board: Board) -> float:
    """Of the job that runs on it."""
    row = frame.jobs.owner_of(board.row)
    if row < 0:
        return _NO_JOB if number(frame, board.row, "processes") in (0.0, None) else _UNKNOWN
    told = frame.jobs.rows[row].priority
    return _UNKNOWN if told is None else told
