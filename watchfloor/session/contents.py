"""The chapters of a session, found in its file.

Events and findings stand in the stops of a file, so one each half minute is read, the newest first, and of it these two
tables alone; what came after the last one is read moment by moment.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watchfloor.events import Entry
from watchfloor.session.chapters import EVENT, FINDING, Chapter
from watchfloor.session.leaves import Noted
from watchfloor.session.moment import Told
from watchfloor.session.reader import Session


class Contents:
    """The chapters of a session, found little by little. Raises SessionError where something of it was altered."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._nodes = [spec.name for spec in session.head.specs]
        self._marks: list[Chapter] = []
        self._marks_read = 0  # whole ones, and others
        self._events: dict[int, Chapter] = {}
        self._findings: dict[tuple[str, float], Chapter] = {}
        self._older = list(range(len(session.stops)))  # stops that were not read yet
        self._read_to = session.stops[-1] - 1e-6 if session.stops else session.begin
        self._sorted: Sequence[Chapter] | None = None

    @property
    def chapters(self) -> Sequence[Chapter]:
        """By time."""
        if self._sorted is None:
            begin = self._session.begin
            told = [*self._events.values(), *self._findings.values()]
            self._sorted = sorted([*self._marks, *(one for one in told if one.at >= begin)], key=_time)
        return self._sorted

    @property
    def searching(self) -> bool:
        return bool(self._older)

    def read_new(self) -> None:
        """What came since, and at first what came after the last stop."""
        self._marks_read, marks = self._session.marks_from(self._marks_read)
        self._marks += [Chapter(mark.at, mark.kind, mark.text, facts=mark.facts) for mark in marks]
        self._sorted = None if marks else self._sorted
        for told in self._session.told(self._read_to):
            self._read_to = told.at
            self._take(told)

    def read_older(self) -> None:
        """One stop more, the newest first."""
        if self._older:
            told = self._session.told_at_stop(self._older.pop())
            if told is not None:
                self._take(told)

    def _take(self, told: Told) -> None:
        events, records = told.tables.get("events"), told.tables.get("records")
        for number, raw in (events.put if events else {}).items():
            if int(number) not in self._events:
                self._events[int(number)] = self._event(msgspec.msgpack.decode(raw, type=Entry))
                self._sorted = None
        for name, raw in (records.put if records else {}).items():
            noted = msgspec.msgpack.decode(raw, type=Noted)
            if (str(name), noted.first) not in self._findings:
                self._findings[str(name), noted.first] = _finding(noted)
                self._sorted = None

    def _event(self, entry: Entry) -> Chapter:
        where = "/".join(filter(None, (self._nodes[entry.node], entry.device)))
        event = entry.event
        facts = {"kind": event.kind, **({"code": str(event.code)} if event.code >= 0 else {})}
        return Chapter(entry.at, EVENT, f"{where}: {event.text}", facts=facts)


def _finding(noted: Noted) -> Chapter:
    finding = noted.finding
    return Chapter(noted.first, FINDING, f"{finding.code}: {finding.text}", finding.state)


def _time(chapter: Chapter) -> float:
    return chapter.at
