"""Boards that watchfloor capped get their power back, one step at a time; none gets more than it had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from playbooks.planners._power import boards_of, capped, give_back
from watchfloor.change import Value
from watchfloor.playbook import Matter, Wish

OPTIONS: Mapping[str, Value] = {"steps": 3}  # from the lowest cap to what the board had


def plan(matter: Matter) -> Sequence[Wish]:
    steps = int(matter.options["steps"])
    return [give_back(one, steps, "") for one in capped(boards_of(matter.frame, matter.targets), matter.done)]
