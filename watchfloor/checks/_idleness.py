"""Which accelerators ran nothing for a whole time. Asked anew every 20 seconds: the older history moves no faster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._tools import Rows
from watchfloor.frame import Frame
from watchfloor.history import COARSE_SECONDS, History
from watchfloor.model import Scope

_AT = Scope.ACCELERATOR


class Idleness:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._asked: tuple[History | None, float] = (None, 0.0)
        self._idle: NDArray[np.bool_] = np.empty(0, np.bool_)

    def of(self, frame: Frame, rows: Rows) -> NDArray[np.bool_]:
        slot = frame.at // COARSE_SECONDS
        if self._asked != (frame.history, slot) or len(self._idle) != frame.accelerators.count:
            self._asked, self._idle = (frame.history, slot), np.zeros(frame.accelerators.count, np.bool_)
            util = frame.history.window(_AT, "util", self._seconds, rows)
            self._idle[rows] = bool(len(util)) & (util == 0).all(axis=0)
        return self._idle[rows]
