"""Short history in memory: rings of the trended metrics, and the changes of error counters.

Rings hold the last minute at one sample a second and the last half hour as mean and maximum of ten seconds, as
half-precision numbers in a metric's own step (2.6 digits are enough for a chart; memory is what limits a console of
80,000 accelerators). Counters hardly ever move, so their history is a list of their changes.

Written by the fleet's thread alone. Readers in another thread take copies under the lock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Floats
from watchfloor.metrics import CATALOGUE, Good, Kind, Unit
from watchfloor.model import Scope

FINE_SLOTS = 60
COARSE_SLOTS = 180
COARSE_SECONDS = 10

# half precision ends at 65,504: what the value of one unit is divided by before it is kept
_STEP: Mapping[Unit, float] = {Unit.BYTES: 2.0**26, Unit.BYTES_PER_SECOND: 2.0**26}

Halves = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one subject over time, oldest first; NaN where nothing was known. `seconds` is the spacing."""

    seconds: float
    mean: Floats
    maximum: Floats


class Ring:
    """The history of one scope's trended metrics: arrays [metric, slot, row]."""

    def __init__(self, scope: Scope) -> None:
        trended = [metric for metric in CATALOGUE[scope].values() if metric.trend]
        self.metrics = {metric.name: index for index, metric in enumerate(trended)}
        self._steps = np.array([_STEP.get(metric.unit, 1.0) for metric in trended])
        self._fine = self._empty(FINE_SLOTS, 0)
        self._mean = self._empty(COARSE_SLOTS, 0)
        self._maximum = self._empty(COARSE_SLOTS, 0)
        self._ticks = 0

    def _empty(self, slots: int, rows: int) -> Halves:
        return np.full((len(self.metrics), slots, rows), np.nan, np.float16)

    def append(self, values: Mapping[str, Floats]) -> None:
        """One second of every trended metric, over all rows. Rows may have grown since the last call."""
        if not self.metrics:
            return
        rows = len(next(iter(values.values())))
        if rows > self._fine.shape[2]:
            self._widen(rows)
        slot = self._ticks % FINE_SLOTS
        for name, index in self.metrics.items():
            self._fine[index, slot, :rows] = values[name] / self._steps[index]
        self._ticks += 1
        if self._ticks % COARSE_SECONDS == 0:
            self._roll_up(slot)

    def _roll_up(self, slot: int) -> None:
        window = self._fine[:, slot - COARSE_SECONDS + 1 : slot + 1].astype(np.float32)
        known = ~np.isnan(window)
        count = known.sum(axis=1)
        coarse = (self._ticks // COARSE_SECONDS - 1) % COARSE_SLOTS
        with np.errstate(invalid="ignore", divide="ignore"):
            self._mean[:, coarse] = np.where(known, window, 0).sum(axis=1) / count
        highest = np.where(known, window, -np.inf).max(axis=1)
        self._maximum[:, coarse] = np.where(count > 0, highest, np.nan)

    def _widen(self, rows: int) -> None:
        have = self._fine.shape[2]
        rows = max(rows, have + have // 4)
        for name in ("_fine", "_mean", "_maximum"):
            old: Halves = getattr(self, name)
            new = self._empty(old.shape[1], rows)
            new[:, :, :have] = old
            setattr(self, name, new)

    def series(self, name: str, row: int, coarse: bool) -> Series:
        """Raises KeyError where the metric has no trend."""
        index = self.metrics[name]
        step = self._steps[index]
        if coarse:
            done = self._ticks // COARSE_SECONDS
            mean, maximum = self._mean[index], self._maximum[index]
            return Series(COARSE_SECONDS, _unrolled(mean, row, done) * step, _unrolled(maximum, row, done) * step)
        fine = _unrolled(self._fine[index], row, self._ticks) * step
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
        parts = [_cut(self._mean[index], coarse, rows), _cut(self._fine[index], fine, rows)]
        return np.concatenate(parts) * self._steps[index]


def _cut(ring: Halves, slots: NDArray[np.intp], rows: NDArray[np.intp]) -> Floats:
    """Slots × rows; NaN for rows that the ring has not seen yet."""
    inside = rows < ring.shape[1]
    found = np.full((len(slots), len(rows)), np.nan)
    found[:, inside] = ring[np.ix_(slots, rows[inside])]
    return found


def _unrolled(ring: Halves, row: int, written: int) -> Floats:
    if row >= ring.shape[1]:
        return np.empty(0)
    slots = len(ring)
    column = ring[:, row].astype(np.float64)
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

        One value a second within the last minute, means of ten seconds before it; NaN where nothing was known; no
        times at all where the history is shorter than `seconds`. Raises KeyError where the metric has no trend.
        """
        with self._lock:
            return self._rings[scope].window(name, seconds, rows)

    def half_hour(self, scope: Scope, name: str, row: int) -> Series:
        """The last 30 minutes, one value per 10 seconds. Raises KeyError where the metric has no trend."""
        with self._lock:
            return self._rings[scope].series(name, row, coarse=True)


# changes closer together than this are kept as one: an hour of a counter that never rests is 360 entries
_CHANGE_SECONDS = 10.0
_CHANGES_KEPT = 360

# the counters whose changes are kept: those that should not move. `energy` moves all the time.
COUNTERS: Mapping[Scope, tuple[str, ...]] = {
    scope: tuple(name for name, metric in table.items() if metric.kind is Kind.COUNTER and metric.good is Good.LOW)
    for scope, table in CATALOGUE.items()
}


class CounterLog:
    """When each counter changed and to what, so that `rate(counter, 1h)` can be asked of any of them.

    A counter that goes backwards was reset (driver reload, reboot): its value then counts from 0.
    """

    def __init__(self) -> None:
        self._changes: dict[tuple[Scope, str, int], deque[tuple[float, float]]] = {}
        self._lock = Lock()

    def note(self, scope: Scope, name: str, row: int, at: float, before: float, now: float) -> None:
        """A counter moved from `before` to `now` at console time `at` (seconds)."""
        increase = now - before if now >= before else now
        with self._lock:
            changes = self._changes.setdefault((scope, name, row), deque(maxlen=_CHANGES_KEPT))
            if changes and at - changes[-1][0] < _CHANGE_SECONDS:
                changes[-1] = (changes[-1][0], changes[-1][1] + increase)
            else:
                changes.append((at, increase))

    def increases(self, scope: Scope, name: str, rows: int, since: float) -> Floats:
        """By how much each of `rows` counters grew since console time `since`; 0 where none of its changes is known."""
        found = np.zeros(rows)
        with self._lock:
            for (of_scope, of_name, row), changes in self._changes.items():
                if of_scope is scope and of_name == name and row < rows:
                    found[row] = sum(increase for at, increase in changes if at >= since)
        return found
