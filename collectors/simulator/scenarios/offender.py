"""A repeat offender: one board that has a fatal XID again and again, each time gone by itself."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import Faults, Floor, Incident, Scenario

_BOARD = 2
_EVERY = 200.0  # further apart than XIDs of one burst


@dataclass(frozen=True)
class Again(Incident):
    def strike(self, since: float, faults: Faults) -> None:
        faults.xid[_BOARD] = 95

    def kernel_lines(self) -> list[tuple[float, str]]:
        xid = f"NVRM: Xid (PCI:{self.node.shape.address(_BOARD)[:-2]})"
        return [(0.0, f"{xid}: 95, pid='<unknown>', name=<unknown>, Uncontained: FBHUB. RST: Yes, D-RST: No")]

    def story(self) -> list[tuple[float, str]]:
        return [(0, f"{self.node.name}: board {_BOARD} has XID 95, and goes on as if nothing had been")]


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(lambda plan: plan.shape.vendor == "nvidia" and plan.shape.boards > _BOARD)
    return [Again(node, first=5, lasts=5.0, every=_EVERY)] if node else []


SCENARIO = Scenario(
    "offender",
    "a board has a fatal XID again and again",
    "`xid-fatal`, and after the fifth time, a quarter of an hour later, `xid-repeated`: quarantine it",
    _place,
)
