"""The matrix of one node: how each accelerator is joined with each other and with each port, and what flows."""

from __future__ import annotations

from collections.abc import Sequence

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
_OWN = (
    Column("name", "", 8, fixed=True),
    Column("up", "LINKS", 6, "right", fixed=True),
    Column("rx", "IN", 6, "right"),
    Column("tx", "OUT", 6, "right"),
)
_NARROW, _WITH_RATE = 4, 10  # cells of a pair: its word, or its word and what flows
_TOKENS = {Join.SELF: Token.DIM, Join.LINKS: Token.TEXT, Join.SWITCHED: Token.TEXT, Join.PCIE: Token.ACCENT}


def matrix(survey: Survey, topology: Topology, room: int) -> Listing:
    """A row each accelerator: its scale-up links and their sum, then how it is joined with all others and each port."""
    others, pairs = _told(topology)
    rated = any(pair.rate is not None for row in pairs for pair in row)
    taken = GUTTER + sum(column.width + GAP for column in _OWN)
    width = _WITH_RATE if rated and taken + len(others) * (_WITH_RATE + GAP) <= room else _NARROW
    columns = [Column(f"{port.scope}:{port.row}", _head(port), width, "right") for port in others]
    rows = [
        (
            survey.frame.subject(Scope.ACCELERATOR, board.row),
            [*_own_cells(survey, topology, board), *(_pair_cell(pair, width) for pair in row)],
        )
        for board, row in zip(topology.boards, pairs, strict=True)
    ]
    return Listing([*_OWN, *columns], rows)


def _told(topology: Topology) -> tuple[Sequence[Port], Sequence[Sequence[Pair]]]:
    """The columns, without ports of which no accelerator knows how it is joined with them."""
    others, pairs = topology.others, topology.pairs
    kept = [
        at
        for at, port in enumerate(others)
        if port.scope is Scope.ACCELERATOR or any(row[at].join is not Join.UNKNOWN for row in pairs)
    ]
    return [others[at] for at in kept], [[row[at] for at in kept] for row in pairs]


def _head(port: Port) -> str:
    """`gpu3` as it is; a port's long name as its number: `mlx5_3/1` is `m3`."""
    if port.scope is Scope.ACCELERATOR:
        digits = port.name.lstrip("abcdefghijklmnopqrstuvwxyz")
        return port.name if len(port.name) <= _NARROW else f"{port.name[0]}{digits}"
    device, _, number_of_port = port.name.partition("/")
    short = f"{device[0]}{device.rpartition('_')[2]}"
    return short if number_of_port in ("", "1") else f"{short}/{number_of_port}"


def _own_cells(survey: Survey, topology: Topology, board: Port) -> Sequence[Text]:
    rows = list(topology.links_of(board))
    up, down = int(survey.up[rows].sum()), int(survey.down[rows].sum())
    known = up or down or bool(survey.unused[rows].any())
    words = f"{up if known else '?'}/{len(rows) - int(survey.unused[rows].sum())}" if rows else "-"
    links: Text = (words, Token.CRITICAL if down else Token.TEXT if known else Token.DIM)
    return [(board.name, Token.STRONG), links, *(_sum(survey, rows, name) for name in ("rx", "tx"))]


def _sum(survey: Survey, rows: Sequence[int], name: str) -> Text:
    if not rows:
        return "-", Token.DIM
    values: Floats = getattr(survey, name)[rows]
    known = values[values == values]
    cell = Cell(float(known.sum())) if known.size else survey.frame.links.cell(rows[0], name)
    return value(cell, _LINKS[name], 6)


def _pair_cell(pair: Pair, width: int) -> Text:
    token = _TOKENS.get(pair.join, Token.DIM)
    if pair.join in (Join.LINKS, Join.SWITCHED) and not pair.count:
        token = Token.CRITICAL
    rate = f" {number(pair.rate, Unit.BYTES_PER_SECOND):>5}" if pair.rate is not None and width == _WITH_RATE else ""
    return f"{pair.word}{rate}", token


_MEANINGS = {
    Join.SWITCHED: "links into switches",
    Join.LINKS: "links between the two",
    Join.PCIE: "one PCIe switch",
    Join.BRIDGES: "several PCIe switches",
    Join.HOST: "one PCI host bridge",
    Join.SOCKET: "one socket",
    Join.SYSTEM: "across sockets",
    Join.UNKNOWN: "not told",
}


def legend(topology: Topology) -> Line:
    """What the words of the matrix mean, those that are in it."""
    words = {pair.join: pair.word for row in _told(topology)[1] for pair in row}
    found: list[Piece] = [(" ", Token.DIM)]
    for join, meaning in _MEANINGS.items():
        if join in words:
            found += [(words[join], Token.TEXT), (f" {meaning}  ", Token.DIM)]
    return found
