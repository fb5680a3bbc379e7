"""Sympathetic XIDs: a program of several nodes fails by itself, and every board that it had tells of it."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import Faults, Floor, Incident, Scenario

_CODES = (45, 43)
_LATER = 2.0  # seconds from one node to the next: a collective hangs before it fails


@dataclass(frozen=True)
class Crowd(Incident):
    def strike(self, since: float, faults: Faults) -> None:
        for board in range(self.node.shape.boards):
            faults.xid[board] = _CODES[board % len(_CODES)]

    def kernel_lines(self) -> list[tuple[float, str]]:
        lines = []
        for board in range(self.node.shape.boards):
            xid = f"NVRM: Xid (PCI:{self.node.shape.address(board)[:-2]})"
            code = _CODES[board % len(_CODES)]
            lines.append((0.02 * board, f"{xid}: {code}, pid={4000 + board}, name=python, Ch 00000008"))
        return lines

    def story(self) -> list[tuple[float, str]]:
        return [(0, f"{self.node.name}: every board tells XID 45 or 43 of a program that failed by itself")]


def _place(floor: Floor) -> list[Incident]:
    slot = next((slot for slot in floor.slots if slot.kind.name == "pretrain" and len(slot.nodes) > 1), None)
    struck = [floor.nodes[node] for node in slot.nodes] if slot else []
    nvidia = [node for node in struck if node.shape.vendor == "nvidia"]
    return [Crowd(node, first=30 + _LATER * number, lasts=20.0) for number, node in enumerate(nvidia)]


SCENARIO = Scenario(
    "sympathy",
    "a program of several nodes fails, and all of its boards tell of it",
    "one finding `xid-burst` for all boards and nodes, and no node that is called faulty",
    _place,
)
