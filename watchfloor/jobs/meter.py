"""What adds up over the life of a job, so far as this console sees it: energy, mean utilisation, accelerator time.

Figures belong to an attempt: a requeue begins anew. Bounded: those of jobs that are gone make room for new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Floats

LONGEST_STEP_SECONDS = 10.0  # what passed while nobody looked is not made up
MOST_KEPT = 50_000

Key = tuple[str, int]  # job id, attempt


@dataclass(frozen=True, slots=True)
class Metered:
    """By job row; NaN where nothing was seen yet."""

    energy: Floats  # joules
    util_mean: Floats  # percent
    watched: Floats  # seconds


class Meter:
    def __init__(self) -> None:
        self._slots: dict[Key, int] = {}
        self._sums = np.zeros((5, 64))  # joules, percent-seconds, seconds with utilisation, seconds watched, with power
        self._at: float | None = None
        self._keys: Sequence[Key] = ()
        self._known: NDArray[np.intp] = np.empty(0, np.intp)  # of each of these keys its slot, -1 where not looked up

    def advance(self, at: float, keys: Sequence[Key], rows: NDArray[np.intp], power: Floats, util: Floats) -> None:
        """The time since the last call went by so: `rows` are the jobs with accelerators, as are `power` and `util`."""
        before, self._at = self._at, at
        step = min(at - before, LONGEST_STEP_SECONDS) if before is not None and at > before else 0.0
        if not len(rows):
            return
        slots = self._slots_of(keys, rows)
        busy = ~np.isnan(util)
        self._sums[0, slots] += np.nan_to_num(power) * step
        self._sums[1, slots] += np.nan_to_num(util) * step
        self._sums[2, slots] += busy * step
        self._sums[3, slots] += step
        self._sums[4, slots] += ~np.isnan(power) * step

    def read(self, keys: Sequence[Key], rows: NDArray[np.intp], jobs: int) -> Metered:
        found = np.full((3, jobs), np.nan)
        joules, share, busy, watched, powered = self._sums[:, self._slots_of(keys, rows)]
        with np.errstate(invalid="ignore", divide="ignore"):
            found[:, rows] = np.where(powered > 0, joules, np.nan), share / busy, watched
        return Metered(*found)

    def _slots_of(self, keys: Sequence[Key], rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Looked up once for as long as the keys are the same object."""
        if self._keys is not keys:
            self._keys, self._known = keys, np.full(len(keys), -1, np.intp)
        for row in rows[self._known[rows] < 0].tolist():
            self._known[row] = self._slot(keys[row])
        return self._known[rows]

    def _slot(self, key: Key) -> int:
        slot = self._slots.get(key)
        if slot is not None:
            return slot
        if len(self._slots) >= MOST_KEPT:
            slot = self._slots.pop(next(iter(self._slots)))  # the one that was met first
            self._sums[:, slot] = 0.0
            self._known[self._known == slot] = -1
        else:
            slot = len(self._slots)
            if slot == self._sums.shape[1]:
                self._sums = np.concatenate([self._sums, np.zeros_like(self._sums)], axis=1)
        self._slots[key] = slot
        return slot
