"""NVLink down: errors grow on one link of a board until it goes down."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import Faults, Floor, Incident, Scenario
from collectors.simulator.floor import NodePlan
from collectors.simulator.hardware import B200, GB200

_BOARD, _LINK, _DOWN = 5, 7, 12.0


@dataclass(frozen=True)
class LinkDown(Incident):
    def strike(self, since: float, faults: Faults) -> None:
        if since < _DOWN:
            faults.link_errors[_BOARD, _LINK] = 40.0 * since
        else:
            faults.links_down.add((_BOARD, _LINK))

    def pace(self, since: float) -> float:
        return 1.0 if since < _DOWN else 0.9

    def kernel_lines(self) -> list[tuple[float, str]]:
        xid = f"NVRM: Xid (PCI:{self.node.shape.address(_BOARD)[:-2]})"
        if self.node.shape.board in (B200, GB200):
            registers = "0x021425c6 0x00000000 0x00000000 0x00000000 0x00000000 0x00000000"
            return [(_DOWN, f"{xid}: 149, NETIR_LINK_EVT  Fatal   XC0 i0 Link {_LINK:02} ({registers})")]
        registers = "0x10000, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0"
        text = f"NVLink: fatal error detected on link {_LINK}({registers})"
        return [(_DOWN, f"{xid}: 74, pid='<unknown>', name=<unknown>, {text}")]

    def story(self) -> list[tuple[float, str]]:
        link = f"{self.node.name}: NVLink {_LINK} of board {_BOARD}"
        return [(0, f"{link} counts errors"), (_DOWN, f"{link} goes down"), (self.lasts, f"{link} is back")]


def _suits(plan: NodePlan) -> bool:
    board = plan.shape.board
    return board is not None and board.vendor == "nvidia" and plan.shape.boards > _BOARD and board.links > _LINK


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(_suits)
    return [LinkDown(node, first=9, lasts=200)] if node else []


SCENARIO = Scenario(
    "nvlink",
    "an NVLink counts errors, then goes down",
    "LINKS one below LINKMAX on one board; on the node's page the link's CRC and REPLAY counts, then down",
    _place,
)
