"""Links that get worse again and again: each time it is over soon, and nobody does anything about it.

A degradation is a line speed below the link's best, or errors at a rate that `link_errors` tells of for a minute. What
is told of for an hour anyway is no repetition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from watchfloor.checks._rules import growths
from watchfloor.checks._tools import limit, named, report
from watchfloor.checks.link_errors import growing
from watchfloor.checks.links import slow
from watchfloor.events import EventLog
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State

_AT = Scope.LINK
_SHORT_SECONDS = 60.0


def check(frame: Frame) -> Iterator[Finding]:
    seconds, times = limit("link-degradations", "within", Unit.SECONDS), limit("link-degradations", "times")
    began = _memory.began(frame, _degraded(frame), frame.at - seconds)
    often = {row: len(at) for row, at in began.items() if len(at) >= times and frame.live[frame.links.node[row]]}
    yield from report(
        frame,
        _AT,
        np.array(sorted(often), np.intp),
        "link-degradations",
        State.CRITICAL,
        lambda row: (
            f"{named(frame, _AT, row)} got worse {often[row]} times within the last "
            f"{seconds / 60:.0f} minutes: contact support"
        ),
        ("speed", "speed_max", "up", "peer"),
    )


def _degraded(frame: Frame) -> set[int]:
    short = [rule for rule in growths("link-errors") if rule.seconds <= _SHORT_SECONDS]
    return set(slow(frame).tolist()).union(*(growing(frame, rule) for rule in short))


class _Memory:
    """By link: when it got worse, in console time."""

    def __init__(self) -> None:
        self._log: EventLog | None = None  # knows one fleet from another
        self._now: set[int] = set()
        self._began: dict[int, list[float]] = {}

    def began(self, frame: Frame, degraded: set[int], since: float) -> Mapping[int, list[float]]:
        if frame.events is not self._log:
            self._log, self._now, self._began = frame.events, degraded, {}
        for row in degraded - self._now:
            self._began.setdefault(row, []).append(frame.at)
        self._now = degraded
        if self._began:
            kept = {row: [one for one in at if one >= since] for row, at in self._began.items()}
            self._began = {row: at for row, at in kept.items() if at}
        return self._began


_memory = _Memory()
