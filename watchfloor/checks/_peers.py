"""Clocks of boards under full load beside those of equal ones: of the same model, as busy, on the mean of a minute.

Seconds in which a board is not busy say nothing of its clock: a checkpoint neither makes a straggler nor hides one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from watchfloor.checks._tools import Rows, limit
from watchfloor.columns import Floats
from watchfloor.distinct import distinct, median
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Scope

_AT = Scope.ACCELERATOR
_SECONDS = 60.0


class Slow(NamedTuple):
    """Clocks in MHz; `peers` is how many the median is of, itself left out."""

    clock: float
    usual: float
    peers: int


def enough(clock: Floats) -> Floats:
    """The lowest clock that is no straggler's beside this one."""
    return clock * (1 - limit("straggler", "slower", Unit.PERCENT) / 100)


def slow_rows(frame: Frame, rows: Rows) -> dict[int, Slow]:
    """Those of `rows` that ran slower than most of them."""
    clock = frame.history.window(_AT, "clock_sm", _SECONDS, rows)
    util = frame.history.window(_AT, "util", _SECONDS, rows)
    if not len(clock) or not len(util):
        return {}
    works = util >= limit("straggler", "util", Unit.PERCENT)
    busy = (100 * works.mean(axis=0) >= limit("straggler", "busy", Unit.PERCENT)) & ~np.isnan(clock).any(axis=0)
    clock = np.where(works, clock, 0.0).sum(axis=0) / np.maximum(works.sum(axis=0), 1)
    model = frame.accelerators.known("model")[rows]
    found: dict[int, Slow] = {}
    for one in distinct(model[busy]):
        equal = np.flatnonzero(busy & (model == one))
        usual = median(clock[equal])
        if len(equal) > limit("straggler", "peers"):
            slow = equal[clock[equal] < enough(np.array(usual))]
            found |= {int(rows[at]): Slow(float(clock[at]), usual, len(equal) - 1) for at in slow.tolist()}
    return found
