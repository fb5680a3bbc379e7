"""A frame as arrays, texts and tables: what can be compared with the frame before at next to no cost. Pure.

Nothing is copied: what did not change between two frames is the very same object in the leaves of both. What frames
share and grow in place (lists of texts, the events of nodes) stands here as far as it reached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import is_

import msgspec
import numpy as np
from numpy.typing import NDArray

from watchfloor.events import Entry, EventLog
from watchfloor.frame import Frame, RowSubjects
from watchfloor.jobs.model import Job
from watchfloor.jobs.view import Jobs
from watchfloor.metrics import CATALOGUE
from watchfloor.model import NODE_SCOPES, Finding, Scope, State, Subject
from watchfloor.record import Acknowledgement, Record, RecordKey
from watchfloor.report import DETAILS
from watchfloor.session.tables import Key, Table

AGE = "age"  # the only column that a frame of the fleet shares with no other


class Found(msgspec.Struct, frozen=True):
    """A finding. `rows`: those of `scope` that it stands for besides, where it names them by rows."""

    subject: Subject
    code: str
    state: State
    text: str
    evidence: tuple[tuple[str, str], ...] = ()
    others: tuple[Subject, ...] = ()
    scope: str = ""
    rows: bytes = b""


class Noted(msgspec.Struct, frozen=True):
    """A finding over time."""

    finding: Found
    first: float
    last: float
    times: int
    holds: bool
    ack: Acknowledgement | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """The first `count` of a list that grows at its end; another list is another text altogether."""

    of: Sequence[str]
    count: int


@dataclass(frozen=True, slots=True)
class Leaves:
    """`at`: console time, seconds since the epoch."""

    number: int
    at: float
    arrays: Mapping[str, NDArray]
    texts: Mapping[str, Text]
    tables: Mapping[str, Table]


class Picker:
    """Takes frames apart, one after the other. What is costly to look at is looked at where it changed."""

    def __init__(self) -> None:
        self._events: EventLog | None = None
        self._version = -1
        self._entries: dict[Key, Entry] = {}
        self._of_node: dict[int, list[int]] = {}
        self._detail: dict[str, Table] = {}
        self._details: Sequence[object] = ()
        self._records: dict[RecordKey, tuple[Record, Noted]] = {}
        self._jobs: tuple[Sequence[Job], Table] = ((), {})

    def leaves(self, frame: Frame) -> Leaves:
        arrays: dict[str, NDArray] = {"live": frame.live}
        texts: dict[str, Text] = {}
        for scope in NODE_SCOPES:
            _pick_view(frame, scope, arrays, texts)
        tables: dict[str, Table] = {
            "statuses": frame.statuses,
            **self._of_nodes(frame),
            "findings": [found(finding) for finding in frame.findings],
            "records": self._on_record(frame.records.by_key),
            "kept": [frame.records.trouble],
            "events": self._told(frame.events),
            "resets": frame.counters.resets(),
        }
        _pick_jobs(frame.jobs, arrays, texts, tables)
        tables["jobs"] = self._by_id(frame.jobs.rows)
        return Leaves(frame.number, frame.at, arrays, texts, tables)

    def _of_nodes(self, frame: Frame) -> Mapping[str, Table]:
        """What is known of nodes beyond the columns: the same tables as before where no node told anything."""
        before = self._details
        if len(before) == len(frame.detail) and all(map(is_, before, frame.detail)):
            return self._detail
        self._details, known = frame.detail, frame.detail
        self._detail = {
            "hello": [detail.hello for detail in known],
            "samplers": [detail.samplers for detail in known],
            "notes": [detail.notes for detail in known],
            **{f"detail.{name}": [detail.details.get(name, b"") for detail in known] for name in DETAILS},
        }
        return self._detail

    def _by_id(self, jobs: Sequence[Job]) -> Table:
        if self._jobs[0] is not jobs:
            self._jobs = jobs, {job.id: job for job in jobs}
        return self._jobs[1]

    def _on_record(self, records: Mapping[RecordKey, Record]) -> Table:
        before, now = self._records, {}
        for key, record in records.items():
            known = before.get(key)
            now[key] = known if known and known[0] is record else (record, noted(record))
        self._records = now
        return {name_of(key): told for key, (_, told) in now.items()}

    def _told(self, events: EventLog) -> Table:
        """By number: what happened on nodes."""
        if events is not self._events:
            self._events, self._version, self._entries, self._of_node = events, -1, {}, {}
        if events.version == self._version:
            return self._entries
        since, self._version = self._version, events.version
        entries = dict(self._entries)
        for node in events.nodes_since(since):
            for number in self._of_node.get(node, ()):
                entries.pop(number, None)
            now = events.of_node(node)
            entries.update((entry.number, entry) for entry in now)
            self._of_node[node] = [entry.number for entry in now]
        self._entries = entries
        return entries


def _pick_view(frame: Frame, scope: Scope, arrays: dict[str, NDArray], texts: dict[str, Text]) -> None:
    view = frame.view(scope)
    texts["texts"] = Text(view.texts, len(view.texts))
    texts[f"{scope}.keys"] = Text(view.keys, view.count)
    arrays[f"{scope}.node"] = view.node
    arrays[f"{scope}.unlisted"] = view.unlisted
    arrays[f"{scope}.found"] = view.found
    for name in CATALOGUE[scope]:
        column = view.told(name)
        arrays[f"{scope}.{name}"], arrays[f"{scope}.{name}?"] = column.values, column.missing
    if scope is Scope.NODE:
        age = view.own_column(AGE)
        arrays[f"{scope}.{AGE}"], arrays[f"{scope}.{AGE}?"] = age.values, age.missing


def _pick_jobs(jobs: Jobs, arrays: dict[str, NDArray], texts: dict[str, Text], tables: dict[str, Table]) -> None:
    view = jobs.view
    texts["job.texts"], texts["job.keys"] = Text(view.texts, len(view.texts)), Text(view.keys, view.count)
    for name in CATALOGUE[Scope.JOB]:
        column = view.own_column(name)
        arrays[f"job.{name}"], arrays[f"job.{name}?"] = column.values, column.missing
    arrays["job:owners"], arrays["job:given"], arrays["job:holding"] = jobs.owners, jobs.given, jobs.holding
    tables["sources"], tables["scheduler"] = jobs.sources, jobs.scheduler
    tables["managers"], tables["provenance"] = jobs.managers, jobs.provenance
    tables["present"] = sorted(jobs.present)


def found(finding: Finding) -> Found:
    others, scope, rows = finding.others, "", b""
    if isinstance(others, RowSubjects) and others.scope is not Scope.JOB:  # rows of jobs are of one frame alone
        others, scope, rows = (), others.scope.value, others.rows.astype(np.int32).tobytes()
    return Found(
        finding.subject, finding.code, finding.state, finding.text, finding.evidence, tuple(others), scope, rows
    )


def noted(record: Record) -> Noted:
    return Noted(found(record.finding), record.first, record.last, record.times, record.holds, record.ack)


def name_of(key: RecordKey) -> str:
    subject, code = key
    return "\t".join((subject.scope, subject.node, subject.key, code))
