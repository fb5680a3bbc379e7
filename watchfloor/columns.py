"""One scope's state as columns: a column per metric of the catalogue, a row per subject, and why a cell is missing.

Texts are kept as codes of a vocabulary. Reports come row by row and readers want columns, so what is told goes into a
log, and the log is folded into the columns a batch at a time.

A column of which a picture was taken is never written again: the next change makes a copy. So a frame holds for nothing
what did not change since the last, and a column of which nobody ever told anything takes no memory. Not thread-safe:
one writer; pictures go anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from watchfloor.derived import DERIVED
from watchfloor.distinct import among, distinct
from watchfloor.metrics import CATALOGUE, COLUMNS, Kind
from watchfloor.model import Missing, Scope
from watchfloor.roster import Register, Rows
from watchfloor.told import LOG_CELLS, Floats, Log, Meaning, Places

Codes = NDArray[np.int8]
Mask = NDArray[np.bool_]
RowNumbers = NDArray[np.intp]

_LOG_SECONDS = 1.0  # what is folded at once happened at the same time, as far as counters are concerned
# why a cell is missing travels in the log as a value that no report can hold: this, times the reason
_GONE = 1e30
_NO_TEXT = np.int32(-1)
_NO_NUMBER = np.float64(np.nan)


class Vocabulary:
    """Texts as numbers, both ways. Grows only: the fleet starts a new one when most texts are of the past."""

    def __init__(self) -> None:
        self.texts: list[str] = [""]
        self._codes: dict[str, int] = {"": 0}

    def code(self, text: str) -> int:
        code = self._codes.get(text)
        if code is None:
            code = self._codes[text] = len(self.texts)
            self.texts.append(text)
        return code

    def __len__(self) -> int:
        return len(self.texts)


class Picture:
    """One column at one time, which nobody changes any more. What is reckoned from it is kept as long as it is."""

    def __init__(self, values: Floats | Rows, missing: Codes) -> None:
        self.values = values  # last told; a text as its code; NaN or -1 where there never was one
        self.missing = missing  # watchfloor.model.Missing
        self._overlaid: tuple[RowNumbers, RowNumbers, Picture] | None = None

    @cached_property
    def last(self) -> Floats:
        """Last told values as numbers, NaN where there never was one."""
        if self.values.dtype == np.int32:
            return np.where(self.values == _NO_TEXT, np.nan, self.values)
        return self.values.astype(np.float64, copy=False)

    @cached_property
    def known(self) -> Floats:
        """As `last`, and NaN where the value isn't current."""
        return np.where(self.missing == Missing.NO, self.last, np.nan) if self.missing.any() else self.last

    @cached_property
    def codes(self) -> RowNumbers:
        """Of a text: its current codes, -1 where missing. As numpy indexes with them; others it converts each time."""
        codes = self.values.astype(np.intp, copy=False)
        return np.where(self.missing == Missing.NO, codes, -1) if self.missing.any() else codes

    def overlaid(self, silent: RowNumbers, gone: RowNumbers) -> Picture:
        """This column where these rows are not current any more; the same object while it is asked of the same rows.

        A value of a silent row is stale, the reason of one that was missing already stays; what is gone is lost.
        """
        before = self._overlaid
        if before is None or not (np.array_equal(before[0], silent) and np.array_equal(before[1], gone)):
            missing = self.missing.copy()
            missing[silent[missing[silent] == Missing.NO]] = Missing.STALE
            missing[gone] = Missing.LOST
            before = self._overlaid = silent, gone, Picture(self.values, missing)
        return before[2]


class _Column:
    """The cells of one metric: arrays with room for rows to come. Read-only arrays are shared with a picture."""

    def __init__(self, blank: np.generic, reason: Missing) -> None:
        self._blank = blank
        self._reason = np.int8(reason)
        # of stride 0 and read-only: a column in which all rows are alike takes no memory
        self.values: NDArray = np.broadcast_to(blank, 0)
        self.missing: Codes = np.broadcast_to(self._reason, 0)
        self._picture: tuple[int, NDArray, NDArray, Picture] | None = None

    def grow(self, capacity: int) -> None:
        self.values = _grown(self.values, self._blank, capacity)
        self.missing = _grown(self.missing, self._reason, capacity)

    def fold(self, rows: Rows, values: Floats) -> None:
        """Take these in their order, reasons why cells are missing among them; these leave the last value as it was."""
        told = values < _GONE
        if told.all():
            self.put(rows, values)
            self._put_reasons(rows, np.int8(Missing.NO))
        else:
            self.put(rows[told], values[told])
            self._put_reasons(rows, np.where(told, 0.0, values / _GONE).astype(np.int8))

    def put(self, rows: Rows, values: NDArray) -> None:
        if (self.values.take(rows) != values).any():
            self.values = _own(self.values)
            self.values[rows] = values

    def _put_reasons(self, rows: Rows, reasons: Codes | np.int8) -> None:
        if (self.missing.take(rows) != reasons).any():
            self.missing = _own(self.missing)
            self.missing[rows] = reasons

    def recode(self, code: Callable[[int], int]) -> None:
        """Replace every code by another."""
        if self.values.strides == (0,):
            return
        codes, places = np.unique(self.values, return_inverse=True)
        fresh = [code(old) if old >= 0 else old for old in codes.tolist()]
        self.values = np.array(fresh, np.int32)[places]

    def blank(self, rows: Rows) -> None:
        """As if nobody had ever told anything of these."""
        if self.values.strides != (0,):
            self.values = _own(self.values)
            self.values[rows] = self._blank
        if self.missing.strides != (0,):
            self.missing = _own(self.missing)
            self.missing[rows] = self._reason

    def picture(self, count: int) -> Picture:
        """The first `count` rows as they are; the same object as before where nothing changed."""
        before = self._picture
        if before and before[0] == count and before[1] is self.values and before[2] is self.missing:
            return before[3]
        self.values.flags.writeable = self.missing.flags.writeable = False
        picture = Picture(self.values[:count], self.missing[:count])
        self._picture = (count, self.values, self.missing, picture)
        return picture


def _own(values: NDArray) -> NDArray:
    return values if values.flags.writeable else values.copy()


def _grown(values: NDArray, blank: np.generic, capacity: int) -> NDArray:
    if values.strides == (0,) or not len(values):
        return np.broadcast_to(blank, capacity)
    return np.concatenate([values, np.full(capacity - len(values), blank)])


class Count(NamedTuple):
    """A counter of one row that was told another value than before, or for the first time after a reboot."""

    row: int
    name: str
    before: float
    now: float
    booted: bool = False  # `before` is of an earlier boot


Counted = Callable[[Scope, Sequence[Count], float], None]


class Columns:
    """The cells of one scope. `counted` is called with the counters that moved, in their order, and when they did."""

    def __init__(self, scope: Scope, counters: Collection[str], counted: Counted) -> None:
        self.scope = scope
        self.register = Register()
        self._names = list(CATALOGUE[scope])
        self._is_counter = [name in counters for name in self._names]
        # by counter: rows of which nothing was told since their node was started anew
        self._booted: dict[str, set[int]] = {name: set() for name in counters}
        self._counted = counted
        # a node is there before it is heard; all others are made of what their node says of them
        reason = Missing.NOT_YET if scope is Scope.NODE else Missing.UNSUPPORTED
        self._columns = [
            _Column(_NO_TEXT if metric.kind is Kind.TEXT else _NO_NUMBER, reason)
            for metric in CATALOGUE[scope].values()
        ]
        self._unlisted = _Column(np.int8(0), Missing.NO)
        self._gone: dict[int, float] = {}  # rows that their node no longer names, and since when
        self._log = Log()
        self._at = 0.0  # of the first values in the log

    # -- cells

    def put(self, rows: Rows, columns: Places, values: Floats, at: float) -> None:
        """Cells have these values now. `at` is console time in seconds, which counters are remembered with."""
        self._begin(at)
        self._note(rows, columns, values)

    def tell(self, meaning: Meaning, rows: Rows, positions: Sequence[int], values: Sequence[float], at: float) -> None:
        """As `put`, at positions that `meaning` knows, of a table whose subjects have these rows; LOG_CELLS at most."""
        self._begin(at)
        if len(positions) > self._log.room:
            self.fold()
        self._log.tell(meaning, rows, positions, values)

    def put_missing(self, rows: Rows, columns: Places, reasons: Codes) -> None:
        """Cells are missing; their last value stays readable for a dim display."""
        self._note(rows, columns, reasons.astype(np.float64) * _GONE)

    def put_one(self, row: int, name: str, value: float) -> None:
        """One cell that is no counter."""
        self._note(np.array([row], np.int32), self._place(name), np.array([value], np.float64))

    def put_one_missing(self, row: int, name: str, reason: Missing) -> None:
        self.put_missing(np.array([row], np.int32), self._place(name), np.array([reason], np.int8))

    def _place(self, name: str) -> Places:
        return np.array([COLUMNS[self.scope][name]], np.int16)

    def rebooted(self, rows: Collection[int]) -> None:
        """The node of these rows was started anew: what its counters said before is of another boot."""
        self.fold()
        for booted in self._booted.values():
            booted.update(rows)

    def any_above_zero(self, row: int, names: Collection[str]) -> bool:
        """Whether one of these metrics of a row is current and greater than 0, as of the last fold."""
        columns = (self._columns[COLUMNS[self.scope][name]] for name in names)
        return any(column.missing[row] == Missing.NO and column.values[row] > 0 for column in columns)

    def last(self, row: int, name: str) -> float:
        """The last told value of one cell, a text as its code; NaN or -1 where there never was one."""
        self.fold()
        return float(self._columns[COLUMNS[self.scope][name]].values[row])

    def list_rows(self, node: int, rows: Rows, at: float) -> None:
        """These, of all rows that the node ever had, are those that it names from console time `at` on."""
        self._make_room()
        of_node = np.array(self.register.rows_of(node), np.int32)
        gone = ~among(of_node, rows)
        self._unlisted.put(of_node, gone)
        for row, is_gone in zip(of_node.tolist(), gone.tolist(), strict=True):
            if is_gone:
                self._gone.setdefault(row, at)
            else:
                self._gone.pop(row, None)

    def gone(self, node: int, before: float) -> list[int]:
        """Rows of subjects that the node has not named since console time `before`, those that left first at first."""
        rows = [row for row in self.register.rows_of(node) if self._gone.get(row, np.inf) < before]
        return sorted(rows, key=lambda row: self._gone[row])

    def blank(self, rows: Sequence[int]) -> None:
        """Forget everything that was told of these rows: they get other owners."""
        self.fold()
        for column in (*self._columns, self._unlisted):
            column.blank(np.array(rows, np.int32))
        for booted in self._booted.values():
            booted.difference_update(rows)

    def _note(self, rows: Rows, columns: Places, values: Floats) -> None:
        for start in range(0, len(rows), LOG_CELLS):  # hardly ever more than once
            part = slice(start, start + LOG_CELLS)
            if len(rows[part]) > self._log.room:
                self.fold()
            self._log.append(rows[part], columns[part], values[part])

    def _begin(self, at: float) -> None:
        if abs(at - self._at) > _LOG_SECONDS:
            self.fold()
            self._at = at

    def fold(self) -> None:
        """Bring the columns up to what was told."""
        self._make_room()
        if self._log.room == LOG_CELLS:
            return
        rows, places, values = self._log.taken()
        edges = [0, *(np.flatnonzero(np.diff(places)) + 1).tolist(), len(places)]
        counts: list[Count] = []
        for start, stop in pairwise(edges):
            at, part = int(places[start]), slice(start, stop)
            if self._is_counter[at]:
                counts += self._moves(at, rows[part], values[part])
            self._columns[at].fold(rows[part], values[part])
        if counts:
            self._counted(self.scope, counts, self._at)

    def _moves(self, at: int, rows: Rows, values: Floats) -> list[Count]:
        """What a counter of these rows counted."""
        booted = self._booted[self._names[at]]
        moves = list(_counts(self._names[at], self._columns[at].values, rows, values, booted))
        if booted:
            booted.difference_update(rows[values < _GONE].tolist())
        return moves

    def _make_room(self) -> None:
        """Rows may have been added since the last fold."""
        capacity = self.register.capacity
        if len(self._unlisted.values) < capacity:
            for column in (*self._columns, self._unlisted):
                column.grow(capacity)

    # -- pictures

    def pictures(self) -> list[Picture]:
        """Every column as it is now, in the order of the catalogue; unchanged ones are the very same as before."""
        self.fold()
        return [column.picture(self.register.count) for column in self._columns]

    def unlisted(self) -> Picture:
        """By row: 1 where its node no longer names it."""
        self.fold()
        return self._unlisted.picture(self.register.count)

    def current(self, name: str, live: Mask, of: NDArray[np.intp] | None = None) -> Floats:
        """One numeric metric over all rows, or those of `of`: NaN where it is missing or its node isn't live (by node).

        Raises KeyError.
        """
        derived = DERIVED[self.scope].get(name)
        if derived:
            return derived.alone([self.current(part, live, of) for part in derived.parts])
        self.fold()
        rows, column = slice(self.register.count) if of is None else of, self._columns[COLUMNS[self.scope][name]]
        known = (
            (column.missing[rows] == Missing.NO) & live[self.register.node[rows]] & (self._unlisted.values[rows] == 0)
        )
        return np.where(known, column.values[rows], np.nan)

    def told(self, name: str) -> Picture:
        """One column as it is now; the very same object as before where nothing changed."""
        self.fold()
        return self._columns[COLUMNS[self.scope][name]].picture(self.register.count)

    def recode(self, code: Callable[[int], int]) -> None:
        """Give every text another code."""
        self.fold()
        for column in self._columns:
            if column.values.dtype == np.int32:
                column.recode(code)


def _counts(name: str, last: NDArray, rows: Rows, values: Floats, booted: Collection[int]) -> Iterator[Count]:
    """The moves of a counter that had a value before; several of one row in their order."""
    before, told = last[rows], values < _GONE
    moved = np.flatnonzero((before != values) & (before == before) & told)
    if booted or len(distinct(rows)) < len(rows):  # some row was told twice since the last fold
        moved = np.flatnonzero(told)
    latest: dict[int, Any] = {}
    for row, was, now in zip(rows[moved].tolist(), before[moved].tolist(), values[moved].tolist(), strict=True):
        earlier, first = latest.get(row, was), row in booted and row not in latest
        if earlier == earlier and (earlier != now or first):
            yield Count(row, name, earlier, now, first)
        latest[row] = now
