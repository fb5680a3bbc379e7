"""What accelerators drew, by the samples of all recordings: what two of them recorded counts once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from watchfloor.reporting.kept import Energy
from watchfloor.reporting.spans import Spans, common, total, united, without

_MOST_WATTS = 10_000.0  # of one accelerator: a counter that moved faster was set, not counted


@dataclass(frozen=True, slots=True)
class Sample:
    """By row. Energy in joules and power in watts, NaN where they are not known at this time."""

    at: float
    node: NDArray[np.int32]
    counts: NDArray[np.bool_]  # listed by its node, and no part of another board
    energy: NDArray[np.float64]
    power: NDArray[np.float64]
    models: Sequence[str]

    def with_rows_of(self, later: Sample) -> Sample:
        """The rows of a later one; those that weren't there, or were of another node, count for nothing."""
        count = len(later.node)
        same = _long(self.node, count, -1) == later.node
        return Sample(
            self.at,
            later.node,
            _long(self.counts, count, False) & same,
            _long(self.energy, count, np.nan),
            _long(self.power, count, np.nan),
            later.models,
        )


def _long(array: NDArray[Any], count: int, fill: float) -> NDArray[Any]:
    """So long; what isn't there is `fill`."""
    return np.concatenate([array[:count], np.full(max(0, count - len(array)), fill, array.dtype)])


# -- between two

_COUNTED, _SAMPLED, _UNKNOWN = 0, 1, 2


def drawn_between(before: Sample, after: Sample) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Joules of each row, and how they are known. Both have the same rows."""
    counted = after.energy - before.energy
    both = np.stack([before.power, after.power])
    told = ~np.isnan(both)
    power = np.where(told.any(axis=0), np.where(told, both, 0.0).sum(axis=0) / np.maximum(told.sum(axis=0), 1), np.nan)
    sound = before.counts & (counted >= 0) & (counted <= _MOST_WATTS * (after.at - before.at))
    sampled = before.counts & ~sound & ~np.isnan(power)
    how = np.where(sound, _COUNTED, np.where(sampled, _SAMPLED, _UNKNOWN))
    return np.where(sound, counted, np.where(sampled, power * (after.at - before.at), 0.0)), how


# -- of all recordings


class Drawn:
    def __init__(self) -> None:
        self._energy: dict[str, Energy] = {}
        self._known: dict[str, Spans] = {}  # of what time it is reckoned
        self._silent: dict[str, Spans] = {}  # when none of its boards told anything to one of those who recorded
        self._boards: dict[str, int] = {}  # that were silent

    def take(self, names: Sequence[str], before: Sample, after: Sample, recorded: Spans) -> None:
        """What was drawn between two samples that follow one another, as far as it was recorded. `names`: of nodes."""
        joules, how = drawn_between(before.with_rows_of(after), after)
        joules = np.bincount(after.node[after.counts], joules[after.counts], len(names))
        kinds = [after.node[after.counts & (how == kind)] for kind in (_COUNTED, _SAMPLED, _UNKNOWN)]
        boards = np.stack([np.bincount(nodes, minlength=len(names)) for nodes in kinds])
        pair = before.at, after.at
        stretch, seconds = common((pair,), recorded), total((pair,))
        for index in np.flatnonzero(boards.any(axis=0)).tolist():
            counted, sampled, unknown = (boards[:, index] * seconds).tolist()
            if counted or sampled:
                self._add(names[index], stretch, Energy(float(joules[index]), counted, sampled, unknown), seconds)
            else:
                self._silent[names[index]] = united((*self._silent.get(names[index], ()), *stretch))
                self._boards[names[index]] = int(boards[_UNKNOWN, index])

    def _add(self, name: str, stretch: Spans, drawn: Energy, seconds: float) -> None:
        """Of the stretch the part that isn't reckoned yet. `drawn`: in so many seconds."""
        known, so_far = self._known.get(name, ()), self._energy.get(name, Energy())
        new = without(stretch, known)
        self._known[name] = united((*known, *new))
        self._energy[name] = so_far.plus(drawn, total(new) / seconds)

    def energy(self) -> dict[str, Energy]:
        """By node. What no recording tells anything of is unknown."""
        found = dict(self._energy)
        for name, silent in self._silent.items():
            seconds = total(without(silent, self._known.get(name, ())))
            unknown = Energy(unknown_seconds=self._boards[name] * seconds)
            found[name] = found.get(name, Energy()).plus(unknown)
        return found
