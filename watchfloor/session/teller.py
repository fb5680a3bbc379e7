"""The end of a file that writes columns together: what it is worth telling so, and with which forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchfloor.session import arrays
from watchfloor.session.coding import Ints, coded, middle
from watchfloor.session.fitting import Study
from watchfloor.session.forecast import Floats, Forecast, Parts
from watchfloor.session.together import Array, Column, End, Together, known_of, moved, own_steps, whole_steps

RATE_DIGITS = 9  # binary ones; with so many a probe tells rates (collectors.probe.cells.told_rate)
_MOMENTS = 20  # a forecast is made anew after so many, the first ones sooner
_FEWEST_ROWS = 64  # fewer aren't worth a forecast
_ALIKE_BITS = 0.4  # a row: parts that differ by less
_MOST_APART = 0.04  # of the cells: where more don't move by the steps of most, the smallest step is that of all
_SPARSE = 0.01  # of all cells: where fewer changed, naming them costs less

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Telling:
    """`columns`: what a reader then has; of what came or went it has still to be told."""

    told: Together
    columns: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class _Left:
    """Of one part of the rows: what was not foretold, less what all have in common."""

    is_foretold: bool
    common: int
    numbers: Ints

    @property
    def bits(self) -> float:
        """About what telling it takes."""
        return float(np.log2(np.abs(self.numbers) + 1.0).sum())


@dataclass(frozen=True, slots=True)
class _Move:
    """Of one column, in its own steps."""

    divisor: float
    factor: int
    digits: int
    steps: Ints
    step: Floats  # by row, what one is worth
    now: Array  # as far as it can be told so
    left: list[_Left]  # by part of the rows, once it is known


class Teller(End):
    """Who writes."""

    def __init__(self) -> None:
        super().__init__()
        self._study = Study([])
        self._fits, self._since = 0, 0
        self._is_new, self._is_told = True, False

    def anew(self) -> None:
        """Somebody may begin to read here, who knows nothing of the time before."""
        self.memory.clear()
        self._is_new, self._is_told = True, False

    def tell(self, before: Mapping[str, Array], now: Mapping[str, Array], node: Array | None) -> Telling | None:
        """Of the columns of one kind of rows those that are worth telling so; None where none is.

        `node`: by row, at the moment before.
        """
        moves = {name: move for name, array in now.items() if (move := _move(before.get(name), array))}
        if not moves:
            return None
        now = {**now, **{name: move.now for name, move in moves.items()}}
        parts = self.parts(node, len(before[next(iter(moves))]))
        forecast = self._renewed(before, now, moves, parts)
        old = known_of(forecast.columns, before, parts)
        steps = {name: (parts.ordered(move.steps), parts.ordered(move.step)) for name, move in moves.items()}
        for part, rows, scene in self.scenes(old, parts):
            for name, rule in zip(forecast.columns, forecast.rules[part], strict=True):
                if name in moves:
                    by, step = steps[name][0][rows], steps[name][1][rows]
                    moves[name].left.append(_left(by, scene.foretold(rule, forecast.columns), step))
                    scene.moved(name, by * step)
        new = known_of(list(moves), now, parts)
        self.memory.take({name: (old[name], new[name]) for name in moves})
        columns = [_told(moves[name]) if name in moves else None for name in forecast.columns]
        told = Together(self._is_new, None if self._is_told else forecast, columns)
        self._is_new, self._is_told = False, True
        return Telling(told, {name: move.now for name, move in moves.items()})

    def _renewed(
        self, before: Mapping[str, Array], now: Mapping[str, Array], moves: Mapping[str, _Move], parts: Parts
    ) -> Forecast:
        """The forecast, made anew where it is of other columns, or old."""
        forecast, self._since = self.forecast, self._since + 1
        count = len(parts.order)
        names = {*moves, *(forecast.columns if forecast else ())}
        names = sorted(name for name in names if len(now.get(name, ())) == len(before.get(name, ())) == count)
        is_young = self._since < min(_MOMENTS, 5 * self._fits)
        if forecast and is_young and set(names) == set(forecast.columns):
            return forecast
        if self._study.names != names:
            self._study, self._fits = Study(names), 0
        self._see(known_of(names, before, parts), known_of(names, now, parts), parts)
        steps = [float(middle(moves[name].step)) if name in moves else 1.0 for name in names]
        self.forecast, self._is_told, self._since, self._fits = self._study.forecast(steps), False, 0, self._fits + 1
        return self.forecast

    def _see(self, old: Mapping[str, Floats], new: Mapping[str, Floats], parts: Parts) -> None:
        scenes = []
        for _, rows, scene in self.scenes(old, parts):
            for name, values in old.items():
                scene.moved(name, (new[name] - values)[rows])
            scenes.append((scene, rows.stop - rows.start))
        self._study.see(scenes)


def _move(before: Array | None, now: Array) -> _Move | None:
    """None for what can't be told so, or isn't worth it."""
    if before is None or before is now or now.dtype != np.float64 or len(before) != len(now) or len(now) < _FEWEST_ROWS:
        return None
    changed = arrays.bits(before) != arrays.bits(now)
    if np.count_nonzero(changed) < _SPARSE * len(now):
        return None
    unknown = np.isnan(before) | np.isnan(now)
    old, new = (np.where(unknown, 0.0, values) for values in (before, now))
    divisor = arrays.divisor_of(old, new)
    if not divisor:
        return None
    moves = arrays.whole(new, divisor) - arrays.whole(old, divisor)
    digits, sizes, fits = _own_steps(arrays.whole(old, divisor), moves, divisor)
    moves = np.where(fits, moves // sizes, 0)
    factor = int(np.gcd.reduce(moves))
    if not factor:
        return None
    steps, sizes = moves // factor, sizes * factor
    is_all = fits.all() and not (changed & unknown).any()
    known = now if is_all else moved(before, steps, sizes, divisor)
    return _Move(divisor, factor, digits, steps, sizes / divisor, known, [])


def _own_steps(before: Ints, moves: Ints, divisor: float) -> tuple[int, Ints, Mask]:
    """With how many digits they are told (0: all of them), what a step is worth, and which move by such steps."""
    sizes = own_steps(before, RATE_DIGITS, divisor)
    fits = moves % sizes == 0
    if sizes.max(initial=1) > 1 and np.count_nonzero(~fits) <= _MOST_APART * len(moves):
        return RATE_DIGITS, sizes, fits
    return 0, np.ones_like(moves), np.ones(len(moves), np.bool_)


def _left(steps: Ints, foretold: Floats, step: Floats) -> _Left:
    ways = [(False, steps), (True, steps - whole_steps(foretold, step))]
    return min((_Left(is_foretold, *_less_common(numbers)) for is_foretold, numbers in ways), key=lambda way: way.bits)


def _told(move: _Move) -> Column:
    """Parts that are alike are told at once: what tells how they are told costs some bytes, too."""
    left = move.left
    a_row = [part.bits / len(part.numbers) for part in left if len(part.numbers)]
    is_alike = max(a_row) - min(a_row) < _ALIKE_BITS
    numbers = [np.concatenate([part.numbers for part in left])] if is_alike else [part.numbers for part in left]
    return Column(
        move.divisor,
        move.factor,
        move.digits,
        [part.is_foretold for part in left],
        [part.common for part in left],
        [coded(part) for part in numbers],
    )


def _less_common(numbers: Ints) -> tuple[int, Ints]:
    """What most of them have, and what is left."""
    if not len(numbers):
        return 0, numbers
    common = int(middle(numbers))
    return common, numbers - common
