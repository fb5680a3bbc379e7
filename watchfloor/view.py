"""One scope of a frame: what can be asked of its rows and columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Codes, Floats, Mask, Picture
from watchfloor.derived import CONSOLE_OWNED, DERIVED, Derived
from watchfloor.metrics import CATALOGUE, Kind
from watchfloor.model import Missing, Scope, State
from watchfloor.roster import Roster

_REASONS = tuple(Missing)  # in the order of their numbers
_FEW_NODES = 200  # the rows of so many are faster put together than looked for among all
_NO_ROWS = np.empty(0, np.intp)
_TEXTS = {
    scope: frozenset(name for name, metric in table.items() if metric.kind is Kind.TEXT)
    for scope, table in CATALOGUE.items()
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One value as a screen sees it: `value` is the last known (None: never), `missing` says whether it is current."""

    value: float | str | None
    missing: Missing = Missing.NO


class View:
    """`count` rows, every metric of the catalogue a column. Arrays that it gives are not to be written.

    Columns are shared with other frames as long as nothing is told of them. So that silence costs nothing, it is laid
    over a column when somebody asks for that column, and so are rows that their node no longer names.
    """

    def __init__(
        self,
        scope: Scope,
        roster: Roster,
        pictures: Iterable[Picture],
        unlisted: Picture,
        live: Mask,
        texts: Sequence[str],
    ) -> None:
        self.scope = scope
        self.count = roster.count
        self.keys = roster.keys  # may be longer than count: rows that a later frame has
        self.node = roster.node  # index of each row's node
        self.texts = texts  # text of each code
        self.roster = roster
        self._live = live  # by node
        self._unlisted = unlisted.values  # by row: 1 where its node no longer names it
        self._shared = dict(zip(CATALOGUE[scope], pictures, strict=True))
        self._own: dict[str, Picture] = {}  # columns that this frame shares with none
        self._worst: Codes | None = None  # by row, once findings were made; 0 where nothing was found

    def known(self, name: str) -> Floats:
        """Current values of one numeric metric (codes where it is a text), NaN where missing. Raises KeyError."""
        return self._column(name).known

    def codes(self, name: str) -> NDArray[np.intp]:
        """Current codes of one text metric (the text is `texts[code]`), -1 where missing. Raises KeyError."""
        return self._column(name).codes

    def last(self, name: str) -> Floats:
        """Last known values of one metric, however old; NaN where there never was one."""
        return self._column(name).last

    def reasons(self, name: str) -> Codes:
        """By row: watchfloor.model.Missing as a number."""
        return self._column(name).missing

    def part(self, name: str, rows: NDArray[np.intp]) -> Picture:
        """These rows of a column; what is derived is reckoned for them alone. Raises KeyError."""
        derived = DERIVED[self.scope].get(name)
        if derived and name not in self._own:
            return _reckoned(derived, [self.part(part, rows) for part in derived.parts])
        column = self._column(name)
        return Picture(column.values[rows], column.missing[rows])

    def told(self, name: str) -> Picture:
        """A column as the nodes told it, silent ones too; the very same object as long as nothing is told of it.

        Not for derived metrics. Raises KeyError.
        """
        return self._shared[name]

    def cell(self, row: int, name: str) -> Cell:
        value, missing = self._at(row, name)
        if name in _TEXTS[self.scope] and value >= 0:
            return Cell(self.texts[int(value)], missing)
        if value != value or name in _TEXTS[self.scope]:
            return Cell(None, missing if missing is not Missing.NO else Missing.NOT_YET)
        return Cell(value, missing)

    def text(self, row: int, name: str) -> str:
        """The last known text of a text metric, "" where there never was one."""
        code = int(self._shared[name].values[row])
        return self.texts[code] if code >= 0 else ""

    @cached_property
    def states(self) -> NDArray[np.int8]:
        """watchfloor.model.State of each row."""
        if self._worst is None:
            return np.full(self.count, State.UNKNOWN, np.int8)
        states = np.full(self.count, State.OK, np.int8)
        states[self._silent] = State.UNKNOWN
        if self.scope is Scope.ACCELERATOR:
            states[self._unread] = State.UNKNOWN
        return np.maximum(states, self._worst)

    @cached_property
    def _unread(self) -> NDArray[np.intp]:
        """Boards of which nothing is known though their nodes are well: the driver hangs, reading them failed, or they
        are not read for a while."""
        util = self.reasons("util")
        let_go = (util == Missing.NOT_YET) & ~np.isnan(self.last("util"))
        rows = np.flatnonzero((util == Missing.TIMED_OUT) | (util == Missing.FAILED) | let_go)
        if not rows.size:
            return rows
        temp, power = (self.part(name, rows).missing == Missing.NO for name in ("temp", "power"))
        return rows[(util[rows] == Missing.TIMED_OUT) | ~(temp | power)]

    # -- for who records: what a frame is made of, as it is

    @property
    def unlisted(self) -> NDArray:
        """By row: 1 where its node no longer names it."""
        return self._unlisted

    @property
    def found(self) -> Codes:
        """By row: the worst that was found of it, as a number; 0 where nothing was."""
        return np.zeros(self.count, np.int8) if self._worst is None else self._worst

    def own_column(self, name: str) -> Picture:
        """A column that is this frame's alone. Raises KeyError."""
        return self._own[name]

    # -- for the maker of the frame, before anybody reads

    def own(self, name: str, values: Floats, missing: Codes) -> None:
        """Set a column that is this frame's alone."""
        self._own[name] = Picture(values, missing)

    def judge(self, worst: Codes) -> None:
        """Set the states: the worst that was found of each row; where that is 0 it is well, if its node is heard."""
        self._worst = worst
        self._own.pop("state", None)
        self.__dict__.pop("states", None)

    # -- how a column comes about

    def _column(self, name: str) -> Picture:
        found = self._own.get(name)
        if found is None:
            found = self._own[name] = self._made(name)
        return found

    def _made(self, name: str) -> Picture:
        derived = DERIVED[self.scope].get(name)
        if derived:
            return _reckoned(derived, [self._column(part) for part in derived.parts])
        if name == "state" and self._worst is not None:
            return Picture(self.states.astype(np.float64), np.zeros(self.count, np.int8))
        return self._overlaid(name, self._shared[name])

    def _overlaid(self, name: str, shared: Picture) -> Picture:
        silent = self._silent if name not in CONSOLE_OWNED[self.scope] else _NO_ROWS
        return shared.overlaid(silent, self._gone) if silent.size or self._gone.size else shared

    @cached_property
    def _silent(self) -> NDArray[np.intp]:
        silent = np.flatnonzero(~self._live)
        if not silent.size:
            return _NO_ROWS
        if silent.size > _FEW_NODES:
            return np.flatnonzero(~self._live[self.node])
        return np.concatenate([self.roster.rows_of(node) for node in silent.tolist()])

    @cached_property
    def _gone(self) -> NDArray[np.intp]:
        return np.flatnonzero(self._unlisted)

    # -- one cell, without making its whole column

    def _at(self, row: int, name: str) -> tuple[float, Missing]:
        own, derived = self._own.get(name), DERIVED[self.scope].get(name)
        if own is None and derived:
            parts = [self._at(row, part) for part in derived.parts]
            values, reasons = derived.of([np.array([at[0]]) for at in parts], [np.array([at[1]]) for at in parts])
            return float(values[0]), _REASONS[reasons[0]]
        if own is None and name == "state":
            own = self._column(name)
        column = own or self._shared[name]
        value, missing = float(column.values[row]), _REASONS[column.missing[row]]
        if own is not None:
            return value, missing
        if self._unlisted[row]:
            return value, Missing.LOST
        stale = missing is Missing.NO and not self._live[self.node[row]] and name not in CONSOLE_OWNED[self.scope]
        return value, Missing.STALE if stale else missing


def _reckoned(derived: Derived, parts: Sequence[Picture]) -> Picture:
    return Picture(*derived.of([part.last for part in parts], [part.missing for part in parts]))
