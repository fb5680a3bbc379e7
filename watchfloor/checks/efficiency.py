"""Performance per watt: busy boards that run at a much lower clock for each watt than others of their model.

What is measured is the clock of the compute units, a watt, of boards at full load, on the mean of a minute: the same
silicon. Programs differ in what they draw at one clock, so a board is poor only where it is so beside the boards of its
own job, too, or without a job beside those of its node. What the programs get out of a clock is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._tools import limit, named, report
from watchfloor.columns import Floats
from watchfloor.distinct import distinct, median, medians
from watchfloor.frame import Frame
from watchfloor.history import History
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State

_AT = Scope.ACCELERATOR
_SECONDS = 60.0
_EVERY = 10.0  # seconds between two looks: nothing of it changes faster


def check(frame: Frame) -> Iterator[Finding]:
    poor = _memory.of(frame)
    yield from report(
        frame,
        _AT,
        np.array(sorted(row for row in poor if frame.live[frame.accelerators.node[row]]), np.intp),
        "inefficient",
        State.WARNING,
        lambda row: (
            f"{named(frame, _AT, row)} ran at {poor[row][0]:.2f} MHz per watt over the last minute, "
            f"the median of {poor[row][2]} busy boards of its model is {poor[row][1]:.2f}"
        ),
        ("clock_sm", "power", "util", "temp", "throttle", "power_limit"),
    )


class _Memory:
    """Row -> its clock per watt, the median of its model, how many boards that is of."""

    def __init__(self) -> None:
        self._history: History | None = None
        self._asked = 0.0
        self._poor: dict[int, tuple[float, float, int]] = {}

    def of(self, frame: Frame) -> dict[int, tuple[float, float, int]]:
        if frame.history is not self._history or not 0 <= frame.at - self._asked < _EVERY:
            self._history, self._asked, self._poor = frame.history, frame.at, _poor(frame)
        return self._poor


_memory = _Memory()


def _poor(frame: Frame) -> dict[int, tuple[float, float, int]]:
    view = frame.accelerators
    watts, clock = view.known("power"), view.known("clock_sm")
    with np.errstate(invalid="ignore", divide="ignore"):
        busy = (view.known("util") >= limit("efficiency", "util", Unit.PERCENT)) & (watts > 0) & (clock > 0)
        each = clock / watts
    models = view.last("model")
    found: dict[int, tuple[float, float, int]] = {}
    for model in distinct(models[busy]):
        rows = np.flatnonzero(busy & (models == model))
        if len(rows) >= limit("efficiency", "peers"):
            beside = _beside(frame, rows, each[rows])
            found |= _below(frame, rows, median(each[rows]), each[rows], beside)
    return found


def _beside(frame: Frame, rows: NDArray[np.intp], now: Floats) -> Floats:
    """By row: the median of the busy boards of its job, or of its node where it has none."""
    job = np.nan_to_num(frame.accelerators.last("job")[rows])
    work = np.where(job > 0, job, -1.0 - frame.accelerators.node[rows])
    return medians(now, work)


def _below(
    frame: Frame, rows: NDArray[np.intp], middle: float, now: Floats, beside: Floats
) -> dict[int, tuple[float, float, int]]:
    """Those that are poor now, and were on the mean of the last minute."""
    share = limit("efficiency", "below", Unit.PERCENT) / 100
    least = middle * share
    suspect = rows[(now < least) & (now < beside * share)]
    if not suspect.size:
        return {}
    clock, watts, util = (frame.history.window(_AT, name, _SECONDS, suspect) for name in ("clock_sm", "power", "util"))
    if not len(clock) or not len(watts):
        return {}
    with np.errstate(invalid="ignore", divide="ignore"):
        each = clock.mean(axis=0) / watts.mean(axis=0)
    steady = util.min(axis=0) >= limit("efficiency", "util", Unit.PERCENT)
    chosen = np.flatnonzero((each < least) & steady)
    return {int(suspect[at]): (float(each[at]), middle, len(rows)) for at in chosen}
