"""Heat: boards that a protection holds down, that are close to it, that lose time to it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._tools import Rows, current, limit, named, report, suspects, thresholds
from watchfloor.columns import Floats
from watchfloor.distinct import distinct
from watchfloor.frame import Frame, View
from watchfloor.history import History
from watchfloor.metrics import Unit, throttle_reasons
from watchfloor.model import Finding, Scope, State

_AT = Scope.ACCELERATOR
_MINUTE = 60.0
_MINUTES = 10
_ALL_MINUTES = (1 << _MINUTES) - 1
_BITS_SET = np.array([bits.bit_count() for bits in range(_ALL_MINUTES + 1)], np.intp)


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
    """In how many of the last ten minutes each board was slowed down by its hardware."""

    def __init__(self) -> None:
        self._history: History | None = None  # knows one fleet from another
        self._minute = 0
        self._bits = np.zeros(0, np.int32)  # by row: one bit a minute, the newest is the lowest

    def of(self, frame: Frame) -> NDArray[np.intp]:
        count, minute = frame.accelerators.count, int(frame.at // _MINUTE)
        if frame.history is not self._history:
            self._history, self._minute, self._bits = frame.history, minute, np.zeros(count, np.int32)
        if count > len(self._bits):
            self._bits = np.concatenate([self._bits, np.zeros(count - len(self._bits), np.int32)])
        passed = min(_MINUTES, max(0, minute - self._minute))
        if passed:
            self._minute, self._bits = minute, (self._bits << passed) & _ALL_MINUTES
        self._bits[_held(frame.accelerators, "hardware-slowdown", int(limit("hardware-slowdown", "mask")))] |= 1
        return _BITS_SET[self._bits]


_slowdowns = _Slowdowns()


def _slowed_again(frame: Frame) -> Iterator[Finding]:
    minutes = _slowdowns.of(frame)
    yield from report(
        frame,
        _AT,
        np.flatnonzero(minutes >= limit("hardware-slowdown", "minutes")),
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
    least, worst = limit("temp-margin", "warning", Unit.CELSIUS), limit("temp-margin", "critical", Unit.CELSIUS)
    left = view.last("temp_margin")
    rows = current(view, "temp_margin", left < least)
    if rows.size:
        left = left - _offsets(view)
        rows = rows[left[rows] < least]
    critical = left[rows] <= worst
    for state, chosen in ((State.CRITICAL, rows[critical]), (State.WARNING, rows[~critical])):
        yield from report(
            frame,
            _AT,
            chosen,
            "temp-margin",
            state,
            lambda row: f"{named(frame, _AT, row)} {_distance(left[row])} the temperature that slows it down",
            ("temp_margin", "temp", "throttle"),
        )


def _offsets(view: View) -> Floats:
    """By row: the margin at which its hardware slows it down, which models do at different ones."""
    codes = np.nan_to_num(view.last("model")).astype(np.intp)
    by_code = np.zeros(len(view.texts))
    for code in distinct(codes).tolist():
        by_code[code] = _offset(view.texts[code])
    return by_code[codes]


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
