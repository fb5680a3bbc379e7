"""How the accelerators of one node hang together, and with its ports: what `nvidia-smi topo -m` tells, live. Pure.

A pair of accelerators is joined by links between the two, or by all links that both have into switches; what flows
between two boards behind a switch nobody counts. Where no link joins a pair, the PCI bridges above both tell how near
they are, and NUMA nodes whether on one socket, in the words of `nvidia-smi topo -m`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import takewhile

from watchfloor import pci
from watchfloor.fabric import SCALE_OUT, SCALE_UP
from watchfloor.frame import Cell, Frame
from watchfloor.lost import lost_boards
from watchfloor.model import Missing, Scope

_TO_EVERYBODY = ("nvswitch", "a card of this node")  # how peers are called that stand for all boards of the node
_SHORT: Mapping[str, str] = {
    "nvlink": "NV",
    "xgmi": "XG",
    "ici": "IC",
    "neuronlink": "NL",
    "gaudi": "GA",
    "xelink": "XL",
}


class Join(StrEnum):
    """How two devices are joined, the closest first; the words of `nvidia-smi topo`."""

    SELF = "X"
    LINKS = "links"
    SWITCHED = "switched"  # through switches, together with all others
    PCIE = "PIX"  # behind one PCIe switch
    BRIDGES = "PXB"  # over several PCIe switches of one root port
    HOST = "PHB"  # over one PCI host bridge
    SOCKET = "NODE"  # on one NUMA node
    SYSTEM = "SYS"  # across sockets
    LOST = "lost"  # one of them is off the bus, or isn't told of any more
    UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Pair:
    """`count` links of `kind` that are up between two devices; `rate` in B/s, both ways, None where unknown."""

    join: Join
    kind: str = ""
    count: int = 0
    rate: float | None = None

    @property
    def word(self) -> str:
        """`NV18`, `XG1`, `PIX`."""
        if self.join in (Join.LINKS, Join.SWITCHED):
            return f"{_SHORT.get(self.kind, self.kind[:2].upper())}{self.count}"
        return self.join.value


@dataclass(frozen=True, slots=True)
class Port:
    """An accelerator or a port of the scale-out fabric: a row of `frame.accelerators` or of `frame.links`."""

    scope: Scope
    row: int
    name: str
    above: tuple[str, ...] = ()  # its PCI root complex, and the bridges down to it
    numa: float | None = None


class Topology:
    """The devices of one node and how each pair of them is joined."""

    def __init__(self, frame: Frame, node: int) -> None:
        self._frame = frame
        links = [int(row) for row in frame.rows_of(Scope.LINK, node)]
        self._slots = _slots(frame, links)
        self._lost = frozenset(lost_boards(frame).tolist())
        self.boards = self._boards(node)
        self.ports = self._ports(links)
        self._by_board = self._links_by_board(links)
        self._down = frozenset(row for row in links if frame.links.cell(row, "up") == Cell(0.0))
        self._switched = {board: self._links_to_everybody(board) for board in self.boards}

    def _boards(self, node: int) -> Sequence[Port]:
        boards, found = self._frame.accelerators, list[Port]()
        for row in map(int, self._frame.rows_of(Scope.ACCELERATOR, node)):
            if not boards.text(row, "partition_of"):
                numa = boards.cell(row, "numa")
                known = numa.value if numa.missing is Missing.NO and isinstance(numa.value, float) else None
                name = boards.text(row, "name") or boards.keys[row]
                slot = self._slots.get(boards.keys[row])
                found.append(Port(Scope.ACCELERATOR, row, name, self._path(slot), known))
        return found

    def _ports(self, links: Sequence[int]) -> Sequence[Port]:
        view = self._frame.links
        rails = [row for row in links if view.text(row, "kind") in SCALE_OUT]
        return [
            Port(Scope.LINK, row, name, self._path(slot), self._numa(slot))
            for row in rails
            for name in [view.text(row, "name") or view.keys[row]]
            for slot in [self._slots.get(name.partition("/")[0])]
        ]

    def _path(self, slot: int | None) -> tuple[str, ...]:
        path = "" if slot is None else self._frame.links.text(slot, "pci_path")
        return tuple(path.split("/")) if path else ()

    def _numa(self, slot: int | None) -> float | None:
        numa = Cell(None) if slot is None else self._frame.links.cell(slot, "numa")
        return numa.value if numa.missing is Missing.NO and isinstance(numa.value, float) else None

    def _links_by_board(self, links: Sequence[int]) -> Mapping[str, Sequence[int]]:
        view, found = self._frame.links, dict[str, list[int]]()
        for row in links:
            if view.text(row, "kind") in SCALE_UP:
                found.setdefault(view.text(row, "accelerator"), []).append(row)
        return found

    @property
    def others(self) -> Sequence[Port]:
        """The columns of the matrix."""
        return [*self.boards, *self.ports]

    @cached_property
    def pairs(self) -> Sequence[Sequence[Pair]]:
        """A row each accelerator, a column each of `others`."""
        return [[self.pair(board, other) for other in self.others] for board in self.boards]

    def links_of(self, board: Port) -> Sequence[int]:
        """Rows of the scale-up links of a board."""
        return self._by_board.get(self._frame.accelerators.keys[board.row], ())

    def pair(self, one: Port, other: Port) -> Pair:
        if one == other:
            return Pair(Join.SELF)
        if any(port.scope is Scope.ACCELERATOR and port.row in self._lost for port in (one, other)):
            return Pair(Join.LOST)
        if one.scope is other.scope is Scope.ACCELERATOR:
            direct = [row for row in self.links_of(one) if self._leads_to(row, other)]
            if direct:
                return self._joined(Join.LINKS, direct, self._rate(direct))
            mine, theirs = self._switched[one], self._switched[other]
            if mine and theirs:
                return self._joined(Join.SWITCHED, min(mine, theirs, key=self._count_up), None)
        return Pair(_over_pcie(one, other))

    def _joined(self, join: Join, rows: Sequence[int], rate: float | None) -> Pair:
        return Pair(join, self._frame.links.text(rows[0], "kind"), self._count_up(rows), rate)

    def _count_up(self, rows: Sequence[int]) -> int:
        """Those not known to be down."""
        return sum(row not in self._down for row in rows)

    def _rate(self, rows: Sequence[int]) -> float | None:
        view = self._frame.links
        known = [view.cell(row, name) for row in rows for name in ("rx", "tx")]
        values = [cell.value for cell in known if cell.missing is Missing.NO and isinstance(cell.value, float)]
        return sum(values) if values else None

    def _leads_to(self, row: int, board: Port) -> bool:
        peer, boards = self._frame.links.text(row, "peer"), self._frame.accelerators
        if not peer:
            return False
        if peer in (board.name, boards.keys[board.row]):
            return True
        place = pci.slot(peer)
        return place is not None and place == pci.slot(boards.text(board.row, "bus_id"))

    def _links_to_everybody(self, board: Port) -> Sequence[int]:
        view = self._frame.links
        return [row for row in self.links_of(board) if view.text(row, "peer").casefold().startswith(_TO_EVERYBODY)]


def _slots(frame: Frame, links: Sequence[int]) -> Mapping[str, int]:
    """Row of the PCIe link of each device: by key of an accelerator, by name of a network device."""
    view, found = frame.links, dict[str, int]()
    for row in links:
        if view.text(row, "kind") == "pcie":
            found[view.text(row, "accelerator") or view.keys[row].partition(":")[2]] = row
    return found


def _over_pcie(one: Port, other: Port) -> Join:
    """A PCIe switch is a bridge for its own link and one for each device: more than one below what is shared is more
    than one switch."""
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one.above, other.above, strict=False)))
    if shared > 1:
        below = max(len(one.above), len(other.above)) - shared
        return Join.PCIE if below <= 1 else Join.BRIDGES
    if shared == 1:
        return Join.HOST
    if one.numa is None or other.numa is None:
        return Join.UNKNOWN
    return Join.SOCKET if one.numa == other.numa else Join.SYSTEM
