"""Heat and power: boards that are held down by a protection, and boards that are close to it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from watchfloor.checks._tools import current, limit, named, report
from watchfloor.frame import Frame
from watchfloor.metrics import Unit, throttle_reasons
from watchfloor.model import Finding, Scope, State

_AT = Scope.ACCELERATOR


def check(frame: Frame) -> Iterator[Finding]:
    yield from _throttled(frame)
    yield from _margin(frame)


def _throttled(frame: Frame) -> Iterator[Finding]:
    view, mask = frame.accelerators, int(limit("throttle", "mask"))
    held = view.last("throttle")
    rows = current(view, "throttle", held >= (mask & -mask))  # the lowest bit of the mask: less can't hold any of it
    reasons = {row: int(held[row]) & mask for row in rows.tolist()}
    yield from report(
        frame,
        _AT,
        np.array([row for row, bits in reasons.items() if bits], np.intp),
        "throttled",
        State.WARNING,
        lambda row: f"{named(frame, _AT, row)} is slowed down: {', '.join(throttle_reasons(reasons[row]))}",
        ("throttle", "temp", "power", "clock_sm", "clock_sm_max"),
    )


def _margin(frame: Frame) -> Iterator[Finding]:
    view = frame.accelerators
    margin = view.last("temp_margin")
    rows = current(view, "temp_margin", margin < limit("temp-margin", "warning", Unit.CELSIUS))
    critical = margin[rows] <= limit("temp-margin", "critical", Unit.CELSIUS)
    for state, chosen in ((State.CRITICAL, rows[critical]), (State.WARNING, rows[~critical])):
        yield from report(
            frame,
            _AT,
            chosen,
            "temp-margin",
            state,
            lambda row: f"{named(frame, _AT, row)} {_distance(margin[row])} the temperature that slows it down",
            ("temp_margin", "temp"),
        )


def _distance(margin: float) -> str:
    degrees = round(abs(margin))
    if degrees == 0:
        return "is at"
    return f"is {degrees} °C below" if margin > 0 else f"is {degrees} °C above"
