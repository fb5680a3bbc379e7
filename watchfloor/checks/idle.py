"""Held but idle: memory in use, and not one kernel for a while."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._tools import current, limit, named, report
from watchfloor.frame import Frame
from watchfloor.history import COARSE_SECONDS, History
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State

_AT = Scope.ACCELERATOR


def check(frame: Frame) -> Iterator[Finding]:
    view = frame.accelerators
    share = view.last("mem")
    rows = current(view, "util", view.last("util") == 0)
    rows = rows[share[rows] > limit("idle-held", "mem", Unit.PERCENT)]
    if rows.size:
        rows = rows[_idleness.of(frame, rows)]
    minutes = limit("idle-held", "time", Unit.SECONDS) / 60
    yield from report(
        frame,
        _AT,
        rows,
        "idle-held",
        State.WARNING,
        lambda row: (
            f"{named(frame, _AT, row)} holds {share[row]:.0f} % of its memory and has run nothing "
            f"for {minutes:.0f} min{_holder(frame, row)}"
        ),
        ("mem_used", "util", "user", "job"),
    )


def _holder(frame: Frame, row: int) -> str:
    user, job = frame.accelerators.text(row, "user"), frame.accelerators.text(row, "job")
    told = ", ".join(f"{word} {text}" for word, text in (("user", user), ("job", job)) if text)
    return f" ({told})" if told else ""


class _Idleness:
    """Which rows ran nothing for the whole time. Asked anew every 20 seconds, as the older history moves no faster."""

    def __init__(self) -> None:
        self._asked: tuple[History | None, float] = (None, 0.0)
        self._idle: NDArray[np.bool_] = np.empty(0, np.bool_)

    def of(self, frame: Frame, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        slot = frame.at // COARSE_SECONDS
        if self._asked != (frame.history, slot) or len(self._idle) != frame.accelerators.count:
            self._asked, self._idle = (frame.history, slot), np.zeros(frame.accelerators.count, np.bool_)
            seconds = limit("idle-held", "time", Unit.SECONDS)
            util = frame.history.window(_AT, "util", seconds, rows)
            self._idle[rows] = bool(len(util)) & (util == 0).all(axis=0)
        return self._idle[rows]


_idleness = _Idleness()
