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
from watchfloor.metrics import CATALOGUE, COLUMNS
from watchfloor.model import Scope
from watchfloor.report import Table

_IS_COUNTER = {scope: np.array([name in COUNTERS[scope] for name in table]) for scope, table in CATALOGUE.items()}


class TableMap:
    """`rows` are the rows of the table's subjects; every position maps to a flat cell `row * width + column`."""

    def __init__(self, scope: Scope, table: Table, rows: Sequence[int]) -> None:
        self.rows = rows
        width = len(CATALOGUE[scope])
        columns = np.array([COLUMNS[scope].get(name, -1) for name in table.metrics], np.int64)
        cells = np.array(rows, np.int64)[:, None] * width + columns[None, :]
        cells[:, columns < 0] = -1
        self._cells: Rows = cells.reshape(-1).astype(np.int32)
        self._all_known = bool((columns >= 0).all())
        self._width = width
        self._is_counter = _IS_COUNTER[scope]
        self._counts = bool(self._is_counter[columns[columns >= 0]].any())

    def pick(self, positions: Sequence[int], values: Sequence[float]) -> tuple[Rows, Floats]:
        """The cells and values of these positions, without metrics that this console doesn't know (a newer probe).

        Raises IndexError for a position outside of the table, ValueError where the two lists differ in length.
        """
        cells, numbers = self._cells[np.array(positions, np.int64)], np.array(values, np.float64)
        if len(cells) != len(numbers):
            raise ValueError(f"{len(cells)} positions but {len(numbers)} values")
        if self._all_known:
            return cells, numbers
        known = cells >= 0
        return cells[known], numbers[known]

    def counters(self, cells: Rows) -> NDArray[np.bool_] | None:
        """Which of these cells are counters; None where the table has no counter at all."""
        return self._is_counter[cells % self._width] if self._counts else None
