"""Since when something has been so, for rules that wait: told of only once it has lasted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._tools import Rows
from watchfloor.events import EventLog
from watchfloor.frame import Frame


class Lasting:
    """Remembers by row since which frame it has been among those that were named in each."""

    def __init__(self) -> None:
        self._log: EventLog | None = None  # knows one fleet from another
        self._since: dict[int, float] = {}

    def since(self, frame: Frame, rows: Rows) -> Mapping[int, float]:
        """Console time in seconds, by row. To be called once a frame."""
        if frame.events is not self._log:
            self._log, self._since = frame.events, {}
        if rows.size or self._since:
            self._since = {row: self._since.get(row, frame.at) for row in rows.tolist()}
        return self._since

    def for_long(self, frame: Frame, rows: Rows, seconds: float) -> NDArray[np.intp]:
        """Those of `rows` that have been among them for so long."""
        since = self.since(frame, rows)
        return np.array([row for row in rows.tolist() if frame.at - since[row] >= seconds], np.intp)
