"""When each error counter moved, so that `rate(counter, 1h)` can be asked of any of them; resets told from errors.

Counters hardly ever move, so what is kept of them is a list of their changes. A counter that goes backwards was reset
or has wrapped: after a reset its new value is its increase. So it is after a reboot, also where it is larger than the
old one by then; but adapters may outlive a warm reboot, and are known by a counter that stands where it stood.

Written by the fleet's thread alone. Readers in another thread take copies under the lock.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock

import numpy as np

from watchfloor.columns import Count, Floats
from watchfloor.metrics import CATALOGUE, Good, Kind
from watchfloor.model import Scope

# changes closer together than this are kept as one
_CHANGE_SECONDS = 10.0
# so many changes of one counter are kept, then the older half of them half as finely: nothing is forgotten. Fewer
# where many counters move (PAM4 links correct errors all the time): 32 MB for all of them.
_CHANGES_KEPT, _LEAST_KEPT, _CHANGES_IN_ALL = 360, 24, 2_000_000
_RESETS_KEPT = 2000
_TOPS = (2.0**16, 2.0**32)  # where counters of the hardware come round

# the counters whose changes are kept: those that should not move. `energy` moves all the time.
COUNTERS: Mapping[Scope, tuple[str, ...]] = {
    scope: tuple(name for name, metric in table.items() if metric.kind is Kind.COUNTER and metric.good is Good.LOW)
    for scope, table in CATALOGUE.items()
}

# over the life of the board: no driver's start sets these back
_LIFELONG = frozenset((
    "ecc_corrected_total", "ecc_uncorrected_total", "ecc_sram", "ecc_sram_corrected", "rows_corrected",
    "rows_uncorrected", "pages_retired",
))  # fmt: skip
# a port that is brought up moves these by itself: as they stand after a reboot, they are no fault
_OF_THE_START = frozenset(("carrier_changes", "resets"))


class Cause(StrEnum):
    """Why a counter went backwards."""

    REBOOT = "reboot"  # the node's boot id is another
    RESTART = "driver or device restarted"  # all counters of the subject fell
    CLEARED = "cleared"  # some fell, others stand: somebody set them back
    WRAP = "wrapped"  # it came to the end of its 16 or 32 bits


@dataclass(frozen=True, slots=True)
class Reset:
    """Counters of one row went backwards at console time `at` (seconds)."""

    at: float
    scope: Scope
    row: int
    cause: Cause
    names: tuple[str, ...]


@dataclass(slots=True)
class _Changes:
    """Of one counter: when it moved, and by how much it had grown by then, in all; oldest first."""

    at: array[float] = field(default_factory=lambda: array("d"))
    total: array[float] = field(default_factory=lambda: array("d"))

    def add(self, at: float, by: float, keep: int) -> None:
        if self.at and at - self.at[-1] < _CHANGE_SECONDS:
            self.total[-1] += by
            return
        self.total.append(by + (self.total[-1] if self.total else 0.0))
        self.at.append(at)
        if len(self.at) > keep:
            half = len(self.at) // 2
            self.at = self.at[1:half:2] + self.at[half:]
            self.total = self.total[1:half:2] + self.total[half:]

    def since(self, since: float) -> float:
        if self.at[-1] < since:
            return 0.0
        first = bisect_left(self.at, since)
        return self.total[-1] - (self.total[first - 1] if first else 0.0)


class CounterLog:
    """The changes of every counter of COUNTERS, and the resets among them."""

    def __init__(self) -> None:
        self._changes: dict[tuple[Scope, str], dict[int, _Changes]] = {}  # and by row
        self._tracked = 0
        self._resets: deque[Reset] = deque(maxlen=_RESETS_KEPT)
        self._lock = Lock()

    # -- for the fleet

    def forget(self, scope: Scope, rows: Collection[int]) -> None:
        """What was of these rows is nobody's: they get other owners."""
        with self._lock:
            for at, of_metric in self._changes.items():
                for row in rows if at[0] is scope else ():
                    self._tracked -= of_metric.pop(row, None) is not None
            kept = (reset for reset in self._resets if reset.scope is not scope or reset.row not in rows)
            self._resets = deque(list(kept), maxlen=_RESETS_KEPT)

    def note(
        self, scope: Scope, counts: Sequence[Count], at: float, stands: Callable[[int, Collection[str]], bool]
    ) -> None:
        """Counters moved at console time `at` (seconds), each row's in their order.

        `stands(row, names)`: whether one of these counters of the row is above zero.
        """
        unusual: dict[int, list[Count]] = {
            count.row: [] for count in counts if count.booted or count.now < count.before
        }
        with self._lock:
            for count in counts:
                if count.row in unusual:
                    unusual[count.row].append(count)
                else:
                    self._add(scope, count, at, count.now - count.before)
            for row, moves in unusual.items():
                self._note_unusual(scope, row, moves, at, stands)

    def _note_unusual(
        self, scope: Scope, row: int, moves: list[Count], at: float, stands: Callable[[int, Collection[str]], bool]
    ) -> None:
        """One of them fell, or is of another boot."""
        fell = [move for move in moves if move.now < move.before]
        cause = self._cause(scope, row, fell, stands) if fell else None
        if cause:
            self._resets.append(Reset(at, scope, row, cause, tuple(dict.fromkeys(move.name for move in fell))))
        outlived = not fell and any(_stood(move) for move in moves)
        for move in moves:
            by = _since_boot(move, outlived) if move.booted else _increase(move, cause)
            if by:
                self._add(scope, move, at, by)

    def _cause(
        self, scope: Scope, row: int, fallen: Sequence[Count], stands: Callable[[int, Collection[str]], bool]
    ) -> Cause:
        if any(move.booted for move in fallen):
            return Cause.REBOOT
        if len(fallen) == 1 and _top(fallen[0]):
            return Cause.WRAP
        others = set(COUNTERS[scope]) - _LIFELONG - {move.name for move in fallen}
        return Cause.CLEARED if stands(row, others) else Cause.RESTART

    def _add(self, scope: Scope, move: Count, at: float, by: float) -> None:
        of_metric = self._changes.setdefault((scope, move.name), {})
        changes = of_metric.get(move.row)
        if changes is None:
            changes = of_metric[move.row] = _Changes()
            self._tracked += 1
        changes.add(at, by, max(_LEAST_KEPT, min(_CHANGES_KEPT, _CHANGES_IN_ALL // self._tracked)))

    # -- for everybody

    def increases(self, scope: Scope, name: str, rows: int, since: float) -> Floats:
        """By how much each of `rows` counters grew since console time `since`; 0 where none of its changes is known."""
        found = np.zeros(rows)
        with self._lock:
            for row, changes in self._changes.get((scope, name), {}).items():
                if row < rows:
                    found[row] = changes.since(since)
        return found

    def grown(self, scope: Scope, name: str, since: float, above: float = 0.0) -> dict[int, float]:
        """The rows whose counter grew by more than `above` since console time `since`, and by how much."""
        with self._lock:
            moved = self._changes.get((scope, name), {})
            return {row: by for row, changes in moved.items() if (by := changes.since(since)) > above}

    def rate(self, scope: Scope, name: str, row: int, seconds: float, at: float) -> float:
        """Growth per second of one counter over the `seconds` before console time `at`."""
        with self._lock:
            changes = self._changes.get((scope, name), {}).get(row)
            return changes.since(at - seconds) / seconds if changes else 0.0

    def resets(self, since: float = 0.0, scope: Scope | None = None, row: int | None = None) -> tuple[Reset, ...]:
        """Counters that went backwards since console time `since`, newest first: of all, of a scope, or of one row."""
        with self._lock:
            found = tuple(reversed(self._resets))
        return tuple(
            reset for reset in found if reset.at >= since and scope in (None, reset.scope) and row in (None, reset.row)
        )


def _top(move: Count) -> float:
    """The end that a counter came round at; 0 where it can't have. One that stands at its very end doesn't wrap."""
    for top in _TOPS:
        if top * 15 / 16 <= move.before < top - 1 and 0 < move.now < top / 2:
            return top
    return 0.0


def _stood(move: Count) -> bool:
    """It is the same as before the reboot, and would be 0 if its device had been reset."""
    tells = move.name not in _LIFELONG and move.name not in _OF_THE_START
    return move.booted and move.now == move.before > 0 and tells


def _since_boot(move: Count, outlived: bool) -> float:
    """By how much the first value after a reboot is more. `outlived`: the device was not reset with its node."""
    if move.name in _OF_THE_START:
        return 0.0
    counts_on = outlived or move.name in _LIFELONG
    return move.now - move.before if counts_on and move.now >= move.before else move.now


def _increase(move: Count, cause: Cause | None) -> float:
    if move.now >= move.before:
        return move.now - move.before
    return _top(move) - move.before + move.now if cause is Cause.WRAP else move.now
