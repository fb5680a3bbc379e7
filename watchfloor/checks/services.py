"""Inference servers: those that do not answer or are gone, and those whose cache is full while requests wait."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from watchfloor.checks._lasting import Lasting
from watchfloor.checks._tools import current, limit, named, report
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Missing, Scope, State

_AT = Scope.SERVICE


def check(frame: Frame) -> Iterator[Finding]:
    if frame.services.count:
        yield from _down(frame)
        yield from _gone(frame)
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


def _gone(frame: Frame) -> Iterator[Finding]:
    """Nothing listens where one was. A server ends with its job, too, and the next one takes its place."""
    view = frame.services
    ended = (view.reasons("up") == Missing.LOST) & (view.reasons("endpoint") == Missing.NO)
    seconds = limit("service-gone", "lasts", Unit.SECONDS)
    since = _ended.since(frame, np.flatnonzero(ended & frame.live[view.node]))
    yield from report(
        frame,
        _AT,
        np.array([row for row, at in since.items() if frame.at - at >= seconds], np.intp),
        "service-gone",
        State.WARNING,
        lambda row: (
            f"{named(frame, _AT, row)} has ended: nothing listens at {view.text(row, 'endpoint') or 'its address'} "
            f"for {(frame.at - since[row]) / 60:.0f} min"
        ),
        ("up", "kind", "model", "endpoint"),
    )


_ended = Lasting()
_overload = Lasting()


def _overloaded(frame: Frame) -> Iterator[Finding]:
    view = frame.services
    cache, waiting = view.known("kv_cache"), view.known("waiting")
    full = np.flatnonzero((cache > limit("service-overload", "kv_cache", Unit.PERCENT)) & (waiting > 0))
    since, seconds = _overload.since(frame, full), limit("service-overload", "time", Unit.SECONDS)
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
