"""A command on a simulated node, and what came of it: what the tools of the simulation are given and give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collectors.simulator.machine import Machine
from collectors.simulator.record import Done, Kind


@dataclass(frozen=True, slots=True)
class Ended:
    exit: int = 0
    out: str = ""
    err: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """`machine` as it is; `wall`: the time of day, in seconds since the epoch. `run`: another program of the node."""

    machine: Machine
    argv: Sequence[str]
    root: bool
    wall: float
    run: Callable[[Sequence[str], bool], Ended]

    def note(self, kind: Kind, what: object = "", value: object = "", node: int | None = None) -> None:
        """It is so from now on, for every process of the demo."""
        machine = self.machine
        at = machine.plan.index if node is None else node
        machine.story.record.add(Done(machine.time, kind, at, str(what), str(value)))
        machine.at(machine.time)
