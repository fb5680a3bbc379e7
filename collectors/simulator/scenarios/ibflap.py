"""InfiniBand flaps: a port goes down and up, and counts symbol errors."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import Faults, Floor, Incident, Scenario

_PORT, _FLAP_EVERY, _FLAP_LASTS = 2, 25.0, 7.0


@dataclass(frozen=True)
class Flapping(Incident):
    def strike(self, since: float, faults: Faults) -> None:
        faults.port_errors[_PORT] = 85.0
        if since % _FLAP_EVERY < _FLAP_LASTS:
            faults.ports_down.add(_PORT)

    def pace(self, since: float) -> float:
        return 0.55 if since % _FLAP_EVERY < _FLAP_LASTS else 1.0

    def story(self) -> list[tuple[float, str]]:
        port = f"{self.node.name}: InfiniBand port mlx5_{_PORT}"
        return [
            (0, f"{port} flaps every {_FLAP_EVERY:.0f} s and counts symbol errors; its job waits each time"),
            (self.lasts, f"{port} is steady again"),
        ]


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(lambda plan: plan.shape.ib_ports > _PORT)
    return [Flapping(node, first=17, lasts=170)] if node else []


SCENARIO = Scenario(
    "ibflap",
    "an InfiniBand port flaps",
    "on the node's page: the port down and up, DOWNED and SYMERR growing; power of the job dips on all of its nodes",
    _place,
)
