"""Gaudi port down: one of the three cables between two cards counts errors, then both of its ends are down."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import Faults, Floor, Incident, Scenario
from collectors.simulator.topology import other_end

_CARD, _PORT, _DOWN = 2, 7, 15.0


@dataclass(frozen=True)
class PortDown(Incident):
    def strike(self, since: float, faults: Faults) -> None:
        ends = [(_CARD, _PORT), other_end(self.node.shape, _CARD, _PORT)]
        for end in ends:
            if end is not None and since < _DOWN:
                faults.link_errors[end] = 25.0 * since
            elif end is not None:
                faults.links_down.add(end)

    def pace(self, since: float) -> float:
        return 1.0 if since < _DOWN else 0.85

    def story(self) -> list[tuple[float, str]]:
        port = f"{self.node.name}: port {_PORT} of card {_CARD}"
        return [
            (0, f"{port} and the one at its other end count errors"),
            (_DOWN, f"{port} goes down, at both ends; its job slows down"),
            (self.lasts, f"{port} is back"),
        ]


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(lambda plan: plan.shape.vendor == "habana")
    return [PortDown(node, first=10, lasts=150)] if node else []


SCENARIO = Scenario(
    "gaudiport",
    "a cable between two Gaudi cards counts errors, then goes down",
    "LINKS one below LINKMAX on two cards of one node; on its page the same port down at both ends",
    _place,
)
