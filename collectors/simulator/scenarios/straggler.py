"""Straggler: one board of a job runs at low clocks, and all the others wait for it."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import Faults, Floor, Incident, Scenario

_BOARD, _CLOCK = 1, 0.48


@dataclass(frozen=True)
class LowClocks(Incident):
    def strike(self, since: float, faults: Faults) -> None:
        faults.clock_caps[_BOARD] = _CLOCK

    def pace(self, since: float) -> float:
        return 0.6

    def story(self) -> list[tuple[float, str]]:
        return [
            (0, f"{self.node.name}: board {_BOARD} at half its clock (power brake); the rest of its job waits for it"),
            (self.lasts, f"{self.node.name}: board {_BOARD} at full clock again"),
        ]


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(lambda plan: plan.shape.vendor == "nvidia" and floor.works(plan.index, "pretrain")) or floor.pick(
        lambda plan: plan.shape.boards > _BOARD
    )
    return [LowClocks(node, first=3, lasts=220)] if node else []


SCENARIO = Scenario(
    "straggler",
    "one board of a job runs at half its clock",
    "UTIL near 100 % everywhere but POWER low on the whole job; SMCLK of one board stands out, with power brake",
    _place,
)
