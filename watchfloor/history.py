"""Short history in memory: rings of the trended metrics.

Rings hold the last minute at one sample a second and the last half hour as mean and maximum of twenty seconds, as
half-precision numbers in a metric's own step (2.6 digits are enough for a chart; memory is what limits a console of
80,000 accelerators). Rings are made for a block of rows once one of them has a value: a fleet without NVLinks has none
for their traffic. Of links only the ports of the scale-out fabric have one (watchfloor.rails): of an accelerator's own
links there are a hundred a node, and their sum is a trend of the accelerator.

Written by the fleet's thread alone. Readers in another thread take copies under the lock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Floats
from watchfloor.metrics import CATALOGUE, Unit
from watchfloor.model import NODE_SCOPES, Scope

FINE_SLOTS = 60
COARSE_SLOTS = 90
COARSE_SECONDS = 20  # divides FINE_SLOTS, so that a window never wraps
ROWS_PER_BLOCK = 512
ROWS_PER_STEP = 32  # by which the newest block widens; divides ROWS_PER_BLOCK

# half precision ends at 65,504: what the value of one unit is divided by before it is kept
_STEP: Mapping[Unit, float] = {Unit.BYTES: 2.0**30, Unit.BYTES_PER_SECOND: 2.0**26}
_LARGEST = float(np.finfo(np.float16).max)
_SMALLEST = float(np.finfo(np.float16).tiny)

Halves = NDArray[np.float16]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one subject over time, oldest first; NaN where nothing was known. `seconds` is the spacing."""

    seconds: float
    mean: Floats
    maximum: Floats


class _Rings:
    """The rings of one metric over the rows of a block: arrays [slot, row]. The older half is made when it is due."""

    def __init__(self, rows: int) -> None:
        self.fine = _empty(FINE_SLOTS, rows)
        self.mean: Halves | None = None
        self.maximum: Halves | None = None

    def widen(self, rows: int) -> None:
        self.fine = _widened(self.fine, rows)
        if self.mean is not None and self.maximum is not None:
            self.mean, self.maximum = _widened(self.mean, rows), _widened(self.maximum, rows)

    def forget(self, row: int) -> None:
        for ring in (self.fine, self.mean, self.maximum):
            if ring is not None and row < ring.shape[1]:
                ring[:, row] = np.nan

    def roll_up(self, window: int) -> None:
        """Fold one window of COARSE_SECONDS; at most FINE_SLOTS seconds after it ended."""
        if self.mean is None or self.maximum is None:
            rows = self.fine.shape[1]
            self.mean, self.maximum = _empty(COARSE_SLOTS, rows), _empty(COARSE_SLOTS, rows)
        start = window * COARSE_SECONDS % FINE_SLOTS
        seconds = self.fine[start : start + COARSE_SECONDS].astype(np.float32)
        known = ~np.isnan(seconds)
        count = known.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            self.mean[window % COARSE_SLOTS] = np.where(known, seconds, 0).sum(axis=0) / count
        highest = np.where(known, seconds, -np.inf).max(axis=0)
        self.maximum[window % COARSE_SLOTS] = np.where(count > 0, highest, np.nan)


def _empty(slots: int, rows: int) -> Halves:
    return np.full((slots, rows), np.nan, np.float16)


def _widened(ring: Halves, rows: int) -> Halves:
    return np.concatenate([ring, _empty(len(ring), rows - ring.shape[1])], axis=1)


_NOTHING_FINE, _NOTHING_COARSE = (
    np.broadcast_to(np.float16(np.nan), (slots, ROWS_PER_BLOCK)) for slots in (FINE_SLOTS, COARSE_SLOTS)
)


class _Block:
    """Up to ROWS_PER_BLOCK rows: the rings of each metric of which one of them ever had a value.

    Blocks are added and never copied, but for the newest, which widens as rows come: a small fleet needs little.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._rings: dict[int, _Rings] = {}  # by metric
        self.rolled_up = 0  # windows of COARSE_SECONDS that are in mean and maximum

    def append(self, metric: int, slot: int, values: Halves) -> None:
        if len(values) > self._rows:
            self._widen(-(-len(values) // ROWS_PER_STEP) * ROWS_PER_STEP)
        rings = self._rings.get(metric)
        if rings is None:
            if np.isnan(values).all():
                return
            rings = self._rings[metric] = _Rings(self._rows)
        rings.fine[slot, : len(values)] = values

    def forget(self, row: int) -> None:
        for rings in self._rings.values():
            rings.forget(row)

    def _widen(self, rows: int) -> None:
        self._rows = rows
        for rings in self._rings.values():
            rings.widen(rows)

    def roll_up(self, done: int) -> None:
        for window in range(max(self.rolled_up, done - 1), done):
            for rings in self._rings.values():
                rings.roll_up(window)
        self.rolled_up = done

    def fine(self, metric: int) -> Halves:
        """To be read: as wide as a full block, as `mean` and `maximum`."""
        rings = self._rings.get(metric)
        return _whole(rings.fine) if rings else _NOTHING_FINE

    def mean(self, metric: int) -> Halves:
        rings = self._rings.get(metric)
        return _NOTHING_COARSE if rings is None or rings.mean is None else _whole(rings.mean)

    def maximum(self, metric: int) -> Halves:
        rings = self._rings.get(metric)
        return _NOTHING_COARSE if rings is None or rings.maximum is None else _whole(rings.maximum)


def _whole(ring: Halves) -> Halves:
    return ring if ring.shape[1] == ROWS_PER_BLOCK else _widened(ring, ROWS_PER_BLOCK)


def _halved(values: Floats) -> Halves:
    """In half precision: what is too large for it is no telemetry, what is too small for it still isn't 0."""
    large = np.clip(values, -_LARGEST, _LARGEST)  # infinity breaks charts
    small = np.abs(large) < _SMALLEST  # subnormal halves take thirty times as long to make
    return np.where(small & (large != 0), np.copysign(_SMALLEST, large), large).astype(np.float16)


class Ring:
    """The history of one scope's trended metrics."""

    def __init__(self, scope: Scope) -> None:
        trended = [metric for metric in CATALOGUE[scope].values() if metric.trend]
        self.metrics = {metric.name: index for index, metric in enumerate(trended)}
        self._steps = np.array([_STEP.get(metric.unit, 1.0) for metric in trended])
        self._blocks: list[_Block] = []
        self._ticks = 0
        self._kept: Rows | None = None  # the rows that have a ring, None for all
        self._places: Rows = np.empty(0, np.intp)  # of each row, where not all have a ring; -1 for none

    def append(self, values: Mapping[str, Floats], kept: Rows | None = None) -> None:
        """One second of every trended metric, over all rows or those of `kept`. Rows may have grown since the last
        call, and `kept` at its end."""
        if not self.metrics:
            return
        if kept is not None and kept is not self._kept:
            self._kept, self._places = kept, np.full(int(kept.max(initial=-1)) + 1, -1, np.intp)
            self._places[kept] = np.arange(len(kept))
        rows = len(next(iter(values.values())))
        while rows > len(self._blocks) * ROWS_PER_BLOCK:
            self._blocks.append(_Block())
        slot = self._ticks % FINE_SLOTS
        for name, index in self.metrics.items():
            now = _halved(values[name] / self._steps[index])
            for number, block in enumerate(self._blocks):
                block.append(index, slot, now[number * ROWS_PER_BLOCK : (number + 1) * ROWS_PER_BLOCK])
        self._ticks += 1
        self._roll_up_some()

    def forget(self, rows: Rows) -> None:
        """These rows have nothing behind them any more."""
        for place in self._places_of(rows).tolist():
            number, row = divmod(place, ROWS_PER_BLOCK)
            if 0 <= number < len(self._blocks):
                self._blocks[number].forget(row)

    def _roll_up_some(self) -> None:
        """A share of the blocks that are due: the work of COARSE_SECONDS is spread over as many ticks."""
        done = self._ticks // COARSE_SECONDS
        due = [block for block in self._blocks if block.rolled_up < done]
        share = -(-len(self._blocks) // COARSE_SECONDS)
        for block in due[:share]:
            block.roll_up(done)

    def _places_of(self, rows: Rows) -> Rows:
        """Where the rings of these rows are, -1 for none."""
        if self._kept is None:
            return rows
        found = np.full(len(rows), -1, np.intp)
        known = rows < len(self._places)
        found[known] = self._places[rows[known]]
        return found

    def series(self, name: str, row: int, coarse: bool) -> Series:
        """Raises KeyError where the metric has no trend."""
        place = int(self._places_of(np.array([row], np.intp))[0])
        index, (number, column) = self.metrics[name], divmod(place, ROWS_PER_BLOCK)
        if place < 0 or number >= len(self._blocks):
            return Series(COARSE_SECONDS if coarse else 1.0, np.empty(0), np.empty(0))
        block, step = self._blocks[number], self._steps[index]
        if coarse:
            mean = _unrolled(block.mean(index)[:, column], block.rolled_up) * step
            return Series(COARSE_SECONDS, mean, _unrolled(block.maximum(index)[:, column], block.rolled_up) * step)
        fine = _unrolled(block.fine(index)[:, column], self._ticks) * step
        return Series(1.0, fine, fine)

    def window(self, name: str, seconds: float, rows: Rows) -> Floats:
        """As History.window. A mean that reaches beyond `seconds`, or into the last minute, is among them."""
        index, ticks = self.metrics[name], math.ceil(seconds)
        done = self._ticks // COARSE_SECONDS
        first = max(0, (self._ticks - ticks) // COARSE_SECONDS)
        if ticks > self._ticks or (ticks > FINE_SLOTS and done - first > COARSE_SLOTS):
            return np.empty((0, len(rows)))
        fine = np.arange(self._ticks - min(ticks, FINE_SLOTS), self._ticks) % FINE_SLOTS
        last = -(-(self._ticks - FINE_SLOTS) // COARSE_SECONDS)
        coarse = np.arange(first, last) % COARSE_SLOTS if ticks > FINE_SLOTS else np.empty(0, np.intp)
        found = np.full((len(coarse) + len(fine), len(rows)), np.nan)
        places = self._places_of(rows)
        for number, block in enumerate(self._blocks):
            inside = places // ROWS_PER_BLOCK == number
            if inside.any():
                columns = places[inside] % ROWS_PER_BLOCK
                means, values = block.mean(index)[np.ix_(coarse, columns)], block.fine(index)[np.ix_(fine, columns)]
                found[:, inside] = np.concatenate([means, values])
        return found * self._steps[index]


def _unrolled(ring: Halves, written: int) -> Floats:
    slots = len(ring)
    column = ring.astype(np.float64)
    return column[:written] if written <= slots else np.roll(column, -(written % slots))


class History:
    """The rings of every scope that has trended metrics."""

    def __init__(self) -> None:
        self._rings = {scope: Ring(scope) for scope in NODE_SCOPES}
        self._lock = Lock()

    def trended(self, scope: Scope) -> tuple[str, ...]:
        return tuple(self._rings[scope].metrics)

    def append(self, scope: Scope, values: Mapping[str, Floats], kept: Rows | None = None) -> None:
        """One second: over all rows, or over those of `kept`, to which later calls may add at its end."""
        with self._lock:
            self._rings[scope].append(values, kept)

    def forget(self, scope: Scope, rows: Sequence[int]) -> None:
        """What was of these rows is nobody's: they get other owners."""
        with self._lock:
            self._rings[scope].forget(np.array(rows, np.intp))

    def minute(self, scope: Scope, name: str, row: int) -> Series:
        """The last 60 seconds, one value a second. Raises KeyError where the metric has no trend."""
        with self._lock:
            return self._rings[scope].series(name, row, coarse=False)

    def window(self, scope: Scope, name: str, seconds: float, rows: Rows) -> Floats:
        """The last `seconds` of one metric for these rows as an array [time, row], oldest first.

        One value a second within the last minute, means of twenty seconds before it; NaN where nothing was known; no
        times at all where the history is shorter than `seconds`. Raises KeyError where the metric has no trend.
        """
        with self._lock:
            return self._rings[scope].window(name, seconds, rows)

    def half_hour(self, scope: Scope, name: str, row: int) -> Series:
        """The last 30 minutes, one value per 20 seconds. Raises KeyError where the metric has no trend."""
        with self._lock:
            return self._rings[scope].series(name, row, coarse=True)
