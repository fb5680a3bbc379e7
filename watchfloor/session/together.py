"""Columns of one kind of rows of which many cells are others every second, told together. Exact to the last bit.

Of each is told what its forecast (forecast.py) did not foretell, as whole numbers of its smallest step, by coding.py.
Who writes is in teller.py. What can't be told so (a value that comes or goes) is left to arrays.py, which comes after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from struct import error as StructError

import msgspec
import numpy as np
from numpy.typing import NDArray

from watchfloor.errors import SessionError
from watchfloor.session import arrays
from watchfloor.session.coding import Ints, decoded
from watchfloor.session.forecast import Floats, Forecast, Memory, Parts, Rows, Scene

_FURTHEST = 2.0**52  # what is foretold beyond it is no number of anything

Array = NDArray


class Column(msgspec.Struct, frozen=True, array_like=True):
    """Its values are whole numbers of a part of 1. They move in steps of so many of these, and, where `digits` isn't 0,
    of what the last one of so many digits of a value is worth.

    `foretold`, `common`: by part of the rows, whether the forecast counts there, and what all of them have in common
    besides. `numbers`: what is left, by part, or of all parts at once.
    """

    divisor: float
    factor: int
    digits: int
    foretold: list[bool]
    common: list[int]
    numbers: list[bytes]

    def left(self, parts: Sequence[Rows]) -> list[Ints]:
        """By part of the rows: what was not foretold. Raises ValueError, IndexError or struct.error."""
        counts = [len(rows) for rows in parts]
        if len(self.numbers) == 1:
            left = np.split(decoded(self.numbers[0], sum(counts)), np.cumsum(counts)[:-1])
        else:
            left = [decoded(data, count) for data, count in zip(self.numbers, counts, strict=True)]
        return [numbers + common for numbers, common in zip(left, self.common, strict=True)]

    def sizes(self, before: Array) -> Ints:
        """By row: a step in whole numbers. Raises ValueError where there is no such divisor."""
        if self.divisor not in arrays.DIVISORS:
            raise ValueError(f"parts of {self.divisor}")
        whole = arrays.whole(before, self.divisor)
        return own_steps(whole, self.digits) * self.factor if self.digits else np.full_like(whole, self.factor)


class Together(msgspec.Struct, frozen=True, array_like=True):
    """`anew`: what was remembered counts no more. `forecast`: None where it is as before. `columns`: in its order; None
    for one that isn't told here."""

    anew: bool
    forecast: Forecast | None
    columns: list[Column | None]


class End:
    """What both ends of a file know of one kind of rows."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.forecast: Forecast | None = None
        self._parts: tuple[Array | None, Parts] | None = None

    def scenes(self, before: Mapping[str, Floats], node: Array | None, count: int) -> Iterator[tuple[int, Rows, Scene]]:
        """By part: its number, its rows, and what is known of it. All of one is told before the next."""
        parts, firsts = self._parts_of(node, count), None
        for number, rows in enumerate(parts.rows):
            firsts = Scene(self.memory, before, rows, parts.first_of, firsts)
            yield number, rows, firsts

    def _parts_of(self, node: Array | None, count: int) -> Parts:
        if self._parts is None or self._parts[0] is not node or len(self._parts[1]) != count:
            self._parts = node, Parts.of(node, count)
        return self._parts[1]


class Listener(End):
    """Who reads."""

    def take(self, told: Together, before: Mapping[str, Array], node: Array | None) -> dict[str, Array]:
        """The columns that were told, as they are now. Raises SessionError where this isn't what follows."""
        try:
            return self._taken(told, before, node)
        except (StructError, ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
            raise SessionError(f"columns of it can't be read: {type(error).__name__}: {error}") from error

    def _taken(self, told: Together, before: Mapping[str, Array], node: Array | None) -> dict[str, Array]:
        if told.anew:
            self.memory.clear()
        self.forecast = forecast = told.forecast or self.forecast
        if forecast is None:
            raise ValueError("nothing was foretold")
        columns = {name: column for name, column in zip(forecast.columns, told.columns, strict=True) if column}
        old, count = known_of(forecast.columns, before)
        steps = {name: np.empty(count, np.int64) for name in columns}
        sizes = {name: column.sizes(before[name]) for name, column in columns.items()}
        parts = self._parts_of(node, count).rows
        left = {name: column.left(parts) for name, column in columns.items()}
        for part, rows, scene in self.scenes(old, node, count):
            for name, rule in zip(forecast.columns, forecast.rules[part], strict=True):
                if name in columns:
                    by, step = left[name][part], sizes[name][rows] / columns[name].divisor
                    if columns[name].foretold[part]:
                        by += whole_steps(scene.foretold(rule, forecast.columns), step)
                    steps[name][rows] = by
                    scene.moved(name, by * step)
        found = {
            name: moved(before[name], steps[name], sizes[name], column.divisor) for name, column in columns.items()
        }
        self.memory.take({name: (old[name], arrays.known(found[name])) for name in columns})
        return found


def known_of(names: list[str], columns: Mapping[str, Array]) -> tuple[dict[str, Floats], int]:
    """These columns as numbers, 0 where there is none, and how many rows they have. Raises ValueError, KeyError."""
    count = len(columns[names[0]])
    if any(len(columns[name]) != count or columns[name].dtype != np.float64 for name in names):
        raise ValueError("columns of different rows")
    return {name: arrays.known(columns[name]) for name in names}, count


def whole_steps(moves: Floats, step: Floats) -> Ints:
    return np.rint(np.clip(moves / step, -_FURTHEST, _FURTHEST)).astype(np.int64)


def moved(before: Array, steps: Ints, sizes: Ints, divisor: float) -> Array:
    """The column by so many steps on. What was unknown stays so."""
    now = (arrays.whole(before, divisor) + steps * sizes) / divisor
    unknown = np.isnan(before)
    return np.where(unknown, before, now) if unknown.any() else now


def own_steps(before: Ints, digits: int) -> Ints:
    """What the last one of so many digits is worth, of a number that may become a tenth smaller."""
    size = np.abs(before)
    return last_digits(size - size // 10, digits)


def last_digits(numbers: Ints, digits: int) -> Ints:
    """What the last one of so many digits is worth: of 12,345 the fourth one 10."""
    size = np.abs(numbers)
    fewest, most = (max(len(str(end)) - digits, 0) for end in (size.min(initial=2**62), size.max(initial=0)))
    worth = np.full_like(size, 10 ** min(fewest, most))
    for more in range(fewest, most):
        worth[size >= 10 ** (digits + more)] *= 10
    return worth
