"""Racks with room again: the boards that watchfloor capped get power back stepwise, work of high priority first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from playbooks.planners._power import Capped, Rack, capped, give_back, racks_of, share
from playbooks.planners.rack_power import priority
from watchfloor.change import Value
from watchfloor.playbook import Matter, Wish

OPTIONS: Mapping[str, Value] = {
    "goal": 70,  # percent of the budget that the rack may come to, should every board draw what it is given
    "steps": 3,  # from the lowest cap to what a board had
    "hosts": 0,  # watts of each node beside its boards
}


def plan(matter: Matter) -> Sequence[Wish]:
    return [wish for rack in racks_of(matter.frame, matter.targets) for wish in _of_rack(matter, rack)]


def _of_rack(matter: Matter, rack: Rack) -> list[Wish]:
    frame, options = matter.frame, matter.options
    boards = rack.boards(frame)
    if any(board.draw is None for board in boards):
        return []  # what isn't known may be all that is left of the budget
    drawn = sum(board.draw or 0.0 for board in boards) + float(options["hosts"]) * len(rack.nodes)
    room, found = share(options, "goal") * rack.budget - drawn, list[Wish]()
    why = f"rack {rack.name} draws {drawn / 1000:.1f} kW of its budget of {rack.budget / 1000:.1f} kW"
    steps = int(options["steps"])
    for one in sorted(capped(boards, matter.done), key=lambda one: -priority(frame, one.board)):
        more = _more(one, steps)
        if more <= room:
            room -= more
            found.append(give_back(one, steps, why))
    return found


def _more(one: Capped, steps: int) -> float:
    """Watts that it may draw beyond what it draws now."""
    return one.next(steps) - min(one.board.limit, one.board.draw or 0.0)
