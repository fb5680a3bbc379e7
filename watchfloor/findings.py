"""What was found, and when: every finding from when it was first seen, whether it still holds, who has acknowledged it.

A finding that goes away for a moment and comes back is the same one; only what stays away for SETTLED_SECONDS is over.
What a silent node had is not over: nobody knows. Why it is silent, the console knows itself. Nor is what a node had
whose probe has let go of a driver for a while, or what a job had whose scheduler doesn't answer. Times are console
time, in seconds since the epoch.

Must not do: I/O. `watchfloor.records.findings` keeps it on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from watchfloor.checks import CONSOLE
from watchfloor.checks.nodes import OF_SILENCE
from watchfloor.frame import Frame
from watchfloor.jobs.model import SourceState
from watchfloor.model import Finding, Scope, Subject
from watchfloor.record import Acknowledgement, Record, RecordKey, Records

SETTLED_SECONDS = 30.0
NOTED_SECONDS = 60.0  # so often it is noted when what holds was seen last
KEPT = 5_000  # records of what is over; the oldest go first


def key_of(finding: Finding) -> RecordKey:
    return finding.subject, finding.code


@dataclass(slots=True)
class FindingLog:
    """One writer, which is the collectors' thread; `records` may be read anywhere."""

    records: Records = field(default_factory=Records)
    changed: set[RecordKey] = field(default_factory=set)  # what a store has not yet been told
    forgotten: set[RecordKey] = field(default_factory=set)  # what was cleared, and a store still has
    _said_here: set[RecordKey] = field(default_factory=set)  # acknowledged, or no longer, since the last save
    _missed: dict[RecordKey, float] = field(default_factory=dict)  # since when a finding that holds was not seen
    _of_jobs: set[RecordKey] = field(default_factory=set)  # told by frames, of jobs, and not over
    _now: frozenset[RecordKey] = frozenset()  # what the last frame told
    _noted: float = 0.0

    # -- what the checks say

    def update(self, frame: Frame) -> Records:
        """Take the findings of a frame; what is on record from then on."""
        found = {key_of(finding): finding for finding in reversed(frame.findings)}  # the worst of equals is the first
        known = dict(self.records.by_key)
        due = frame.at - self._noted >= NOTED_SECONDS
        for key in found.keys() - self._now:
            self._take_over(known, key, found)
        for key, finding in found.items():
            self._seen(known, key, finding, frame.at, due)
        for key in found.keys() - self._now:
            self._in_its_place(known, key, found)
        for key, record in list(known.items()):
            if record.holds and key not in found:
                self._not_seen(known, key, record, frame)
        self._forget_oldest(known)
        self._now = frozenset(found)
        self._noted = frame.at if due else self._noted
        self.records = replace(self.records, by_key=known, at=frame.at)
        return self.records

    def _take_over(self, known: dict[RecordKey, Record], key: RecordKey, found: Mapping[RecordKey, Finding]) -> None:
        """What was told of the node until it was known whose it is, is its board's from now on."""
        subject, code = key
        of_node = Subject(Scope.NODE, subject.node), code
        if subject.scope is not Scope.ACCELERATOR or of_node not in self._now or of_node in found:
            return
        record = known.get(of_node)
        if record is not None and record.holds:
            known[of_node] = replace(record, last=self.records.at, holds=False)
            known.setdefault(key, replace(record, finding=found[key]))
            self.changed |= {of_node, key}
            self._missed.pop(of_node, None)

    def _in_its_place(self, known: dict[RecordKey, Record], key: RecordKey, found: Mapping[RecordKey, Finding]) -> None:
        """A node is unreadable in one way at a time: the older one is over, and whoever has seen it has seen this."""
        subject, code = key
        if code not in OF_SILENCE:
            return
        for older in ((subject, other) for other in OF_SILENCE if (subject, other) not in found):
            record = known.get(older)
            if record is None or not record.holds:
                continue
            last = self.records.at if older in self._now else record.last
            known[older] = replace(record, last=last, holds=False)
            self._missed.pop(older, None)
            self.changed.add(older)
            if record.ack is not None and found[key].state <= record.finding.state:
                known[key] = replace(known[key], ack=record.ack)
                self._said_here.add(key)

    def _seen(self, known: dict[RecordKey, Record], key: RecordKey, finding: Finding, at: float, due: bool) -> None:
        before = known.get(key)
        self._missed.pop(key, None)
        if finding.subject.scope is Scope.JOB:
            self._of_jobs.add(key)
        if before is None:
            known[key] = Record(finding, at, at)
        elif not before.holds:
            known[key] = replace(before, finding=finding, last=at, times=before.times + 1, holds=True, ack=None)
        elif finding.state > before.finding.state:
            known[key] = replace(before, finding=finding, last=at, ack=None)  # nobody has acknowledged this
        elif due:
            known[key] = replace(before, finding=finding, last=at)
        else:
            if _said(finding) != _said(before.finding):
                known[key] = replace(before, finding=finding)  # its figures move: nothing to write each second
            return
        if before is not None and before.ack is not known[key].ack:
            self._said_here.add(key)
        self.changed.add(key)

    def _not_seen(self, known: dict[RecordKey, Record], key: RecordKey, record: Record, frame: Frame) -> None:
        subject = record.finding.subject
        node = frame.node_index.get(subject.node)
        if key in self._now:
            known[key] = record = replace(record, last=self.records.at)
        if not self._would_be_seen(key, node, frame):
            self._missed.pop(key, None)
            return
        since = self._missed.setdefault(key, frame.at)
        if frame.at - since >= SETTLED_SECONDS:
            known[key] = replace(record, last=since, holds=False)
            del self._missed[key]
            self._of_jobs.discard(key)
            self.changed.add(key)

    def _would_be_seen(self, key: RecordKey, node: int | None, frame: Frame) -> bool:
        """Whether a frame would tell it if it held: not of another fleet, and not what only a silent node could say, or
        one that is paused."""
        subject, code = key
        if subject.scope is Scope.JOB:
            return self._would_be_seen_of_job(key, frame)
        if node is None:
            return subject == CONSOLE
        return _tells(frame, node) or code in OF_SILENCE

    def _would_be_seen_of_job(self, key: RecordKey, frame: Frame) -> bool:
        """A job that is told of no longer is gone, if it ever was one of this fleet."""
        jobs = frame.jobs
        row = jobs.index.get(key[0].key)
        if row is None:
            return key in self._of_jobs
        job = jobs.rows[row]
        if any(source.name == job.source and source.state is not SourceState.OK for source in jobs.sources):
            return False
        nodes = set(frame.accelerators.node[np.flatnonzero(jobs.owners == row)].tolist())
        return all(_tells(frame, node) for node in nodes)

    def _forget_oldest(self, known: dict[RecordKey, Record]) -> None:
        over = [key for key, record in known.items() if not record.holds] if len(known) > KEPT else []
        for key in sorted(over, key=lambda key: known[key].last)[: max(0, len(over) - KEPT)]:
            del known[key]
            self.forgotten.add(key)

    # -- what people say

    def acknowledge(self, key: RecordKey, ack: Acknowledgement | None) -> bool:
        """Note that somebody has seen it (None: take that back). False where it is not on record."""
        record = self.records.by_key.get(key)
        if record is None:
            return False
        self._put(key, replace(record, ack=ack))
        self._said_here.add(key)
        self.changed.add(key)
        return True

    def clear(self, key: RecordKey) -> bool:
        """Forget what is over. False where it still holds, or is not on record."""
        record = self.records.by_key.get(key)
        if record is None or record.holds:
            return False
        self._drop([key])
        self.forgotten.add(key)
        return True

    # -- what a store says

    def load(self, records: Iterable[Record]) -> None:
        """What was on record when the program ended last."""
        self.records = replace(self.records, by_key={record.key: record for record in records})

    def merge(self, stored: Mapping[RecordKey, Record]) -> None:
        """What another console has noted in the same store meanwhile: its acknowledgements, and what it cleared."""
        for key, record in self.records.by_key.items():
            theirs = stored.get(key)
            if theirs is not None and theirs.ack != record.ack and key not in self._said_here:
                self._put(key, replace(record, ack=theirs.ack))
        gone = [
            key
            for key, record in self.records.by_key.items()
            if not record.holds and key not in stored and key not in self.changed
        ]
        self._drop(gone)

    def saved(self, written: Mapping[RecordKey, Record], forgotten: Iterable[RecordKey]) -> None:
        """A store has these now. What has changed meanwhile is still to be told."""
        done = {key for key, record in written.items() if self.records.by_key.get(key) is record}
        self.changed -= done
        self._said_here -= done
        self.forgotten.difference_update(forgotten)

    def troubled(self, why: str) -> None:
        """Why nothing is kept, "" where it is."""
        self.records = replace(self.records, trouble=why)

    def _put(self, key: RecordKey, record: Record) -> None:
        self.records = replace(self.records, by_key={**self.records.by_key, key: record})

    def _drop(self, keys: Iterable[RecordKey]) -> None:
        gone = set(keys)
        if gone:
            left = {key: record for key, record in self.records.by_key.items() if key not in gone}
            self.records = replace(self.records, by_key=left)
            self.changed -= gone


def _tells(frame: Frame, node: int) -> bool:
    return bool(frame.live[node] and not frame.detail[node].is_paused)


def _said(finding: Finding) -> tuple[object, ...]:
    return finding.text, finding.evidence, finding.state
