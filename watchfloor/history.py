"""Short history in memory: rings of the trended metrics, and the changes of error counters.

Rings hold the last minute at one sample a second and the last half hour as mean and maximum of twenty seconds, as
half-precision numbers in a metric's own step (2.6 digits are enough for a chart; memory is what limits a console of
80,000 accelerators). Counters hardly ever move, so their history is a list of their changes.

Written by the fleet's thread alone. Readers in another thread take copies under the lock.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Floats
from watchfloor.metrics import CATALOGUE, Good, Kind, Unit
from watchfloor.model import Scope

FINE_SLOTS = 60
COARSE_SLOTS = 90
COARSE_SECONDS = 20  # divides FINE_SLOTS, so that a window never wraps
ROWS_PER_BLOCK = 512

# half precision ends at 65,504: what the value of one unit is divided by before it is kept
_STEP: Mapping[Unit, float] = {Unit.BYTES: 2.0**30, Unit.BYTES_PER_SECOND: 2.0**26}
_LARGEST = float(np.finfo(np.float16).max)

Halves = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one subject over time, oldest first; NaN where nothing was known. `seconds` is the spacing."""

    seconds: float
    mean: Floats
    maximum: Floats


class _Block:
    """The rings of ROWS_PER_BLOCK rows: arrays [metric, slot, row]. Blocks are added, never copied, as rows come."""

    def __init__(self, metrics: int) -> None:
        self.fine = _empty(metrics, FINE_SLOTS)
        self.mean = _empty(metrics, COARSE_SLOTS)
        self.maximum = _empty(metrics, COARSE_SLOTS)
        self.rolled_up = 0  # windows of COARSE_SECONDS that are in mean and maximum

    def roll_up(self, done: int) -> None:
        """Fold the windows up to the `done`th; at most FINE_SLOTS seconds after it ended."""
        for window in range(max(self.rolled_up, done - 1), done):
            start = window * COARSE_SECONDS % FINE_SLOTS
            seconds = self.fine[:, start : start + COARSE_SECONDS].astype(np.float32)
            known = ~np.isnan(seconds)
            count = known.sum(axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                self.mean[:, window % COARSE_SLOTS] = np.where(known, seconds, 0).sum(axis=1) / count
            highest = np.where(known, seconds, -np.inf).max(axis=1)
            self.maximum[:, window % COARSE_SLOTS] = np.where(count > 0, highest, np.nan)
        self.rolled_up = done


def _empty(metrics: int, slots: int) -> Halves:
    return np.full((metrics, slots, ROWS_PER_BLOCK), np.nan, np.float16)


class Ring:
    """The history of one scope's trended metrics."""

    def __init__(self, scope: Scope) -> None:
        trended = [metric for metric in CATALOGUE[scope].values() if metric.trend]
        self.metrics = {metric.name: index for index, metric in enumerate(trended)}
        self._steps = np.array([_STEP.get(metric.unit, 1.0) for metric in trended])
        self._blocks: list[_Block] = []
        self._ticks = 0

    def append(self, values: Mapping[str, Floats]) -> None:
        """One second of every trended metric, over all rows. Rows may have grown since the last call."""
        if not self.metrics:
            return
        rows = len(next(iter(values.values())))
        while rows > len(self._blocks) * ROWS_PER_BLOCK:
            self._blocks.append(_Block(len(self.metrics)))
        now = np.stack([values[name] / self._steps[index] for name, index in self.metrics.items()])
        np.clip(now, -_LARGEST, _LARGEST, out=now)  # more than that is no telemetry, and infinity breaks charts
        slot = self._ticks % FINE_SLOTS
        for number, block in enumerate(self._blocks):
            part = now[:, number * ROWS_PER_BLOCK : (number + 1) * ROWS_PER_BLOCK]
            block.fine[:, slot, : part.shape[1]] = part
        self._ticks += 1
        self._roll_up_some()

    def _roll_up_some(self) -> None:
        """A share of the blocks that are due: the work of COARSE_SECONDS is spread over as many ticks."""
        done = self._ticks // COARSE_SECONDS
        due = [block for block in self._blocks if block.rolled_up < done]
        share = -(-len(self._blocks) // COARSE_SECONDS)
        for block in due[:share]:
            block.roll_up(done)

    def series(self, name: str, row: int, coarse: bool) -> Series:
        """Raises KeyError where the metric has no trend."""
        index, (number, column) = self.metrics[name], divmod(row, ROWS_PER_BLOCK)
        if number >= len(self._blocks):
            return Series(COARSE_SECONDS if coarse else 1.0, np.empty(0), np.empty(0))
        block, step = self._blocks[number], self._steps[index]
        if coarse:
            mean = _unrolled(block.mean[index, :, column], block.rolled_up) * step
            return Series(COARSE_SECONDS, mean, _unrolled(block.maximum[index, :, column], block.rolled_up) * step)
        fine = _unrolled(block.fine[index, :, column], self._ticks) * step
        return Series(1.0, fine, fine)

    def window(self, name: str, seconds: float, rows: NDArray[np.intp]) -> Floats:
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
        for number, block in enumerate(self._blocks):
            inside = rows // ROWS_PER_BLOCK == number
            if inside.any():
                columns = rows[inside] % ROWS_PER_BLOCK
                means, values = block.mean[index][np.ix_(coarse, columns)], block.fine[index][np.ix_(fine, columns)]
                found[:, inside] = np.concatenate([means, values])
        return found * self._steps[index]


def _unrolled(ring: Halves, written: int) -> Floats:
    slots = len(ring)
    column = ring.astype(np.float64)
    return column[:written] if written <= slots else np.roll(column, -(written % slots))


class History:
    """The rings of every scope that has trended metrics."""

    def __init__(self) -> None:
        self._rings = {scope: Ring(scope) for scope in Scope}
        self._lock = Lock()

    def trended(self, scope: Scope) -> tuple[str, ...]:
        return tuple(self._rings[scope].metrics)

    def append(self, scope: Scope, values: Mapping[str, Floats]) -> None:
        with self._lock:
            self._rings[scope].append(values)

    def minute(self, scope: Scope, name: str, row: int) -> Series:
        """The last 60 seconds, one value a second. Raises KeyError where the metric has no trend."""
        with self._lock:
            return self._rings[scope].series(name, row, coarse=False)

    def window(self, scope: Scope, name: str, seconds: float, rows: NDArray[np.intp]) -> Floats:
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


# changes closer together than this are kept as one
_CHANGE_SECONDS = 10.0
_CHANGES_KEPT = 360  # then the older half of them is kept half as finely: nothing is forgotten, at 6 KB a counter

# the counters whose changes are kept: those that should not move. `energy` moves all the time.
COUNTERS: Mapping[Scope, tuple[str, ...]] = {
    scope: tuple(name for name, metric in table.items() if metric.kind is Kind.COUNTER and metric.good is Good.LOW)
    for scope, table in CATALOGUE.items()
}


@dataclass(slots=True)
class _Changes:
    """Of one counter: when it moved, and by how much; oldest first."""

    at: array[float] = field(default_factory=lambda: array("d"))
    by: array[float] = field(default_factory=lambda: array("d"))

    def add(self, at: float, by: float) -> None:
        if self.at and at - self.at[-1] < _CHANGE_SECONDS:
            self.by[-1] += by
            return
        self.at.append(at)
        self.by.append(by)
        if len(self.at) > _CHANGES_KEPT:
            self._thin_out()

    def _thin_out(self) -> None:
        """Two changes become one, at the time of the later one, in the older half."""
        half = _CHANGES_KEPT // 2
        pairs = zip(self.by[0:half:2], self.by[1:half:2], strict=True)
        self.at = self.at[1:half:2] + self.at[half:]
        self.by = array("d", (first + second for first, second in pairs)) + self.by[half:]

    def since(self, since: float) -> float:
        return sum(by for at, by in zip(self.at, self.by, strict=True) if at >= since)


class CounterLog:
    """When each counter changed and to what, so that `rate(counter, 1h)` can be asked of any of them.

    A counter that goes backwards was reset (driver reload, reboot): its value then counts from 0.
    """

    def __init__(self) -> None:
        self._changes: dict[tuple[Scope, str], dict[int, _Changes]] = {}  # and by row
        self._lock = Lock()

    def note(self, scope: Scope, name: str, row: int, at: float, before: float, now: float) -> None:
        """A counter moved from `before` to `now` at console time `at` (seconds)."""
        with self._lock:
            of_metric = self._changes.setdefault((scope, name), {})
            changes = of_metric.get(row)
            if changes is None:
                changes = of_metric[row] = _Changes()
            changes.add(at, now - before if now >= before else now)

    def increases(self, scope: Scope, name: str, rows: int, since: float) -> Floats:
        """By how much each of `rows` counters grew since console time `since`; 0 where none of its changes is known."""
        found = np.zeros(rows)
        with self._lock:
            for row, changes in self._changes.get((scope, name), {}).items():
                if row < rows:
                    found[row] = changes.since(since)
        return found
