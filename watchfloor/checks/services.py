"""Inference servers: those that do not answer, and those whose cache is full while requests wait."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from watchfloor.checks._tools import current, limit, named, report
from watchfloor.events import EventLog
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State

_AT = Scope.SERVICE


def check(frame: Frame) -> Iterator[Finding]:
    if frame.services.count:
        yield from _down(frame)
        yield from _overloaded(frame)


def _down(frame: Frame) -> Iterator[Finding]:
    view = frame.services
    yield from report(
        frame,
        _AT,
        current(view, "up", view.last("up") == 0),
        "service-down",
        State.CRITICAL,
        lambda row: f"{named(frame, _AT, row)} does not answer at {view.text(row, 'endpoint') or 'its address'}",
        ("up", "kind", "model", "endpoint"),
    )


class _Since:
    """Since when each server is overloaded."""

    def __init__(self) -> None:
        self._log: EventLog | None = None  # knows one fleet from another
        self._since: dict[int, float] = {}

    def of(self, frame: Frame, rows: list[int]) -> dict[int, float]:
        if frame.events is not self._log:
            self._log, self._since = frame.events, {}
        self._since = {row: self._since.get(row, frame.at) for row in rows}
        return self._since


_since = _Since()


def _overloaded(frame: Frame) -> Iterator[Finding]:
    view = frame.services
    cache, waiting = view.known("kv_cache"), view.known("waiting")
    full = np.flatnonzero((cache > limit("service-overload", "kv_cache", Unit.PERCENT)) & (waiting > 0))
    since = _since.of(frame, full.tolist())
    seconds = limit("service-overload", "time", Unit.SECONDS)
    yield from report(
        frame,
        _AT,
        np.array([row for row in full.tolist() if frame.at - since[row] >= seconds], np.intp),
        "service-overload",
        State.WARNING,
        lambda row: (
            f"{named(frame, _AT, row)} has {waiting[row]:.0f} requests waiting and {cache[row]:.0f} % of its cache "
            f"in use, for {(frame.at - since[row]) / 60:.0f} min"
        ),
        ("waiting", "running", "kv_cache", "first_token", "queue_time", "preemptions"),
    )
