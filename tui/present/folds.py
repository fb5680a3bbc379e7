"""Links folded by node, rack, switch or kind, as rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tui.present.choice import Sort
from tui.present.fields import NODE_NAME, Field
from tui.present.format import Text, value
from tui.present.links import odd_token, oddity_note, per_minute
from tui.present.notes import node_note, worst_findings
from tui.present.order import Order, arrange, natural_key
from tui.present.rows import Column
from tui.present.style import STATE_TOKENS, UNICODE, Glyphs, Token
from watchfloor.columns import Floats
from watchfloor.fabric import Oddity, counts_errors
from watchfloor.folds import Folds, Grouping
from watchfloor.frame import Cell
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Finding, Scope, State, Subject

_METRICS = CATALOGUE[Scope.LINK]
_NOTE = 26

_FIELDS: Sequence[Field] = (
    Field("state", "", 1, 0, "left", "S"),
    NODE_NAME,
    Field("kind", "KIND", 10, 0, "left", "K"),
    Field("up", "UP", 9, 0),
    Field("rx", "IN", 6, 0, letter="I"),
    Field("tx", "OUT", 6, 2, letter="O"),
    Field("usage", "MAX%", 5, 0, letter="U"),
    Field("errors", "ERR/m", 6, 1, letter="E"),
    Field("odd", "STANDS OUT", 16, 3, "left"),
    Field("note", "NOTE", _NOTE, 0, "left", flexible=True),
)


def fold_fields(grouping: Grouping) -> Sequence[Field]:
    """The columns of rows that are folded so; the place is headed by what it is, and left out where there is none."""
    found = [replace(field, title=grouping.value.upper()) if field.name == "node" else field for field in _FIELDS]
    return [field for field in found if grouping is not Grouping.KIND or field.name != "node"]


@dataclass(frozen=True, slots=True)
class FoldKey:
    """Which fold a row is, whatever its number."""

    grouping: Grouping
    place: str
    kind: str


class FoldTable:
    """Implements TableModel: the worst first unless it is sorted otherwise."""

    def __init__(self, folds: Folds, columns: Sequence[Column], sort: Sort, glyphs: Glyphs = UNICODE) -> None:
        self.columns = columns
        self.sort = (sort.column, sort.descending)
        self._folds, self._groups, self._glyphs = folds, folds.groups, glyphs
        self._frame = folds.survey.frame
        rows = np.flatnonzero(folds.links)
        self._order: Order = arrange(self._natural(rows), self._keys(sort.column), sort.descending)

    def _natural(self, rows: Order) -> Order:
        """Nodes in the order of the inventory, other places by name; a node's kinds as its probe names them."""
        if self._groups.grouping is Grouping.NODE:
            return rows
        return rows[np.argsort(self._places_rank()[rows], kind="stable")]

    def _places_rank(self) -> Floats:
        """By group: the place of its place among all, the untold last."""
        names = [self._groups.place_name(self._frame, group) for group in range(self._groups.count)]
        order = sorted(set(names), key=lambda name: (not name, natural_key(name)))
        rank = {name: place for place, name in enumerate(order)}
        return np.array([rank[name] for name in names], np.float64)

    def _keys(self, name: str) -> Floats | None:
        folds, groups = self._folds, self._groups
        if name in ("rx", "tx", "usage", "errors"):
            return getattr(folds, name)
        keys: Mapping[str, Callable[[], NDArray]] = {
            "state": lambda: folds.rank,
            "odd": lambda: folds.oddity,
            "node": self._places_rank,
            "kind": lambda: groups.kind,
            "up": lambda: folds.up / np.maximum(folds.links, 1),
        }
        return keys[name]().astype(np.float64) if name in keys else None

    @property
    def count(self) -> int:
        return len(self._order)

    def group(self, index: int) -> int:
        return int(self._order[index])

    def identity(self, index: int) -> FoldKey:
        group = self.group(index)
        groups = self._groups
        return FoldKey(groups.grouping, groups.place_name(self._frame, group), groups.kind_name(group))

    def index_of(self, identity: Hashable) -> int | None:
        if not isinstance(identity, FoldKey) or identity.grouping is not self._groups.grouping:
            return None
        group = self._groups.find(self._frame, identity.kind, identity.place)
        found = np.flatnonzero(self._order == group) if group is not None else np.empty(0)
        return int(found[0]) if found.size else None

    def marked(self, index: int) -> bool:
        return False

    def cells(self, index: int) -> Sequence[Text]:
        group = self.group(index)
        return [self._cell(group, column) for column in self.columns]

    @cached_property
    def _worst_findings(self) -> Mapping[Subject, Finding]:
        return worst_findings(self._frame)

    def _cell(self, group: int, column: Column) -> Text:
        own = _OWN.get(column.name)
        return own(self, group) if own is not None else self._rate(group, column)

    def _state(self, group: int) -> Text:
        state = State(int(self._folds.states[group]))
        return self._glyphs.states[state], STATE_TOKENS[state]

    def _kind(self, group: int) -> Text:
        return self._groups.kind_name(group) or "?", Token.TEXT

    def _errors(self, group: int) -> Text:
        errors = float(self._folds.errors[group])
        return (
            per_minute(errors) if errors or counts_errors(self._frame, self._folds.first(group)) else ("-", Token.DIM)
        )

    def _odd(self, group: int) -> Text:
        """`2 down`, `1 slow, 3 more`: how many links stand out, the worst in words; ports that nobody uses aside."""
        folds, oddity = self._folds, Oddity(int(self._folds.oddity[group]))
        if not oddity:
            unused = int(folds.unused[group])
            return (f"{unused} unused", Token.DIM) if unused else ("-", Token.DIM)
        numbers = {Oddity.DOWN: folds.down, Oddity.SLOW: folds.slow, Oddity.UNEVEN: folds.uneven}
        count = int(numbers[oddity][group])
        others = sum(int(number[group]) for lesser, number in numbers.items() if lesser < oddity)
        words = f"{count} {oddity.label}" if count else oddity.label
        return f"{words}, {others} more" if others else words, odd_token(oddity)

    def _place(self, group: int) -> Text:
        name = self._groups.place_name(self._frame, group)
        if self._groups.grouping is not Grouping.NODE:
            return self._groups.place_word(self._frame, group), Token.TEXT if name else Token.DIM
        return name, Token.TEXT if self._frame.live[self._groups.place[group]] else Token.STALE

    def _up(self, group: int) -> Text:
        """Links that are up, of those that are in use."""
        folds = self._folds
        up, used = int(folds.up[group]), int(folds.links[group] - folds.unused[group])
        if not up and not folds.down[group] and used:
            return f"?/{used}", Token.DIM
        return f"{up}/{used}", Token.CRITICAL if folds.down[group] else Token.TEXT

    def _rate(self, group: int, column: Column) -> Text:
        rate = float(getattr(self._folds, column.name)[group])
        cell = Cell(rate) if rate == rate else self._last_rate(group, column.name)
        return value(cell, _METRICS[column.name], column.width, self._glyphs)

    def _last_rate(self, group: int, name: str) -> Cell:
        """What all its links carried when they were heard last, and why that is not current."""
        links = self._frame.links
        cell = links.cell(self._folds.first(group), name)
        last = links.part(name, self._groups.rows(group)).last
        last = last[last == last]
        whole = np.max if name == "usage" else np.sum
        return replace(cell, value=float(whole(last))) if last.size and cell.value is not None else cell

    def _note(self, group: int) -> Text:
        """What is the matter with its worst link, and how many others there are."""
        folds, groups, frame = self._folds, self._groups, self._frame
        if groups.grouping is Grouping.NODE and not frame.live[groups.place[group]]:
            return node_note(frame, int(groups.place[group]), self._worst_findings)
        lost = folds.absent_words(group)
        if lost:
            return (f"{lost[0]}, and {len(lost) - 1} more" if len(lost) > 1 else lost[0]), odd_token(Oddity.DOWN)
        row = int(folds.worst[group])
        if row < 0:
            return ("behind the other nodes of its job", Token.MATCH) if folds.behind_peers[group] else ("", Token.DIM)
        words, token = self._link_note(row)
        others = int(np.max([folds.down[group] + folds.slow[group] + folds.uneven[group], 1])) - 1
        return f"{words}, and {others} more" if others else words, token

    def _link_note(self, row: int) -> Text:
        frame, survey = self._frame, self._folds.survey
        node = frame.specs[int(frame.links.node[row])].name
        name = frame.links.text(row, "name") or frame.links.keys[row]
        alone = self._groups.grouping is Grouping.NODE  # then the row says already which node it is
        owner = name if alone else f"{node} {name}"
        finding = self._worst_findings.get(frame.subject(Scope.LINK, row))
        if finding is not None:
            words = finding.text.replace(f"{name} of {node}", owner) if alone else finding.text
            return words if name in words else f"{owner}: {words}", STATE_TOKENS[finding.state]
        return f"{owner}: {oddity_note(survey, row)}", odd_token(Oddity(int(survey.oddity[row])))


# not of a table: one that held its own methods would be its own owner, and outlive its frame until a collection
_OWN: Mapping[str, Callable[[FoldTable, int], Text]] = {
    "state": FoldTable._state,
    "node": FoldTable._place,
    "kind": FoldTable._kind,
    "up": FoldTable._up,
    "errors": FoldTable._errors,
    "odd": FoldTable._odd,
    "note": FoldTable._note,
}
