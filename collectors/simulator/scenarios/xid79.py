"""XID 79: a board falls off the bus, its job dies on all nodes, the node is rebooted and the board is back."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import Faults, Floor, Incident, Scenario

_JOB_ENDS, _REBOOT, _BACK = 6.0, 120.0, 145.0
_BOARD = 3


@dataclass(frozen=True)
class OffTheBus(Incident):
    ends_with_reboot = True

    def strike(self, since: float, faults: Faults) -> None:
        if since < _REBOOT:
            faults.lost.add(_BOARD)
            faults.xid[_BOARD] = 79
        elif since < _BACK:
            faults.down = True

    def pace(self, since: float) -> float:
        return 1.0 if since < _JOB_ENDS else 0.0

    def kernel_lines(self) -> list[tuple[float, str]]:
        xid = f"NVRM: Xid (PCI:{self.node.shape.address(_BOARD)[:-2]})"
        return [
            (0.0, f"{xid}: 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."),
            (0.1, f"{xid}: 154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)"),
        ]

    def boots(self, t: float) -> int:
        return self.begun(t, _BACK)

    def story(self) -> list[tuple[float, str]]:
        return [
            (0, f"{self.node.name}: board {_BOARD} falls off the bus (XID 79)"),
            (_JOB_ENDS, f"the job on {self.node.name} ends, on all of its nodes"),
            (_REBOOT, f"{self.node.name} is rebooted: connections refused"),
            (_BACK, f"{self.node.name} is back with a new boot id and all boards"),
        ]


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(lambda plan: plan.shape.vendor == "nvidia" and plan.shape.boards > _BOARD)
    return [OffTheBus(node, first=14, lasts=_BACK + 15)] if node else []


SCENARIO = Scenario(
    "xid79",
    "a board falls off the bus; its job dies; the node is rebooted",
    "all values of one board missing as LOST, XID 79, the job gone from every node that it had, then a reboot",
    _place,
)
