"""The matrix of one node: how each accelerator is joined with each other and with each port, and what flows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from tui.present.format import Text, number, value
from tui.present.line import Line, Piece
from tui.present.listing import Listing
from tui.present.rows import GAP, GUTTER, Column
from tui.present.style import Token
from watchfloor.columns import Floats
from watchfloor.fabric import Survey
from watchfloor.frame import Cell
from watchfloor.metrics import CATALOGUE, Unit
from watchfloor.model import Scope
from watchfloor.topology import Join, Pair, Port, Topology

_LINKS = CATALOGUE[Scope.LINK]
_UP = Column("up", "LINKS", 6, "right", fixed=True)
_SUMS = (Column("rx", "IN", 6, "right"), Column("tx", "OUT", 6, "right"))
_NEAREST = Column("nearest", "NEAREST", 9, "left")
_BRIEF, _WORD, _WITH_RATE = 3, 4, 10  # cells of a pair: its links alone, its word, its word and what flows
_NO_LINK, _LOST = ".", "los"  # of a pair that no link joins, of a lost board; where only links have room
_SAYS_NOTHING = (Join.UNKNOWN, Join.LOST)  # of a port
_TOKENS = {Join.SELF: Token.DIM, Join.LINKS: Token.TEXT, Join.SWITCHED: Token.TEXT, Join.PCIE: Token.ACCENT}


class _Ports(Enum):
    EACH = 0
    NEAREST = 1  # those alone that are nearest to each accelerator
    NONE = 2


@dataclass(frozen=True, slots=True)
class Look:
    """What of a matrix there is room for."""

    pair: int = _WORD
    ports: _Ports = _Ports.EACH
    sums: bool = True

    def shows(self, port: Port) -> bool:
        return port.scope is Scope.ACCELERATOR or self.ports is _Ports.EACH


_LOOKS = (  # the richest first
    Look(_WITH_RATE),
    Look(),
    Look(ports=_Ports.NEAREST),
    Look(ports=_Ports.NONE),
    Look(ports=_Ports.NONE, sums=False),
    Look(_BRIEF, _Ports.NONE, sums=False),
)


def look_for(topology: Topology, room: int) -> Look:
    """The richest look that needs no more than `room` cells; the poorest one where none does."""
    others, pairs = _told(topology)
    rated = any(pair.rate is not None for row in pairs for pair in row)
    with_ports = any(port.scope is not Scope.ACCELERATOR for port in others)
    looks = [
        look
        for look in _LOOKS
        if (rated or look.pair != _WITH_RATE) and (with_ports or look.ports is not _Ports.NEAREST)
    ]
    return next((look for look in looks if _width(topology, look) <= room), looks[-1])


def _width(topology: Topology, look: Look) -> int:
    return GUTTER - GAP + sum(column.width + GAP for column in _columns(topology, look))


def _columns(topology: Topology, look: Look) -> Sequence[Column]:
    names = [_name(board, look) for board in topology.boards]
    own = [Column("name", "", max(map(len, names), default=0), fixed=True), _UP, *(_SUMS if look.sums else ())]
    pairs = [
        Column(
            f"{port.scope}:{port.row}", _head(port), look.pair if port.scope is Scope.ACCELERATOR else _WORD, "right"
        )
        for port in _told(topology)[0]
        if look.shows(port)
    ]
    return [*own, *pairs, *([_NEAREST] if look.ports is _Ports.NEAREST else [])]


def matrix(survey: Survey, topology: Topology, room: int) -> Listing:
    """A row each accelerator: its scale-up links and their sum, then how it is joined with all others and each port.

    Where there are fewer than `room` cells for that, ports that are far go first, then sums, then pairs without links.
    """
    look = look_for(topology, room)
    rows = [
        (survey.frame.subject(Scope.ACCELERATOR, board.row), list(_cells(survey, topology, board, row, look)))
        for board, row in zip(topology.boards, _told(topology)[1], strict=True)
    ]
    return Listing(_columns(topology, look), rows)


def _cells(survey: Survey, topology: Topology, board: Port, row: Sequence[Pair], look: Look) -> Iterator[Text]:
    yield _name(board, look), Token.STRONG
    yield from _own_cells(survey, topology, board, look)
    others = _told(topology)[0]
    for port, pair in zip(others, row, strict=True):
        if look.shows(port):
            yield _pair_cell(pair, look.pair if port.scope is Scope.ACCELERATOR else _WORD)
    if look.ports is _Ports.NEAREST:
        yield _nearest_cell(others, row)


def _nearest(others: Sequence[Port], row: Sequence[Pair]) -> tuple[Join, Sequence[str]]:
    """How near the nearest ports are, and which they are; none where nobody tells."""
    ports = [(pair.join, _head(port)) for port, pair in zip(others, row, strict=True) if port.scope is Scope.LINK]
    join = min((join for join, _ in ports), key=list(Join).index, default=Join.UNKNOWN)
    return join, [name for near, name in ports if near is join not in _SAYS_NOTHING]


def _nearest_cell(others: Sequence[Port], row: Sequence[Pair]) -> Text:
    """`PIX m0`; `NODE m0+3` where three more are as near."""
    join, names = _nearest(others, row)
    if not names:
        return "", Token.DIM
    more = f"+{len(names) - 1}" if len(names) > 1 else ""
    return f"{join.value} {names[0]}{more}", _TOKENS.get(join, Token.DIM)


def _name(board: Port, look: Look) -> str:
    return _head(board) if look.pair == _BRIEF else board.name


def _told(topology: Topology) -> tuple[Sequence[Port], Sequence[Sequence[Pair]]]:
    """The columns, without ports of which no accelerator knows how it is joined with them."""
    others, pairs = topology.others, topology.pairs
    kept = [
        at
        for at, port in enumerate(others)
        if port.scope is Scope.ACCELERATOR or any(row[at].join not in _SAYS_NOTHING for row in pairs)
    ]
    return [others[at] for at in kept], [[row[at] for at in kept] for row in pairs]


def _head(port: Port) -> str:
    """`gpu3` as it is; a port's long name as its number: `mlx5_3/1` is `m3`."""
    if port.scope is Scope.ACCELERATOR:
        digits = port.name.lstrip("abcdefghijklmnopqrstuvwxyz")
        return port.name if len(port.name) <= _WORD else f"{port.name[0]}{digits}"
    device, _, number_of_port = port.name.partition("/")
    short = f"{device[0]}{device.rpartition('_')[2]}"
    return short if number_of_port in ("", "1") else f"{short}/{number_of_port}"


def _own_cells(survey: Survey, topology: Topology, board: Port, look: Look) -> Sequence[Text]:
    rows = list(topology.links_of(board))
    up, down = int(survey.up[rows].sum()), int(survey.down[rows].sum())
    known = up or down or bool(survey.unused[rows].any())
    words = f"{up if known else '?'}/{len(rows) - int(survey.unused[rows].sum())}" if rows else "-"
    links: Text = (words, Token.CRITICAL if down else Token.TEXT if known else Token.DIM)
    return [links, *(_sum(survey, rows, column.name) for column in _SUMS if look.sums)]


def _sum(survey: Survey, rows: Sequence[int], name: str) -> Text:
    if not rows:
        return "-", Token.DIM
    values: Floats = getattr(survey, name)[rows]
    known = values[values == values]
    cell = Cell(float(known.sum())) if known.size else survey.frame.links.cell(rows[0], name)
    return value(cell, _LINKS[name], 6)


def _pair_cell(pair: Pair, width: int) -> Text:
    token = _TOKENS.get(pair.join, Token.DIM)
    if pair.join is Join.LOST or (pair.join in (Join.LINKS, Join.SWITCHED) and not pair.count):
        token = Token.CRITICAL
    if width == _BRIEF:
        return _brief(pair), token
    rate = f" {number(pair.rate, Unit.BYTES_PER_SECOND):>5}" if pair.rate is not None and width == _WITH_RATE else ""
    return f"{pair.word}{rate}", token


def _brief(pair: Pair) -> str:
    if pair.join in (Join.LINKS, Join.SWITCHED):
        return pair.word if len(pair.word) <= _BRIEF else str(pair.count)
    return {Join.SELF: pair.word, Join.LOST: _LOST}.get(pair.join, _NO_LINK)


_MEANINGS = {
    Join.SWITCHED: "links into switches",
    Join.LINKS: "links between the two",
    Join.PCIE: "one PCIe switch",
    Join.BRIDGES: "several PCIe switches",
    Join.HOST: "one PCI host bridge",
    Join.SOCKET: "one socket",
    Join.SYSTEM: "across sockets",
    Join.LOST: "a board that is gone",
    Join.UNKNOWN: "not told",
}


def legend(topology: Topology, room: int) -> Line:
    """What the words of the matrix mean, those that are in it, and how to see what lies beyond the edge."""
    look = look_for(topology, room)
    words = dict(_words(topology, look))
    found: list[Piece] = [(" ", Token.DIM)]
    if _width(topology, look) > room:
        found += [("Left Right", Token.ACCENT), (" more columns  ", Token.DIM)]
    meanings = {words[join]: meaning for join, meaning in _MEANINGS.items() if join in words}
    if _NO_LINK in meanings:
        meanings[_NO_LINK] = "no link between the two"
    for word, meaning in meanings.items():
        found += [(word, Token.TEXT), (f" {meaning}  ", Token.DIM)]
    return found


def _words(topology: Topology, look: Look) -> Iterator[tuple[Join, str]]:
    """How each kind of join that is shown is written."""
    others, pairs = _told(topology)
    for row in pairs:
        nearest = _nearest(others, row)[0] if look.ports is _Ports.NEAREST else None
        for port, pair in zip(others, row, strict=True):
            if look.shows(port) or pair.join is nearest:
                yield pair.join, _brief(pair) if look.pair == _BRIEF else pair.word
