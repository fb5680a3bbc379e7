"""Node lost and back: the connection breaks, connects are refused, then it is there with a new boot id."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import Faults, Floor, Incident, Scenario

_BACK = 40.0


@dataclass(frozen=True)
class NodeLost(Incident):
    def strike(self, since: float, faults: Faults) -> None:
        faults.down = since < _BACK

    def pace(self, since: float) -> float:
        return 0.0

    def boots(self, t: float) -> int:
        return self.begun(t, _BACK)

    def story(self) -> list[tuple[float, str]]:
        return [
            (0, f"{self.node.name}: power is lost: connection cut, connects refused, values stay and grow old"),
            (_BACK, f"{self.node.name}: back with a new boot id"),
        ]


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(lambda plan: plan.shape.boards > 0)
    return [NodeLost(node, first=20, lasts=_BACK + 25)] if node else []


SCENARIO = Scenario(
    "nodelost",
    "a node loses power and comes back",
    "the node's row dims with its age and 'refused', tries again with growing pauses, then a new boot id and uptime",
    _place,
)
