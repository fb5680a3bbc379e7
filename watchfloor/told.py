"""What nodes told since it was last folded into columns: a log of cells, by row and column.

Numbers of reports are placed many reports at a time: numpy takes a microsecond a call, however few cells there are, and
to place those of one report took a dozen calls. Not thread-safe.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from watchfloor.roster import Rows

Floats = NDArray[np.float64]
Places = NDArray[np.int16]  # columns by their number in the catalogue

LOG_CELLS = 32_000  # then the log is folded, however young: 0.4 MB, and 2 ms of work
_PLACED_AT_ONCE = 2048  # cells: those of some twenty reports


class Meaning:
    """What the positions of a table mean: by position, its subject and the column of its number."""

    def __init__(self, subject: Rows, column: Places) -> None:
        self.subject = subject
        self.column = column
        self._numbers = frozenset(np.flatnonzero(column >= 0).tolist())

    def knows(self, positions: Sequence[int]) -> bool:
        """Whether each of these is the position of a number that this console has a column for."""
        return self._numbers.issuperset(positions)


class Log:
    """Parallel arrays, of which the first places are filled; after these, what waits to be placed in them."""

    def __init__(self) -> None:
        self.room = LOG_CELLS  # for so many cells more
        self._count = 0
        self._rows: Rows = np.empty(LOG_CELLS, np.int32)
        self._places: Places = np.empty(LOG_CELLS, np.int16)
        self._values: Floats = np.empty(LOG_CELLS, np.float64)
        self._waiting = _Waiting()

    def tell(self, meaning: Meaning, rows: Rows, positions: Sequence[int], values: Sequence[float]) -> None:
        """Numbers at positions that `meaning` knows, of a table whose subjects have these rows."""
        self.room -= len(positions)
        self._waiting.add(meaning, rows, positions, values)
        if len(self._waiting.positions) > _PLACED_AT_ONCE:
            self._place()

    def append(self, rows: Rows, places: Places, values: Floats) -> None:
        self.room -= len(rows)
        self._place()
        self._append(rows, places, values)

    def taken(self) -> tuple[Rows, Places, Floats]:
        """Everything, column after column, each in the order in which it was told; and begin anew."""
        self._place()
        order = np.argsort(self._places[: self._count], kind="stable")  # of 16 bits: numpy sorts these by radix
        self._count, self.room = 0, LOG_CELLS
        return self._rows.take(order), self._places.take(order), self._values.take(order)

    def _append(self, rows: Rows, places: Places, values: Floats) -> None:
        end = self._count + len(rows)
        self._rows[self._count : end] = rows
        self._places[self._count : end] = places
        self._values[self._count : end] = values
        self._count = end

    def _place(self) -> None:
        if self._waiting.positions:
            self._append(*self._waiting.placed())
            self._waiting = _Waiting()


class _Waiting:
    """Numbers of several tables one after the other, and by table what its positions mean, its rows, how many."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self._values: list[float] = []
        self._meanings: list[Meaning] = []
        self._rows: list[Rows] = []
        self._counts: list[int] = []

    def add(self, meaning: Meaning, rows: Rows, positions: Sequence[int], values: Sequence[float]) -> None:
        self.positions += positions
        self._values += values
        self._meanings.append(meaning)
        self._rows.append(rows)
        self._counts.append(len(positions))

    def placed(self) -> tuple[Rows, Places, Floats]:
        """Row, column and value of each."""
        meanings = list(dict.fromkeys(self._meanings))
        begins = dict(zip(meanings, _begins(meaning.subject for meaning in meanings), strict=True))
        at = _packed("n", self.positions) + np.repeat([begins[meaning] for meaning in self._meanings], self._counts)
        subjects = np.concatenate([meaning.subject for meaning in meanings]).take(at)
        subjects = subjects + np.repeat(_begins(self._rows), self._counts)
        rows = np.concatenate(self._rows).take(subjects)
        places = np.concatenate([meaning.column for meaning in meanings]).take(at)
        return rows, places, _packed("d", self._values)


def _begins(arrays: Iterable[NDArray]) -> list[int]:
    """Where each of these begins, once they lie one behind the other."""
    return list(accumulate(map(len, arrays), initial=0))[:-1]


def _packed(kind: str, numbers: Sequence[float]) -> NDArray:
    """An array of these: numpy takes four times as long to look at them one by one."""
    return np.frombuffer(struct.pack(f"{len(numbers)}{kind}", *numbers), kind)
