"""When something is due: five fields as cron has them, and windows of a week. Pure; times are local wall clock.

An hour that a change of clocks leaves out is not made up for; one that comes twice counts the first time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[str, int, int, Mapping[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of the week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
_SHORT = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}
_PART = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?")
_WINDOW = re.compile(r"(?:([A-Za-z,-]+)\s+)?(\d\d?):(\d\d)-(\d\d?):(\d\d)")
MINUTE, DAY = 60.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Cron:
    """The values of each field. `either`: day of month and of week are both given, and one of them is enough."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    either: bool

    def matches(self, at: datetime) -> bool:
        return at.minute in self.minutes and at.hour in self.hours and self._day(at)

    def _day(self, at: datetime) -> bool:
        day, weekday = at.day in self.days, at.isoweekday() % 7 in self.weekdays
        return at.month in self.months and (day or weekday if self.either else day and weekday)


def cron(text: str) -> Cron:
    """Raises ValueError, which says what is wrong with which field."""
    fields = _SHORT.get(text.strip().lower(), text).split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{text!r} has {len(fields)} fields, not minute, hour, day, month and day of the week")
    found = [_values(field, *about) for field, about in zip(fields, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = found
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    return Cron(minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either)


def _values(field: str, name: str, least: int, most: int, names: Mapping[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in field.lower().split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"{name}: {part!r} is neither a number, a range nor *")
        first, last, step = match[1], match[2], int(match[3] or 1)
        low, high = (least, most) if first == "*" else (_number(first, names, name),) * 2
        high = _number(last, names, name) if last else most if match[3] and first != "*" else high
        if not (least <= low <= high <= most and step >= 1):
            raise ValueError(f"{name}: {part!r} is not within {least} and {most}")
        found.update(range(low, high + 1, step))
    return frozenset(found)


def _number(text: str, names: Mapping[str, int], name: str) -> int:
    if text in names:
        return names[text]
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{name}: {text!r} is no number")
    return int(text)


def due(schedule: Cron, since: float, until: float, zone: tzinfo | None) -> Iterator[float]:
    """The minutes after `since` and up to `until` (seconds since the epoch) at which it is due."""
    at = (since // MINUTE + 1) * MINUTE
    while at <= until:
        here = datetime.fromtimestamp(at, zone)
        if not schedule._day(here):
            next_day = (here + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
            at = max(at + MINUTE, next_day.timestamp())
            continue
        if schedule.matches(here) and not (here.fold and len(schedule.hours) < 24):
            yield at
        at += MINUTE


# -- windows


@dataclass(frozen=True, slots=True)
class Window:
    """Days (0 is Sunday), and minutes of the day; one that ends before it begins reaches into the next day."""

    days: frozenset[int]
    begins: int
    ends: int

    def holds(self, at: datetime) -> bool:
        minute, day = at.hour * 60 + at.minute, at.isoweekday() % 7
        if self.begins < self.ends:
            return day in self.days and self.begins <= minute < self.ends
        return (day in self.days and minute >= self.begins) or ((day - 1) % 7 in self.days and minute < self.ends)


def window(text: str) -> Window:
    """ "Mon-Fri 08:00-18:00", "Sat,Sun 00:00-24:00", "22:00-06:00". Raises ValueError."""
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no window, such as Mon-Fri 08:00-18:00")
    begins, ends = _minute(match[2], match[3]), _minute(match[4], match[5])
    if begins == ends:
        raise ValueError(f"{text!r} begins when it ends: 00:00-24:00 is a whole day")
    return Window(_days(match[1] or "sun-sat"), begins, ends)


def _minute(hour: str, minute: str) -> int:
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > 24 * 60:
        raise ValueError(f"{hour}:{minute} is no time of a day")
    return found


def _days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = part.partition("-")
        ends = (first, last if dash else first)
        for name in ends:
            if name not in _DAYS:
                raise ValueError(f"{name!r} is no day of the week, such as Mon")
        low, high = _DAYS.index(ends[0]), _DAYS.index(ends[1])
        found.update(day % 7 for day in range(low, (high if high >= low else high + 7) + 1))
    return frozenset(found)


def within(windows: tuple[str, ...], at: float, zone: tzinfo | None) -> bool:
    """Whether one of them holds; where there is none, always."""
    here = datetime.fromtimestamp(at, zone)
    return not windows or any(window(text).holds(here) for text in windows)
