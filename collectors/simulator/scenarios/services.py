"""Services down: the fabric manager of a node with NVSwitches ends, and beside it DCGM."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import Faults, Floor, Incident, Scenario
from collectors.simulator.tools.systemctl import services

_FABRIC, _DCGM, _LATER = "nvidia-fabricmanager", "nvidia-dcgm", 40.0


@dataclass(frozen=True)
class ServicesDown(Incident):
    ends_with_reboot = True

    def strike(self, since: float, faults: Faults) -> None:
        faults.services[_FABRIC] = "exit-code"
        if since >= _LATER:
            faults.services[_DCGM] = "signal"

    def story(self) -> list[tuple[float, str]]:
        return [
            (0, f"{self.node.name}: the service {_FABRIC} ends with an error"),
            (_LATER, f"{self.node.name}: {_DCGM} is killed"),
            (self.lasts, f"{self.node.name}: both run again"),
        ]


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(lambda plan: _FABRIC in services(plan.shape))
    return [ServicesDown(node, first=6, lasts=200)] if node else []


SCENARIO = Scenario(
    "services",
    "the fabric manager of a node fails, then DCGM",
    "the findings `fabricmanager-failed` and `dcgm-failed`, each half a minute after it happened",
    _place,
)
