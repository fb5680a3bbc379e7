"""Where the positions of one table of a node's wire lie in the fleet's columns.

A probe numbers its cells within its own schema; the console numbers them by row and column. What the columns of a
table mean is worked out once for all nodes that say the same, so that a report costs a handful of array look-ups.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from watchfloor.columns import Codes, Floats, Places
from watchfloor.metrics import CATALOGUE, COLUMNS, Kind
from watchfloor.model import Missing, Scope
from watchfloor.report import Cells as Told
from watchfloor.report import Table
from watchfloor.roster import Rows
from watchfloor.told import LOG_CELLS, Meaning

_UNKNOWN, _UNFIT = -1, -2  # no metric of this console; a text where a number is asked for, or the reverse

Cells = tuple[Rows, Places, Floats]


class _Dialect:
    """What the positions of a table mean: its subject, and the column of its metric, of a number, of a text."""

    def __init__(self, scope: Scope, metrics: tuple[str, ...], subjects: int) -> None:
        table = CATALOGUE[scope]
        ours = [name if name in table and "console" not in table[name].sources else None for name in metrics]
        columns = np.array([_UNKNOWN if name is None else COLUMNS[scope][name] for name in ours], np.int16)
        text = np.array([name is not None and table[name].kind is Kind.TEXT for name in ours], np.bool_)
        self.subject = np.repeat(np.arange(subjects, dtype=np.int32), len(metrics))
        self.column = np.tile(columns, subjects)
        self.number = np.tile(np.where(text, np.int16(_UNFIT), columns), subjects)
        self.text = np.tile(np.where(text | (columns == _UNKNOWN), columns, np.int16(_UNFIT)), subjects)
        self.meaning = Meaning(self.subject, self.number)
        self.untold: Codes = np.full(len(table), Missing.UNSUPPORTED, np.int8)
        self.untold[columns[columns >= 0]] = Missing.NOT_YET


# the nodes of a fleet speak a handful of dialects; where there are more, some are worked out again
_dialect = lru_cache(64)(_Dialect)


class TableMap:
    """`rows` are the rows of the table's subjects; `untold` is, by column, why a cell is missing before it is told."""

    def __init__(self, scope: Scope, table: Table, rows: Rows) -> None:
        self.rows = rows
        self._scope = scope
        self._dialect = _dialect(scope, tuple(table.metrics), len(rows))

    @property
    def untold(self) -> Codes:
        return self._dialect.untold

    @property
    def meaning(self) -> Meaning:
        """What the positions of numbers mean."""
        return self._dialect.meaning

    def fits(self, told: Told) -> bool:
        """Whether its numbers may be placed together with those of other reports: this console has a column for each,
        and they fit into a log.
        """
        return len(told.p) == len(told.v) <= LOG_CELLS and self._dialect.meaning.knows(told.p)

    def numbers(self, positions: Sequence[int], values: Sequence[float]) -> Cells:
        """Rows, columns and values of these positions, without metrics that this console doesn't know (a newer probe).

        Raises IndexError for a position outside of the table, ValueError where the two lists differ in length or a
        position is that of a text.
        """
        return self._cells(self._dialect.number, positions, values)

    def texts(self, positions: Sequence[int], codes: Sequence[int]) -> Cells:
        """As `numbers`, for texts by their codes."""
        return self._cells(self._dialect.text, positions, codes)

    def reasons(self, positions: Sequence[int], reasons: Sequence[int]) -> tuple[Rows, Places, Codes]:
        """As `numbers`, for why values of any kind are missing."""
        rows, columns, codes = self._cells(self._dialect.column, positions, reasons)
        return rows, columns, codes.astype(np.int8)

    def tells(self, name: str, positions: Sequence[int]) -> bool:
        """Whether one of these positions is a cell of this metric. Raises IndexError."""
        return bool((self._dialect.column.take(positions) == COLUMNS[self._scope][name]).any()) if positions else False

    def left_out(self, told: Told) -> tuple[Rows, Places, Codes]:
        """The cells of which a full report says nothing, each with the reason that this means. Raises IndexError."""
        silent = self._dialect.column != _UNKNOWN
        for positions in (told.p, told.mp, told.xp):
            silent[positions] = False
        at = np.flatnonzero(silent)
        rows, columns = self.rows.take(self._dialect.subject.take(at)), self._dialect.column.take(at)
        return rows, columns, np.full(len(at), Missing.UNSUPPORTED, np.int8)

    def _cells(self, column: Places, positions: Sequence[int], values: Sequence[float]) -> Cells:
        if len(positions) != len(values):
            raise ValueError(f"{len(positions)} positions but {len(values)} values")
        at = np.array(positions, np.intp)
        rows, columns = self.rows.take(self._dialect.subject.take(at)), column.take(at)
        numbers = np.array(values, np.float64)
        lowest = np.minimum.reduce(columns, initial=0)
        if lowest == 0:
            return rows, columns, numbers
        if lowest == _UNFIT:
            raise ValueError("a number where a text belongs, or a text where a number does")
        known = columns != _UNKNOWN
        return rows[known], columns[known], numbers[known]
