"""XID 95: a memory error that ECC couldn't contain. The job hangs, until somebody ends it; the node is repaired."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import Faults, Floor, Incident, Scenario

_BOARD, _REPAIRED, _BACK = 1, 120.0, 135.0
_HANGS = 0.05  # how fast the job goes on


@dataclass(frozen=True)
class Uncontained(Incident):
    ends_with_reboot = True

    def strike(self, since: float, faults: Faults) -> None:
        if since < _REPAIRED:
            faults.xid[_BOARD] = 95
            faults.uncorrected[_BOARD] = 1
            faults.stalled.add(_BOARD)
        elif since < _BACK:
            faults.down = True

    def pace(self, since: float) -> float:
        return _HANGS

    def kernel_lines(self) -> list[tuple[float, str]]:
        xid = f"NVRM: Xid (PCI:{self.node.shape.address(_BOARD)[:-2]})"
        return [
            (0.0, f"{xid}: 95, pid='<unknown>', name=<unknown>, Uncontained: LTC TAG (0x0,0x0). RST: Yes, D-RST: No")
        ]

    def boots(self, t: float) -> int:
        return self.begun(t, _BACK)

    def story(self) -> list[tuple[float, str]]:
        return [
            (
                0,
                f"{self.node.name}: board {_BOARD} has an error that ECC couldn't contain (XID 95): its job hangs",
            ),
            (_REPAIRED, f"{self.node.name} is taken down for repair: connections refused"),
            (_BACK, f"{self.node.name} is back with a new boot id"),
        ]


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(lambda plan: plan.shape.vendor == "nvidia" and plan.shape.boards > _BOARD)
    return [Uncontained(node, first=10, lasts=_BACK + 15)] if node else []


SCENARIO = Scenario(
    "xid95",
    "a board has a memory error that can't be contained, and its job hangs",
    "XID 95, an uncorrected error, a driver that asks for a reset; the power of the job near idle on all of its nodes",
    _place,
)
