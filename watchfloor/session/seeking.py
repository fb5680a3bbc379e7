"""What a person says of where to go in a session: a time, a step, or the next thing of a kind. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from watchfloor.errors import ConfigError
from watchfloor.metrics import Unit
from watchfloor.session.chapters import KINDS
from watchfloor.units import quantity

FORMS = "a time (14:03, 14:03:20, 2026-11-28 14:03), a step (+5m, -30s), start or end"
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?")
_DAYS = 2  # a time of the day is looked for so many days before and after


@dataclass(frozen=True, slots=True)
class Jump:
    """To the next chapter of a kind, or back to the last one; with these words in it."""

    kind: str
    words: str = ""
    forth: bool = True


@dataclass(frozen=True, slots=True)
class Stretch:
    """What there is, and where one stands in it, in seconds since the epoch. `zone`: of what a person says."""

    begin: float
    end: float
    at: float
    zone: tzinfo


def wish_of(text: str, stretch: Stretch) -> float | Jump:
    """What `:seek TEXT` asks for. Raises ConfigError."""
    word, _, words = text.strip().partition(" ")
    kind = word.lstrip("-+")
    if kind in KINDS:
        return Jump(kind, words.strip(), not word.startswith("-"))
    return time_of(text, stretch)


def time_of(text: str, stretch: Stretch) -> float:
    """A time within the stretch, or one of its ends. Raises ConfigError."""
    text = text.strip()
    if text in ("start", "begin", "end"):
        return stretch.end if text == "end" else stretch.begin
    if text[:1] in ("+", "-"):
        return _within(stretch.at + _step(text), stretch)
    clock = _CLOCK.fullmatch(text)
    return _within(_of_the_day(clock, text, stretch) if clock else _dated(text, stretch.zone), stretch)


def _step(text: str) -> float:
    try:
        seconds = quantity(text[1:], Unit.SECONDS)
    except ValueError as error:
        raise ConfigError(str(error), FORMS) from error
    return -seconds if text[0] == "-" else seconds


def _of_the_day(clock: re.Match[str], text: str, stretch: Stretch) -> float:
    """That time of a day that the stretch has, the one nearest to where one stands; of the day there where none has."""
    day = datetime.fromtimestamp(stretch.at, stretch.zone)
    seconds = float(clock[3] or 0)
    try:
        then = day.replace(hour=int(clock[1]), minute=int(clock[2]), second=int(seconds), microsecond=0)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no time of a day", FORMS) from error
    found = [(then + timedelta(days=days)).timestamp() + seconds % 1 for days in range(-_DAYS, _DAYS + 1)]
    inside = [at for at in found if stretch.begin - 1 <= at <= stretch.end + 1]
    return min(inside or found, key=lambda at: abs(at - stretch.at))


def _dated(text: str, zone: tzinfo) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is neither a time nor a kind of mark" if text else "say where to", FORMS
        ) from error
    return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp()


def _within(at: float, stretch: Stretch) -> float:
    return min(max(at, stretch.begin), stretch.end)
