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
from watchfloor.session.forecast import Floats, Forecast, Memory, Parts, Scene

_FURTHEST = 2.0**52  # what is foretold beyond it is no number of anything

Array = NDArray


class Column(msgspec.Struct, frozen=True, array_like=True):
    """Its values are whole numbers of a part of 1. They move in steps of so many of these, and, where `digits` isn't 0,
    of what the last one of so many binary digits of a value is worth.

    `foretold`, `common`: by part of the rows, whether the forecast counts there, and what all of them have in common
    besides. `numbers`: what is left, by part, or of all parts at once.
    """

    divisor: float
    factor: int
    digits: int
    foretold: list[bool]
    common: list[int]
    numbers: list[bytes]

    def left(self, parts: Sequence[slice]) -> list[Ints]:
        """By part of the rows: what was not foretold. Raises ValueError, IndexError or struct.error."""
        counts = [rows.stop - rows.start for rows in parts]
        if len(self.numbers) == 1:
            all_rows = decoded(self.numbers[0], sum(counts))
            left = [all_rows[rows] for rows in parts]
        else:
            left = [decoded(data, count) for data, count in zip(self.numbers, counts, strict=True)]
        return [numbers + common for numbers, common in zip(left, self.common, strict=True)]

    def whole(self, before: Floats) -> tuple[Ints, Ints]:
        """As whole numbers, and of how many of these a step is. Raises ValueError where there is no such divisor."""
        if self.divisor not in arrays.DIVISORS:
            raise ValueError(f"parts of {self.divisor}")
        whole = arrays.whole(before, self.divisor)
        if not self.digits:
            return whole, np.full_like(whole, self.factor)
        return whole, own_steps(whole, self.digits, self.divisor) * self.factor


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

    def parts(self, node: Array | None, count: int) -> Parts:
        """`node`: by row, at the moment before."""
        if self._parts is None or self._parts[0] is not node or len(self._parts[1].order) != count:
            self._parts = node, Parts.of(node, count)
        return self._parts[1]

    def scenes(self, before: Mapping[str, Floats], parts: Parts) -> Iterator[tuple[int, slice, Scene]]:
        """By part: its number, its rows, and what is known of it. All of one is told before the next."""
        firsts = None
        for number, rows in enumerate(parts.of_order):
            firsts = Scene(self.memory, before, rows, parts.first_of, firsts)
            yield number, rows, firsts


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
        parts = self.parts(node, len(before[forecast.columns[0]]))
        old = known_of(forecast.columns, before, parts)
        left = {name: column.left(parts.of_order) for name, column in columns.items()}
        whole = {name: column.whole(old[name]) for name, column in columns.items()}
        steps = {name: np.empty_like(whole[name][0]) for name in columns}
        for part, rows, scene in self.scenes(old, parts):
            for name, rule in zip(forecast.columns, forecast.rules[part], strict=True):
                if name in columns:
                    by, step = left[name][part], whole[name][1][rows] / columns[name].divisor
                    if columns[name].foretold[part]:
                        by += whole_steps(scene.foretold(rule, forecast.columns), step)
                    steps[name][rows] = by
                    scene.moved(name, by * step)
        now = {
            name: (whole[name][0] + steps[name] * whole[name][1]) / column.divisor for name, column in columns.items()
        }
        self.memory.take({name: (old[name], now[name]) for name in columns})
        return {name: _where_known(before[name], parts.by_row(values)) for name, values in now.items()}


def known_of(names: Sequence[str], columns: Mapping[str, Array], parts: Parts) -> dict[str, Floats]:
    """These columns as numbers, in the order of their parts; 0 where there is none. Raises ValueError, KeyError."""
    found = {}
    for name in names:
        values = columns[name]
        if len(values) != len(parts.order) or values.dtype != np.float64:
            raise ValueError("columns of different rows")
        is_number = np.isfinite(values)
        found[name] = parts.ordered(values if is_number.all() else np.where(is_number, values, 0.0))
    return found


def whole_steps(moves: Floats, step: Floats) -> Ints:
    moves = moves / step
    np.minimum(np.maximum(moves, -_FURTHEST, out=moves), _FURTHEST, out=moves)
    return np.rint(moves, out=moves).astype(np.int64)


def moved(before: Array, steps: Ints, sizes: Ints, divisor: float) -> Array:
    """The column by so many steps on."""
    return _where_known(before, (arrays.whole(before, divisor) + steps * sizes) / divisor)


def _where_known(before: Array, now: Array) -> Array:
    """What was unknown stays so."""
    unknown = np.isnan(before)
    return np.where(unknown, before, now) if unknown.any() else now


def own_steps(before: Ints, digits: int, divisor: float) -> Ints:
    """What the last one of so many binary digits is worth, of a number that may become a tenth smaller. Numbers are of
    parts of 1, so many of which are 1; those with fewer digits move by parts."""
    size = np.abs(before)
    return last_digits(size - size // 10, digits, divisor)


def last_digits(numbers: Ints, digits: int, divisor: float) -> Ints:
    """The same of these numbers: of 600 in parts of 1 the ninth digit is worth 2, in tenths 20; of 20.5 a tenth."""
    size = np.abs(numbers) / divisor
    noise = np.frexp(size)[1] - digits
    worth = np.left_shift(1, np.maximum(noise, 0), dtype=np.int64) * int(divisor)
    return np.where(noise < 0, 1, worth)
