"""A stretch of a recorded session as numbers, for some nodes: every value, or the reason why there is none.

Must not do: read anything but the session.

Up to an hour every recorded moment is told, beyond that one a minute.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from watchfloor.derived import DERIVED
from watchfloor.errors import SessionError
from watchfloor.events import Entry as Event
from watchfloor.frame import Frame
from watchfloor.jobs.model import Job
from watchfloor.metrics import CATALOGUE, Kind
from watchfloor.model import Finding, Missing, Scope, Subject
from watchfloor.record import Record
from watchfloor.redact import redact
from watchfloor.session.leaves import AGE
from watchfloor.session.reader import Session
from watchfloor.session.reel import Reel
from watchfloor.session.salvage import stops_after
from watchfloor.view import View

FORMAT = "watchfloor.evidence-telemetry/1"
EVERY_SECONDS = 3_600.0  # a longer stretch is told once a minute
_MINUTE_SECONDS = 59.0  # at least: two moments a minute apart are some milliseconds nearer, or further
_ALWAYS = (Scope.NODE, Scope.ACCELERATOR, Scope.SERVICE)
_RECKONED = {scope: {*DERIVED[scope], "state", AGE} for scope in _ALWAYS}  # of other columns, or of findings
_TOLD_EVERY = 30  # frames between two looks at what is told of findings, events and jobs

Value = float | str | None
Json = dict[str, Any]


@dataclass(slots=True)
class Series:
    """One metric of one subject: at places of the slice's times a value, or None and why; each holds until the next."""

    subject: Subject
    metric: str
    at: list[int] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)

    def tell(self, place: int, value: Value, missing: Missing) -> None:
        if not self.at or (self.values[-1], self.missing[-1]) != (value, missing):
            self.at.append(place)
            self.values.append(value)
            self.missing.append(missing)

    def whole(self, length: int) -> Iterator[Value]:
        """The value at each of so many times."""
        for number, place in enumerate(self.at):
            until = self.at[number + 1] if number + 1 < len(self.at) else length
            yield from repeat(self.values[number], until - place)

    @property
    def is_known(self) -> bool:
        """Whether there ever was a value."""
        return any(value is not None for value in self.values)


@dataclass
class Slice:
    """`times`: console time of each moment, seconds since the epoch. `troubles`: what of the file can't be read."""

    nodes: tuple[str, ...]
    jobs: frozenset[str]
    times: list[float] = field(default_factory=list)
    series: dict[tuple[Subject, str], Series] = field(default_factory=dict)
    seen: dict[tuple[Scope, str], _Seen] = field(default_factory=dict, repr=False)
    names: dict[Subject, str] = field(default_factory=dict)  # as screens have them: n2/gpu3
    records: dict[tuple[Subject, str], Record] = field(default_factory=dict)
    events: dict[int, tuple[str, Event]] = field(default_factory=dict)  # with the node's name
    of_jobs: dict[str, Job] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    def of(self, scope: Scope, metric: str) -> list[Series]:
        """Of every subject, in the order in which nodes tell of them."""
        return [one for one in self.series.values() if one.subject.scope is scope and one.metric == metric]

    def one(self, subject: Subject, metric: str, place: int) -> Series:
        """The series, made where there is none: before it was told of for the first time, it wasn't known."""
        found = self.series.get((subject, metric))
        if found is None:
            found = self.series[subject, metric] = Series(subject, metric)
            if place:
                found.tell(0, None, Missing.NOT_YET)
        return found

    def name(self, subject: Subject) -> str:
        return self.names.get(subject, str(subject))


def cut(session: Session, begin: float, end: float, nodes: Sequence[str], jobs: Collection[str]) -> Slice:
    """`nodes`, `jobs`: of which is told; nodes that the session doesn't have are left out."""
    known = {spec.name for spec in session.head.specs}
    found = Slice(tuple(name for name in nodes if name in known), frozenset(jobs))
    last: Frame | None = None
    for number, frame in enumerate(_frames(session, begin, end, found.troubles)):
        _take(found, frame)
        if number % _TOLD_EVERY == 0:
            _tell(found, frame, begin)
        last = frame
    if last is not None:
        _tell(found, last, begin)
    return found


def _frames(session: Session, begin: float, end: float, troubles: list[str]) -> Iterator[Frame]:
    """Of the whole moments in this time. What can't be read is passed over to the next one that stands alone."""
    if end - begin > EVERY_SECONDS:
        for at in _once_a_minute([stop for stop in session.stops if begin <= stop <= end]):
            yield from _run(session, at, at, troubles)
        return
    at: float | None = begin
    while at is not None and at <= end:
        reached = at
        for frame in _run(session, at, end, troubles):
            reached = frame.at
            yield frame
        at = next(iter(stops_after(session, reached)), None)


def _once_a_minute(times: Iterable[float]) -> Iterator[float]:
    last = float("-inf")
    for at in times:
        if at - last > _MINUTE_SECONDS:
            last = at
            yield at


def _run(session: Session, begin: float, end: float, troubles: list[str]) -> Iterator[Frame]:
    """Up to the first that can't be read: that is told once, though it be in the way of several."""
    reel = Reel(session.head.specs)
    try:
        for moment in session.moments(begin, end):
            reel.skip(moment)
            if moment.at >= begin:
                yield reel.frame()
    except SessionError as error:
        if error.message not in troubles:
            troubles.append(error.message)


# -- values


@dataclass(slots=True)
class _Seen:
    """What was told last of the rows of one node in one scope: only what is another is looked at closer."""

    texts: Sequence[str] = ()
    subjects: list[Subject] = field(default_factory=list)
    columns: dict[str, tuple[NDArray, NDArray]] = field(default_factory=dict)
    grounds: dict[str, tuple[object, ...]] = field(default_factory=dict)  # what a column comes from


def _take(found: Slice, frame: Frame) -> None:
    place = len(found.times)
    found.times.append(frame.at)
    for name in found.nodes:
        for scope in _ALWAYS:
            _take_rows(found, frame, scope, name, place)


def _take_rows(found: Slice, frame: Frame, scope: Scope, node: str, place: int) -> None:
    index, view = frame.node_index[node], frame.view(scope)
    rows = frame.rows_of(scope, index)
    seen = found.seen.setdefault((scope, node), _Seen())
    if len(rows) != len(seen.subjects) or view.texts is not seen.texts:
        subjects = [frame.subject(scope, row) for row in rows.tolist()]
        seen = found.seen[scope, node] = _Seen(view.texts, subjects)
        _name(found, view, rows, subjects)
    for metric, told in CATALOGUE[scope].items() if seen.subjects else ():
        if metric not in _RECKONED[scope] and _is_as_before(seen, metric, view, bool(frame.live[index])):
            continue
        picture = view.part(metric, rows)
        values, missing = picture.values, picture.missing
        before = seen.columns.get(metric)
        seen.columns[metric] = values, missing
        texts = view.texts if told.kind is Kind.TEXT else None
        for row in _others(before, values, missing):
            one = found.one(seen.subjects[row], metric, place)
            value = _value(float(values[row]), int(missing[row]), texts)
            reason = Missing(int(missing[row]))
            one.tell(place, value, Missing.NOT_YET if value is None and reason is Missing.NO else reason)


def _is_as_before(seen: _Seen, metric: str, view: View, live: bool) -> bool:
    """Whether nothing that this column comes from is another: then it is the very same object."""
    now, before = (view.told(metric), view.unlisted, live), seen.grounds.get(metric)
    seen.grounds[metric] = now
    return before is not None and all(one is other for one, other in zip(now, before, strict=True))


def _others(before: tuple[NDArray, NDArray] | None, values: NDArray, missing: NDArray) -> Sequence[int]:
    """Rows in which something is another than before."""
    if before is None:
        return range(len(values))
    same = (before[0] == values) | (np.isnan(before[0]) & np.isnan(values))
    return np.flatnonzero(~same | (before[1] != missing)).tolist()


def _name(found: Slice, view: View, rows: NDArray[np.intp], subjects: Sequence[Subject]) -> None:
    for row, subject in zip(rows.tolist(), subjects, strict=True):
        if view.scope is Scope.ACCELERATOR and (name := view.text(row, "name")):
            found.names[subject] = f"{subject.node}/{redact(name)}"


def _value(value: float, missing: int, texts: Sequence[str] | None) -> Value:
    if missing or value != value:
        return None
    if texts is None:
        return value
    return redact(texts[int(value)]) if value >= 0 else None


# -- what is told in words


def _tell(found: Slice, frame: Frame, begin: float) -> None:
    for key, record in frame.records.by_key.items():
        if record.last >= begin and concerns(record.finding, found.nodes, found.jobs):
            found.records[key] = record
    for node in found.nodes:
        index = frame.node_index[node]
        found.events |= {event.number: (node, event) for event in frame.events.of_node(index) if event.last >= begin}
    scheduler = frame.jobs.scheduler.items()
    by_source = {told.name for index, told in scheduler if frame.specs[index].name in found.nodes}
    for job in frame.jobs.rows:
        held = {allocation.node for allocation in job.allocations}
        if job.id in found.jobs or held & {*by_source, *found.nodes}:
            found.of_jobs[job.id] = job


def concerns(finding: Finding, nodes: Iterable[str], jobs: Collection[str]) -> bool:
    subject = finding.subject
    return subject.key in jobs if subject.scope is Scope.JOB else subject.node in nodes


# -- as a file


def as_file(found: Slice, of: Json) -> bytes:
    """gzip of one JSON document. `of`: which session it was cut from."""
    document = {
        "format": FORMAT,
        "session": of,
        "nodes": list(found.nodes),
        "times": found.times,
        "series": [_series(one, found) for one in found.series.values() if one.is_known],
        "never": _never(found),
        "findings": [_finding(one) for one in found.records.values()],
        "events": [_event(node, one) for node, one in found.events.values()],
        "jobs": [_job(one) for one in found.of_jobs.values()],
        "troubles": found.troubles,
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return gzip.compress(text.encode("utf-8", "replace"), mtime=0)


def _series(one: Series, found: Slice) -> Json:
    unit = CATALOGUE[one.subject.scope][one.metric].unit
    return {
        "scope": one.subject.scope.value,
        "subject": str(one.subject),
        "name": found.name(one.subject),
        "metric": one.metric,
        "unit": unit.value,
        "at": one.at,
        "values": one.values,
        "missing": [reason.label or None for reason in one.missing],
    }


def _never(found: Slice) -> dict[str, dict[str, list[str]]]:
    """By subject and reason: metrics of which no value was there all the time."""
    told: dict[str, dict[str, list[str]]] = {}
    for one in found.series.values():
        if not one.is_known:
            reasons = told.setdefault(f"{one.subject.scope.value} {one.subject}", {})
            reasons.setdefault(one.missing[-1].label, []).append(one.metric)
    return told


def _finding(record: Record) -> Json:
    finding = record.finding
    return {
        "code": finding.code,
        "subject": str(finding.subject),
        "state": finding.state.label,
        "text": redact(finding.text),
        "evidence": {name: redact(value) for name, value in finding.evidence},
        "first": record.first,
        "last": record.last,
        "times": record.times,
        "holds": record.holds,
        "acknowledged": {"by": record.ack.by, "at": record.ack.at, "note": redact(record.ack.note)}
        if record.ack
        else None,
    }


def _event(node: str, one: Event) -> Json:
    event = one.event
    return {
        "node": node,
        "device": one.device,
        "source": event.source,
        "kind": event.kind,
        "code": event.code if event.code >= 0 else None,
        "severity": event.severity,
        "text": redact(event.text),
        "first": one.at,
        "last": one.last,
        "count": one.count,
    }


def _job(job: Job) -> Json:
    return {
        "id": job.id,
        "name": redact(job.name),
        "user": job.user,
        "state": job.state.value,
        "reason": redact(job.reason),
        "started": job.started,
        "nodes": [allocation.node for allocation in job.allocations],
    }
