"""Thermal runaway: fans fail, temperatures climb, margins shrink, clocks are cut, the job slows down."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import Faults, Floor, Incident, Scenario

_WORSE = 2.3  # times the thermal resistance


@dataclass(frozen=True)
class FanFailure(Incident):
    def strike(self, since: float, faults: Faults) -> None:
        for board in range(self.node.shape.boards // 2, self.node.shape.boards):
            faults.cooling[board] = _WORSE

    def pace(self, since: float) -> float:
        return 0.8 if since > 60 else 1.0

    def story(self) -> list[tuple[float, str]]:
        boards = f"boards {self.node.shape.boards // 2} and up"
        return [
            (0, f"{self.node.name}: fans fail behind {boards}: temperature up, margin down"),
            (25, f"{self.node.name}: hardware thermal slowdown: clocks and power fall"),
            (self.lasts, f"{self.node.name}: fans replaced, it cools down"),
        ]


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(lambda plan: plan.shape.vendor == "nvidia" and plan.shape.boards >= 8)
    return [FanFailure(node, first=6, lasts=190)] if node else []


SCENARIO = Scenario(
    "thermal",
    "fans fail behind half of a node's boards",
    "TEMP up and MARGIN down towards 0, then THROT shows thermal slowdown while SMCLK and POWER fall",
    _place,
)
