"""Times as a person says them who knows the day: 11:39 today, Nov 27 11:39 before, and the year before this one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo


@dataclass(frozen=True, slots=True)
class Times:
    """`now` in seconds since the epoch; `zone` is where the person is."""

    now: float
    zone: tzinfo = UTC

    def at(self, time: float) -> str:
        return self._said(self._date(time), self._date(self.now))

    def between(self, start: float, end: float) -> str:
        """The day is said once where both ends are of one."""
        return f"{self.at(start)}–{self._said(self._date(end), self._date(start))}"

    def _date(self, time: float) -> datetime:
        return datetime.fromtimestamp(time, self.zone)

    @staticmethod
    def _said(date: datetime, known: datetime) -> str:
        if date.date() == known.date():
            return date.strftime("%H:%M")
        day = f"{date:%b} {date.day}" if date.year == known.year else f"{date:%b} {date.day} {date.year}"
        return f"{day} {date:%H:%M}"
