"""One scope's state as columns: a row per subject, a column per metric of the catalogue, and why a cell is missing.

Rows are stable slots: a row, once given to a (node, key), belongs to it for the life of the fleet. Texts are kept as
codes of a vocabulary, so that a row is numbers throughout. Not thread-safe: one writer.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from watchfloor.metrics import CATALOGUE, COLUMNS
from watchfloor.model import Missing, Scope

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]
Rows = NDArray[np.int32]

_FIRST_CAPACITY = 64


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


class Columns:
    """The cells of one scope: `values[row, column]`, `missing[row, column]`, `node[row]`, `keys[row]`."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.width = len(CATALOGUE[scope])
        self.count = 0
        self.keys: list[str] = []
        self.values: Floats = np.full((_FIRST_CAPACITY, self.width), np.nan)
        self.missing: Codes = np.full((_FIRST_CAPACITY, self.width), Missing.NOT_YET, np.int8)
        self.node: Rows = np.zeros(_FIRST_CAPACITY, np.int32)
        self._rows: dict[int, dict[str, int]] = {}

    def row_for(self, node: int, key: str) -> int:
        """The row of this subject, made where it is new."""
        rows = self._rows.setdefault(node, {})
        row = rows.get(key)
        if row is not None:
            return row
        if self.count == len(self.values):
            self._grow()
        row = rows[key] = self.count
        self.count += 1
        self.keys.append(key)
        self.node[row] = node
        return row

    def has(self, node: int, key: str) -> bool:
        return key in self._rows.get(node, {})

    def rows_of(self, node: int) -> Collection[int]:
        """Every row that this node ever had, in the order in which its subjects were first named."""
        return self._rows.get(node, {}).values()

    def _grow(self) -> None:
        extra = max(_FIRST_CAPACITY, len(self.values) // 16)
        self.values = np.concatenate([self.values, np.full((extra, self.width), np.nan)])
        self.missing = np.concatenate([self.missing, np.full((extra, self.width), Missing.NOT_YET, np.int8)])
        self.node = np.concatenate([self.node, np.zeros(extra, np.int32)])

    def put(self, cells: Rows, values: Floats) -> None:
        """Store values at flat cells (`row * width + column`) and mark them present."""
        self.values.reshape(-1)[cells] = values
        self.missing.reshape(-1)[cells] = Missing.NO

    def put_missing(self, cells: Rows, reasons: Floats) -> None:
        """Mark flat cells missing; their last value stays readable for a dim display."""
        self.missing.reshape(-1)[cells] = reasons

    def put_one(self, row: int, name: str, value: float) -> None:
        column = COLUMNS[self.scope][name]
        self.values[row, column] = value
        self.missing[row, column] = Missing.NO

    def column(self, name: str) -> Floats:
        """The last known values of one metric over all rows: a view, not a copy."""
        return self.values[: self.count, COLUMNS[self.scope][name]]
