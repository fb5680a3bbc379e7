"""Heat: boards that a protection holds down, that are close to it, that lose time to it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from watchfloor.checks._tools import Rows, current, limit, named, report, suspects, thresholds
from watchfloor.frame import Frame, View
from watchfloor.history import History
from watchfloor.metrics import Unit, throttle_reasons
from watchfloor.model import Finding, Scope, State

_AT = Scope.ACCELERATOR
_MINUTE = 60.0
_MINUTES = 10


def check(frame: Frame) -> Iterator[Finding]:
    yield from _throttled(frame)
    yield from _slowed_again(frame)
    yield from _time_lost(frame)
    yield from _margin(frame)
    yield from _hot(frame, "temp", "no margin told")
    yield from _hot(frame, "temp_mem", "memory")


def _throttled(frame: Frame) -> Iterator[Finding]:
    view, mask = frame.accelerators, int(limit("throttle", "mask"))
    rows = _held(view, "throttled", mask)
    held = view.last("throttle")
    yield from report(
        frame,
        _AT,
        rows,
        "throttled",
        State.WARNING,
        lambda row: f"{named(frame, _AT, row)} is slowed down: {', '.join(throttle_reasons(int(held[row]) & mask))}",
        ("throttle", "temp", "temp_margin", "power", "clock_sm", "clock_sm_max"),
    )


def _held(view: View, code: str, mask: int) -> Rows:
    """Boards that one of these reasons holds down. Below the lowest bit of the mask, none can."""
    lowest = mask & -mask
    rows = suspects(view, code, ("throttle",), lambda held: held >= lowest)
    return rows[(view.last("throttle")[rows].astype(np.int64) & mask) != 0]


class _Slowdowns:
    """In which of the last ten minutes each board was slowed down by its hardware."""

    def __init__(self) -> None:
        self._history: History | None = None
        self._minutes: dict[int, set[int]] = {}  # by row

    def of(self, frame: Frame) -> dict[int, int]:
        """Row -> in how many of them."""
        if frame.history is not self._history:
            self._history, self._minutes = frame.history, {}
        now = int(frame.at // _MINUTE)
        for row in _held(frame.accelerators, "hardware-slowdown", int(limit("hardware-slowdown", "mask"))).tolist():
            self._minutes.setdefault(row, set()).add(now)
        for row, minutes in list(self._minutes.items()):
            minutes.difference_update([minute for minute in minutes if minute <= now - _MINUTES])
            if not minutes:
                del self._minutes[row]
        return {row: len(minutes) for row, minutes in self._minutes.items()}


_slowdowns = _Slowdowns()


def _slowed_again(frame: Frame) -> Iterator[Finding]:
    minutes = _slowdowns.of(frame)
    often = sorted(row for row, count in minutes.items() if count >= limit("hardware-slowdown", "minutes"))
    yield from report(
        frame,
        _AT,
        np.array(often, np.intp),
        "hardware-slowdown",
        State.CRITICAL,
        lambda row: (
            f"{named(frame, _AT, row)} was slowed down by its hardware in {minutes[row]} of the last 10 minutes"
        ),
        ("throttle", "temp", "power", "power_limit"),
    )


def _time_lost(frame: Frame) -> Iterator[Finding]:
    seconds = limit("throttle-time", "within", Unit.SECONDS)
    most = seconds * limit("throttle-time", "share", Unit.PERCENT) / 100
    grown = frame.counters.grown(_AT, "throttle_thermal_time", frame.at - seconds, most)
    rows = sorted(row for row in grown if row < frame.accelerators.count)
    yield from report(
        frame,
        _AT,
        np.array(rows, np.intp),
        "throttle-time",
        State.WARNING,
        lambda row: f"{named(frame, _AT, row)} lost {grown[row]:,.0f} s of the last {seconds / 60:.0f} minutes to heat",
        ("throttle_thermal_time", "throttle", "temp", "temp_margin"),
    )


# -- close to it


def _margin(frame: Frame) -> Iterator[Finding]:
    view = frame.accelerators
    least = limit("temp-margin", "warning", Unit.CELSIUS)
    margin = view.last("temp_margin")
    rows = current(view, "temp_margin", margin < least)
    left = _left(view, rows)
    critical = np.array(
        [left[row] <= limit("temp-margin", "critical", Unit.CELSIUS) for row in rows.tolist()], np.bool_
    )
    warning = np.array([left[row] < least for row in rows.tolist()], np.bool_) & ~critical
    for state, chosen in ((State.CRITICAL, rows[critical]), (State.WARNING, rows[warning])):
        yield from report(
            frame,
            _AT,
            chosen,
            "temp-margin",
            state,
            lambda row: f"{named(frame, _AT, row)} {_distance(left[row])} the temperature that slows it down",
            ("temp_margin", "temp", "throttle"),
        )


def _left(view: View, rows: Rows) -> dict[int, float]:
    """Row -> degrees until its hardware slows it down, which models do at different margins."""
    margin = view.last("temp_margin")
    return {row: float(margin[row]) - _offset(view.text(row, "model")) for row in rows.tolist()}


@cache
def _offset(model: str) -> float:
    """The margin at which boards of a model slow down: the longest name that is part of the model's."""
    named_in = {name: item.number() for name, item in thresholds()["temp-margin-offset"]["models"].entries().items()}
    known = sorted((name for name in named_in if name in model), key=len)
    return named_in[known[-1]] if known else 0.0


def _distance(margin: float) -> str:
    degrees = round(abs(margin))
    if degrees == 0:
        return "is at"
    return f"is {degrees} °C below" if margin > 0 else f"is {degrees} °C above"


def _hot(frame: Frame, metric: str, what: str) -> Iterator[Finding]:
    """By temperature alone: the core of boards that tell no margin, and the memory of all."""
    view, code = frame.accelerators, metric.replace("_", "-")
    most = limit(code, "warning", Unit.CELSIUS)
    temperature = view.last(metric)
    rows = current(view, metric, temperature > most)
    if metric == "temp" and rows.size:
        rows = rows[np.isnan(view.known("temp_margin")[rows])]
    yield from report(
        frame,
        _AT,
        rows,
        f"{code}-high",
        State.WARNING,
        lambda row: f"{named(frame, _AT, row)} is at {temperature[row]:.0f} °C ({what}; the limit is {most:.0f} °C)",
        (metric, "temp_margin", "throttle", "power", "fan"),
    )
