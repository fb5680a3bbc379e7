"""Links as rows: what each carries, what is the matter with it, and what is at its other end."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property

import numpy as np

from tui.present.choice import Sort
from tui.present.fields import NODE_NAME, Field
from tui.present.format import Text, number, quantity, value
from tui.present.notes import node_note, without_subject, worst_findings
from tui.present.order import Order, Sorted, keys_of
from tui.present.rows import Column
from tui.present.style import STATE_TOKENS, UNICODE, Glyphs, Token
from watchfloor.columns import Floats, Mask
from watchfloor.fabric import Oddity, Survey, counts_errors
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Unit
from watchfloor.model import Finding, Missing, Scope, State, Subject

_METRICS = CATALOGUE[Scope.LINK]
_NOTE = 26

LINK_FIELDS: Sequence[Field] = (
    Field("state", "", 1, 0, "left", "S"),
    NODE_NAME,
    Field("name", "LINK", 14, 0, "left", "L", most=20),
    Field("kind", "KIND", 10, 8, "left", "K"),
    Field("medium", "MEDIUM", 9, 11, "left"),
    Field("accelerator", "ACCEL", 7, 12, "left", "A"),
    Field("up", "IS", 6, 0, "left"),
    Field("rx", "IN", 6, 0, letter="I"),
    Field("tx", "OUT", 6, 1, letter="O"),
    Field("usage", "USE%", 5, 0, letter="U"),
    Field("speed", "SPEED", 6, 3, letter="D"),
    Field("width", "LANES", 6, 6),
    Field("gen", "GEN", 4, 7),
    Field("errors", "ERR/m", 6, 1, letter="E"),
    Field("peer", "OTHER END", 21, 2, "left", "P"),
    Field("switch", "SWITCH", 13, 10, "left", "W"),
    Field("note", "NOTE", _NOTE, 0, "left", flexible=True),
)

_ODD_TOKENS: Mapping[Oddity, Token] = {
    Oddity.DOWN: Token.CRITICAL,
    Oddity.SLOW: Token.WARNING,
    Oddity.UNEVEN: Token.MATCH,
}


def odd_token(oddity: Oddity) -> Token:
    return _ODD_TOKENS.get(oddity, Token.TEXT)


def standing(survey: Survey, row: int) -> Text:
    """One word: `down`, `slow`, `uneven`, `unused`, `up`, or why it isn't known."""
    oddity = Oddity(int(survey.oddity[row]))
    if oddity:
        return oddity.label, _ODD_TOKENS[oddity]
    if survey.unused[row]:
        return "unused", Token.DIM
    if survey.up[row]:
        return "up", Token.OK
    return value(survey.frame.links.cell(row, "up"), _METRICS["up"], 6)


def oddity_note(survey: Survey, row: int) -> str:
    """In words, what is odd about a link; "" where nothing is."""
    links, usage = survey.frame.links, float(survey.usage[row])
    if survey.down[row]:
        return f"down: {links.text(row, 'phys')}" if links.text(row, "phys") else "down"
    if survey.unused[row]:
        return links.text(row, "phys")
    if survey.slow[row]:
        return "only " + (beside_best(survey.frame, row) or "below its best")
    if survey.one_way[row]:
        rates = (number(float(rate[row]), Unit.BYTES_PER_SECOND) for rate in (survey.rx, survey.tx))
        return "{} in, {} out".format(*rates)
    if row in survey.sisters_usage:
        return f"{usage:.1f} % used, its sisters {survey.sisters_usage[row]:.0f} %"
    return ""


def both_ways(frame: Frame, row: int) -> str:
    """`3.7 GB/s both ways together`; "" where in and out are told apart, or nothing is."""
    cell = frame.links.cell(row, "traffic")
    if cell.missing is not Missing.NO or not isinstance(cell.value, float):
        return ""
    return f"{quantity(cell.value, Unit.BYTES_PER_SECOND)} both ways together"


def beside_best(frame: Frame, row: int) -> str:
    """`8 of 16 lanes, generation 3 of 5`, or speeds where no lanes are told; "" where it is at its best."""
    found = []
    for name, words in (("width", "{:.0f} of {:.0f} lanes"), ("gen", "generation {:.0f} of {:.0f}")):
        now, best = _two(frame, row, name)
        if now < best:
            found.append(words.format(now, best))
    now, best = _two(frame, row, "speed")
    if not found and now < best:
        found.append(f"{quantity(now, Unit.BYTES_PER_SECOND)} of {quantity(best, Unit.BYTES_PER_SECOND)}")
    return ", ".join(found)


def _two(frame: Frame, row: int, name: str) -> tuple[float, float]:
    """A value and its best; NaN where missing."""
    cells = (frame.links.cell(row, name), frame.links.cell(row, f"{name}_max"))
    now, best = (
        cell.value if cell.missing is Missing.NO and isinstance(cell.value, float) else np.nan for cell in cells
    )
    return now, best


def per_minute(errors: float) -> Text:
    """Errors a minute; few are not none."""
    if errors == 0:
        return "0", Token.DIM
    return ("<1" if errors < 1 else number(errors, Unit.COUNT)), Token.WARNING


class LinkTable:
    """Implements TableModel: single links, the worst first unless it is sorted otherwise."""

    def __init__(
        self,
        survey: Survey,
        columns: Sequence[Column],
        sort: Sort,
        passed: Mask | None = None,
        within: int | None = None,
        glyphs: Glyphs = UNICODE,
    ) -> None:
        """`passed` leaves links out; `within` is the index of the one node to show, None for the fleet."""
        self.columns = columns
        self.sort = (sort.column, sort.descending)
        self._survey, self._frame, self._glyphs = survey, survey.frame, glyphs
        self._order = Sorted(self._rows(passed, within), self._keys(sort.column), sort.descending)

    def _rows(self, passed: Mask | None, within: int | None) -> Order:
        if within is not None:
            rows = self._frame.rows_of(Scope.LINK, within)
            return rows if passed is None else rows[passed[rows]]
        rows = self._frame.links.roster.by_node
        return rows if passed is None else rows[passed[rows]]

    def _keys(self, name: str) -> Floats | None:
        links = self._frame.links
        match name:
            case "state":
                return self._survey.rank.astype(np.float64)
            case "rx" | "tx" | "usage" | "errors":
                return getattr(self._survey, name)
            case "node":
                return keys_of(self._frame.nodes, "name")[links.node]
        return keys_of(links, name) if name in _METRICS else None

    @property
    def count(self) -> int:
        return len(self._order)

    def row(self, index: int) -> int:
        """The row of the frame."""
        return self._order.row(index)

    def identity(self, index: int) -> Subject:
        return self._frame.subject(Scope.LINK, self.row(index))

    def index_of(self, identity: Hashable) -> int | None:
        if not isinstance(identity, Subject) or identity.scope is not Scope.LINK:
            return None
        row = self._frame.row(identity)
        return self._order.index_of(row) if row is not None else None

    def marked(self, index: int) -> bool:
        return False

    def cells(self, index: int) -> Sequence[Text]:
        row = self.row(index)
        return [self._cell(row, column) for column in self.columns]

    @cached_property
    def _worst(self) -> Mapping[Subject, Finding]:
        return worst_findings(self._frame)

    def _cell(self, row: int, column: Column) -> Text:
        own = _OWN.get(column.name)
        if own is not None:
            return own(self, row)
        if column.name in ("width", "gen"):
            return _of_best(self._frame, row, column)
        return value(self._frame.links.cell(row, column.name), _METRICS[column.name], column.width, self._glyphs)

    def _state(self, row: int) -> Text:
        state = State(int(self._frame.links.states[row]))
        return self._glyphs.states[state], STATE_TOKENS[state]

    def _node(self, row: int) -> Text:
        node = int(self._frame.links.node[row])
        return self._frame.specs[node].name, Token.TEXT if self._frame.live[node] else Token.STALE

    def _name(self, row: int) -> Text:
        return self._frame.links.text(row, "name") or self._frame.links.keys[row], Token.TEXT

    def _standing(self, row: int) -> Text:
        return standing(self._survey, row)

    def _owner(self, row: int) -> Text:
        return owner_name(self._frame, row) or "-", Token.TEXT

    def _errors(self, row: int) -> Text:
        counted = counts_errors(self._frame, row)
        return per_minute(float(self._survey.errors[row])) if counted else ("-", Token.DIM)

    def _note(self, row: int) -> Text:
        frame = self._frame
        node = int(frame.links.node[row])
        if not frame.live[node]:
            return node_note(frame, node, self._worst)
        finding = self._worst.get(frame.subject(Scope.LINK, row))
        if finding is not None:
            names = f"{frame.links.text(row, 'name')} of {frame.specs[node].name}"
            return without_subject(finding.text, names).replace(f" {names}", ""), STATE_TOKENS[finding.state]
        odd, both = oddity_note(self._survey, row), both_ways(frame, row)
        if both and not odd:
            return both, Token.DIM
        return odd, odd_token(Oddity(int(self._survey.oddity[row])))


# not of a table: one that held its own methods would be its own owner, and outlive its frame until a collection
_OWN: Mapping[str, Callable[[LinkTable, int], Text]] = {
    "state": LinkTable._state,
    "node": LinkTable._node,
    "name": LinkTable._name,
    "up": LinkTable._standing,
    "errors": LinkTable._errors,
    "accelerator": LinkTable._owner,
    "note": LinkTable._note,
}


def owner_name(frame: Frame, row: int) -> str:
    """Short name of the accelerator that a link belongs to, "" where it belongs to none."""
    key = frame.links.text(row, "accelerator")
    board = frame.accelerators.roster.row(int(frame.links.node[row]), key) if key else None
    return (frame.accelerators.text(board, "name") if board is not None else "") or key


def _of_best(frame: Frame, row: int, column: Column) -> Text:
    """`8/16`; the best alone where it is reached."""
    now, best = _two(frame, row, column.name)
    if now != now:
        return value(frame.links.cell(row, column.name), _METRICS[column.name], column.width)
    if now < best:
        return f"{now:.0f}/{best:.0f}", Token.WARNING
    return f"{now:.0f}", Token.TEXT if best == best else Token.DIM
