"""Where the positions of one table of a node's wire lie in the fleet's columns.

A probe numbers its cells within its own schema; the console numbers them within its columns. The map is made once per
schema, so that a report costs a handful of array look-ups.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Floats, Rows
from watchfloor.history import COUNTERS
from watchfloor.metrics import CATALOGUE, COLUMNS, Kind
from watchfloor.model import Missing, Scope
from watchfloor.report import Table

_IS_COUNTER = {scope: np.array([name in COUNTERS[scope] for name in table]) for scope, table in CATALOGUE.items()}
_IS_TEXT = {
    scope: np.array([metric.kind is Kind.TEXT for metric in table.values()]) for scope, table in CATALOGUE.items()
}
# what the console itself knows is no node's to say, and doesn't grow stale with its silence
CONSOLE_OWNED = {
    scope: np.array(["console" in metric.sources and name != "mem" for name, metric in table.items()])
    for scope, table in CATALOGUE.items()
}

_UNKNOWN = np.iinfo(np.int32).min


class TableMap:
    """`rows` are the rows of the table's subjects; every position maps to a flat cell `row * width + column`.

    Cells of texts are kept as their complement (`~cell`), so that one look at the smallest tells whether a number was
    sent where a text belongs: it would be taken for the code of a text.
    """

    def __init__(self, scope: Scope, table: Table, rows: Sequence[int]) -> None:
        self.rows = rows
        self._width = len(CATALOGUE[scope])
        self._is_counter = _IS_COUNTER[scope]
        columns = np.array([COLUMNS[scope].get(name, -1) for name in table.metrics], np.int64)
        columns[(columns >= 0) & CONSOLE_OWNED[scope][columns]] = -1
        cells = np.array(rows, np.int64)[:, None] * self._width + columns[None, :]
        cells[:, (columns >= 0) & _IS_TEXT[scope][columns]] ^= -1
        cells[:, columns < 0] = _UNKNOWN
        self._cells: Rows = cells.reshape(-1).astype(np.int32)
        told = columns[columns >= 0]
        self._counts = bool(self._is_counter[told].any())
        self.untold = np.full(self._width, Missing.UNSUPPORTED, np.int8)  # by column: what holds before it is told
        self.untold[told] = Missing.NOT_YET

    def numbers(self, positions: Sequence[int], values: Sequence[float]) -> tuple[Rows, Floats]:
        """The cells and values of these positions, without metrics that this console doesn't know (a newer probe).

        Raises IndexError for a position outside of the table, ValueError where the two lists differ in length or a
        position is that of a text.
        """
        return self._fitting(self._cells[np.array(positions, np.int64)], values)

    def texts(self, positions: Sequence[int], codes: Sequence[int]) -> tuple[Rows, Floats]:
        """As `numbers`, for texts by their codes."""
        cells = self._cells[np.array(positions, np.int64)]
        return self._fitting(np.where(cells == _UNKNOWN, cells, ~cells), codes)

    def reasons(self, positions: Sequence[int], reasons: Sequence[int]) -> tuple[Rows, Floats]:
        """As `numbers`, for why values of any kind are missing."""
        cells = self._cells[np.array(positions, np.int64)]
        return self._fitting(np.where((cells < 0) & (cells != _UNKNOWN), ~cells, cells), reasons)

    def _fitting(self, cells: Rows, values: Sequence[float]) -> tuple[Rows, Floats]:
        numbers = np.array(values, np.float64)
        if len(cells) != len(numbers):
            raise ValueError(f"{len(cells)} positions but {len(numbers)} values")
        if not len(cells) or cells.min() >= 0:
            return cells, numbers
        known = cells != _UNKNOWN
        if (cells[known] < 0).any():
            raise ValueError("a number where a text belongs, or a text where a number does")
        return cells[known], numbers[known]

    def counters(self, cells: Rows) -> NDArray[np.bool_] | None:
        """Which of these cells are counters; None where the table has no counter at all."""
        return self._is_counter[cells % self._width] if self._counts else None
