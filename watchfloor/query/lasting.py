"""`condition for 2m`: what has been true throughout a time.

Two witnesses are heard. The history of the fleet, where the condition is made of trended metrics alone: one value a
second for the last minute, means of twenty seconds before. And a watch, which sees every frame and remembers since when
each row has been true. Either may vouch; where neither reaches back far enough, the answer is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Floats
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Scope
from watchfloor.query.evaluate import Column, Condition, Mask, Rows

# frames further apart than this prove nothing of the time between them
LONGEST_GAP_SECONDS = 15.0


@dataclass(frozen=True, eq=False)
class Lasts:
    """A condition that must have held for `seconds`. `columns`: the metrics in it, None where it calls functions."""

    item: Condition
    seconds: float
    scope: Scope
    columns: tuple[Column, ...] | None

    def true(self, rows: Rows) -> Mask:
        return self._answers(rows)[0]

    def false(self, rows: Rows) -> Mask:
        return self._answers(rows)[1]

    def _answers(self, rows: Rows) -> tuple[Mask, Mask]:
        seen = rows.memory.held(self) if rows.memory else None
        held, false = seen or (np.zeros(rows.view.count, np.bool_), self.item.false(rows))
        if self._is_trended(rows):
            self._ask_history(rows, held, false)
        return held & ~false, false

    def _is_trended(self, rows: Rows) -> bool:
        own, nodes = CATALOGUE[rows.scope], CATALOGUE[Scope.NODE]
        columns = self.columns or ()
        return bool(columns) and all((nodes if column.outer else own)[column.name].trend for column in columns)

    def _ask_history(self, rows: Rows, held: Mask, false: Mask) -> None:
        """Settle in place the rows that are still open."""
        still = np.flatnonzero(~held & ~false)
        if not still.size:
            return
        past = PastRows(rows, still, self.seconds, self.columns or ())
        if past.reaches:
            held[still] = self.item.true(past).all(axis=0)
            false[still] |= self.item.false(past).any(axis=0)


class PastRows(Rows):
    """Some rows over a time: every array has a first axis more, the time.

    The history may move on while it is read, so every metric is cut to the times that all of them have.
    """

    def __init__(self, now: Rows, rows: NDArray[np.intp], seconds: float, columns: Sequence[Column]) -> None:
        super().__init__(now.frame, now.scope)
        nodes = self.view.node[rows].astype(np.intp)
        self._series: dict[tuple[str, bool], Floats] = {}
        for column in columns:
            scope, of = (Scope.NODE, nodes) if column.outer else (now.scope, rows)
            self._series[column.name, column.outer] = self.frame.history.window(scope, column.name, seconds, of)
        self._times = min(len(series) for series in self._series.values())

    @property
    def reaches(self) -> bool:
        """Whether the history is long enough."""
        return self._times > 0

    def numbers(self, name: str, outer: bool) -> Floats:
        return self._series[name, outer][-self._times :]


class Streak:
    """Since when each row has been true, and when it was last known not to be, over the frames of one watch."""

    def __init__(self) -> None:
        self._at = -np.inf
        self._true_since: Floats = np.empty(0)  # inf where it isn't true
        self._false_at: Floats = np.empty(0)  # -inf where it never was known to be false

    def see(self, true: Mask, false: Mask, at: float) -> None:
        """One frame's answers. `at` is its time, in seconds."""
        if not 0 <= at - self._at <= LONGEST_GAP_SECONDS:
            self._true_since = self._false_at = np.empty(0)
        self._at = at
        self._true_since = _grown(self._true_since, len(true), np.inf)
        self._true_since = np.where(true, np.minimum(self._true_since, at), np.inf)
        self._false_at = _grown(self._false_at, len(false), -np.inf)
        self._false_at[false] = at

    def answers(self, seconds: float) -> tuple[Mask, Mask]:
        """Rows that were true throughout the last `seconds`; rows that were not at some time in it, now counted."""
        return self._true_since <= self._at - seconds, self._false_at > self._at - seconds


def _grown(values: Floats, count: int, new: float) -> Floats:
    """Rows are stable slots, so there can only be more of them."""
    return np.concatenate([values, np.full(count - len(values), new)]) if count > len(values) else values


class Streaks:
    """The streaks of every lasting condition of one query; implements evaluate.Memory."""

    def __init__(self, lasts: Sequence[Lasts]) -> None:
        self._streaks = {condition: Streak() for condition in lasts}

    def see(self, rows: Rows) -> None:
        """Ask every lasting condition of this frame, in its own scope."""
        for condition, streak in self._streaks.items():
            of = rows if condition.scope is rows.scope else rows.inner(condition.scope)
            streak.see(condition.item.true(of), condition.item.false(of), rows.frame.at)

    def held(self, condition: Lasts) -> tuple[Mask, Mask]:
        return self._streaks[condition].answers(condition.seconds)
