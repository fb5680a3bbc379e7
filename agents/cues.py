"""From successive frames to cues: for which subject a trigger of a playbook has come true. Pure.

A cue is no more than that: whether it becomes an incident is for `agents/triggers.py`. Events and findings give one
cue, when they are new; queries give one in every frame for as long as they hold and were not answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Protocol

import numpy as np

from agents.past import Past
from watchfloor import schedule
from watchfloor.change import Target
from watchfloor.checks._tools import subject_of
from watchfloor.checks._xidtold import FOLLOWERS
from watchfloor.events import Entry, EventLog
from watchfloor.fitting import target_of
from watchfloor.frame import Frame
from watchfloor.lineage.watch import finding_key
from watchfloor.model import Finding, Scope, Subject
from watchfloor.playbook import EventTrigger, Playbook, QueryTrigger, RunsTrigger, ScheduleTrigger
from watchfloor.query import Query, Watch, parse
from watchfloor.query.evaluate import Rows
from watchfloor.record import Record, RecordKey

LONGEST_GAP_SECONDS = 15.0  # frames further apart prove nothing of the time between them
KEPT_SECONDS = 86_400.0  # older events are not even told of
LATE_SECONDS = 120.0  # a schedule that is found due so late was missed


@dataclass(frozen=True, slots=True)
class Cue:
    """`cause`: what cues of one incident have in common. `began`: console time, 0 where that means nothing."""

    playbook: Playbook
    trigger: str
    cause: str
    target: Subject
    reason: str
    seen_at: float
    began: float = 0.0
    lasting: bool = False  # it comes again as long as it holds
    due: bool = False  # of a schedule
    follows: str = ""  # an XID that comes of others: the job that it came with, or " "
    finding: str = ""  # the one that it comes of, or that tells of the event, as lineage names it
    source: QuerySource | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Missed:
    """A schedule that was due while nobody watched, or the clock was set forward."""

    playbook: Playbook
    trigger: str
    times: int
    newest: float


class Source(Protocol):
    playbook: Playbook

    def cues(self, frame: Frame, past: Past, running: float) -> Iterator[Cue | Missed]:
        """`running`: seconds that were watched so far, which no setting of the clock changes."""
        ...

    def again(self, target: Subject, frame: Frame) -> None:
        """What still holds of this target may come once more. An event is over when it is told: nothing of it holds."""
        ...


def sources(playbooks: Sequence[Playbook], zone: tzinfo | None) -> list[Source]:
    """A source a trigger."""
    found: list[Source] = []
    for playbook in playbooks:
        for trigger in playbook.triggers:
            match trigger:
                case QueryTrigger():
                    found.append(QuerySource(playbook, trigger))
                case EventTrigger():
                    found += [EventSource(playbook, trigger)] if trigger.events else []
                    found += [FindingSource(playbook, trigger)] if trigger.findings else []
                case ScheduleTrigger():
                    found.append(ScheduleSource(playbook, trigger, zone))
                case RunsTrigger():
                    found.append(RunsSource(playbook, trigger))
    return found


def shown(subject: Subject) -> str:
    """ "n2/GPU-1"; of a job its id."""
    return str(Target(subject.scope, subject.node, subject.key))


# -- events


class EventSource:
    def __init__(self, playbook: Playbook, trigger: EventTrigger) -> None:
        self.playbook, self._kinds, self._codes = playbook, frozenset(trigger.events), frozenset(trigger.codes)
        self._log: EventLog | None = None
        self._version, self._number = 0, -1
        self._unowned: dict[int, set[int]] = {}  # by node: numbers of what came before its board was known

    def cues(self, frame: Frame, past: Past, running: float) -> Iterator[Cue]:
        if frame.events is not self._log:
            self._log, self._version, self._number, self._unowned = frame.events, 0, -1, {}
        if frame.events.version == self._version:
            return
        version, newest = frame.events.version, self._number
        for node in frame.events.nodes_since(self._version):
            unowned = self._unowned.pop(node, set())
            for entry in frame.events.of_node(node):
                newest = max(newest, entry.number)
                new = entry.number > self._number or entry.number in unowned
                if new and self._wanted(entry) and frame.at - entry.at < KEPT_SECONDS:
                    yield from self._cue(frame, entry)
        self._version, self._number = version, newest

    def again(self, target: Subject, frame: Frame) -> None: ...

    def _wanted(self, entry: Entry) -> bool:
        event = entry.event
        return event.kind in self._kinds and (not self._codes or str(event.code) in self._codes)

    def _cue(self, frame: Frame, entry: Entry) -> Iterator[Cue]:
        subject = subject_of(frame, entry.node, entry.device)
        target = target_of(subject, self.playbook.scope, frame)
        event = entry.event
        name = f"{event.kind} {event.code}" if event.code >= 0 else event.kind
        if target is None:
            if subject.scope is Scope.NODE and entry.device:
                self._unowned.setdefault(entry.node, set()).add(entry.number)
            return
        follows = self._follows(frame, entry, subject) if event.kind == "xid" and event.code in FOLLOWERS else ""
        reason = f"{name} on {shown(subject)}: {event.text}"
        told = told_by(frame, subject, f"{event.kind.upper()} {event.code}")
        yield Cue(self.playbook, name, name, target, reason, entry.last, entry.at, follows=follows, finding=told)

    @staticmethod
    def _follows(frame: Frame, entry: Entry, subject: Subject) -> str:
        row = frame.row(subject)
        known = row is not None and subject.scope is Scope.ACCELERATOR
        return (frame.accelerators.text(row, "job") if known and row is not None else "") or " "


def told_by(frame: Frame, subject: Subject, event: str) -> str:
    """The finding on a subject that rests on such an event ("XID 79"); "" where none does."""
    for finding in frame.findings:
        if finding.subject == subject and any(name == event for name, _ in finding.evidence):
            return finding_key(finding, subject).id
    return ""


def root_beside(frame: Frame, cue: Cue, seconds: float) -> str:
    """The XID of the same node that one which follows from others came with; "" where there is none."""
    node = frame.node_index.get(cue.target.node)
    entries = frame.events.of_node(node) if node is not None else ()
    for entry in entries:
        root = entry.event.kind == "xid" and entry.event.code not in FOLLOWERS
        if root and entry.at - seconds <= cue.began <= entry.last + seconds:
            return f"xid {entry.event.code}"
    return ""


# -- findings


class FindingSource:
    """A finding is new when it was not there in the frame before; how long it has been, the record knows."""

    def __init__(self, playbook: Playbook, trigger: EventTrigger) -> None:
        self.playbook, self._codes = playbook, frozenset(trigger.findings)
        self._known: set[RecordKey] = set()
        self._again: set[RecordKey] = set()  # what comes once more: since when it holds is no matter
        self._first = True

    def again(self, target: Subject, frame: Frame) -> None:
        for finding in frame.findings:
            subjects = (finding.subject, *finding.others)
            if finding.code in self._codes and any(
                target_of(subject, self.playbook.scope, frame) == target for subject in subjects
            ):
                self._known.discard((finding.subject, finding.code))
                self._again.add((finding.subject, finding.code))

    def cues(self, frame: Frame, past: Past, running: float) -> Iterator[Cue]:
        if self._first:
            self._first = False
            self._known = {key for key, one in frame.records.by_key.items() if self._of_old(key, one, frame.at)}
        now = {(finding.subject, finding.code): finding for finding in frame.findings if finding.code in self._codes}
        for key in [key for key in now if key not in self._known]:
            self._known.add(key)
            yield from self._cue(frame, now[key], frame.records.by_key.get(key))
        self._forget(frame, now)

    def _of_old(self, key: RecordKey, one: Record, now: float) -> bool:
        """It held before, and had come again: nobody knows since when."""
        return key[1] in self._codes and one.holds and one.first < now and one.times > 1

    def _cue(self, frame: Frame, finding: Finding, record: Record | None) -> Iterator[Cue]:
        began = record.first if record is not None and record.times == 1 else frame.at
        if (finding.subject, finding.code) in self._again:
            self._again.discard((finding.subject, finding.code))
            began = 0.0
        name = f"finding {finding.code}"
        for subject in (finding.subject, *finding.others):
            target = target_of(subject, self.playbook.scope, frame)
            if target is not None:
                led = finding_key(finding, subject).id
                yield Cue(self.playbook, name, name, target, finding.text, frame.at, began, finding=led)

    def _forget(self, frame: Frame, now: Mapping[RecordKey, object]) -> None:
        """What is over may come anew. What a silent node had is not over."""
        for key in [key for key in self._known if key not in now]:
            record, node = frame.records.by_key.get(key), frame.node_index.get(key[0].node)
            silent = node is not None and not frame.live[node]
            if not silent and (record is None or not record.holds):
                self._known.discard(key)


# -- queries


class QuerySource:
    """Since when a query holds, and of what it was answered already and is not over."""

    def __init__(self, playbook: Playbook, trigger: QueryTrigger) -> None:
        self.playbook, self._trigger = playbook, trigger
        self._query = parse(trigger.query, playbook.scope)
        self._clear = parse(trigger.clear, playbook.scope) if trigger.clear else None
        self._watch = Watch(self._query)
        self._since: dict[Subject, float] = {}  # in seconds of running
        self._answered: dict[Subject, float] = {}
        self._at, self._first = 0.0, True

    def cues(self, frame: Frame, past: Past, running: float) -> Iterator[Cue]:
        if self._first:
            self._remember(past, frame, running)
        gap = frame.at - self._at
        if 0 <= gap < 1.0:
            return
        if gap < 0:
            self._watch = Watch(self._query)
        if gap < 0 or gap > LONGEST_GAP_SECONDS:
            self._since.clear()
        self._at = frame.at
        true = self._subjects(frame, self._query, self._watch.update(frame))
        self._since = {subject: self._since.get(subject, running) for subject in true}
        self._let_go(frame)
        for subject in true:
            if running - self._since[subject] >= self._trigger.for_seconds and self._open(subject, past, running):
                yield self._cue(subject, frame)

    def again(self, target: Subject, frame: Frame) -> None:
        self._answered.pop(target, None)

    def answered(self, target: Subject, running: float) -> None:
        self._answered[target] = running

    def _remember(self, past: Past, frame: Frame, running: float) -> None:
        """What was proposed before a restart is answered, until it is seen to be over."""
        self._first = False
        for (name, target), at in past.proposed.items():
            if name == self.playbook.name:
                self._answered[target] = running - max(0.0, frame.at - at)

    def _open(self, subject: Subject, past: Past, running: float) -> bool:
        if self._trigger.after and past.newest.get(subject) not in self._trigger.after:
            return False
        answered, every = self._answered.get(subject), self._trigger.every_seconds
        return answered is None or (every > 0 and running - answered >= every)

    def _let_go(self, frame: Frame) -> None:
        """What is known to be over; where nothing is known, it may well hold still."""
        if not self._answered:
            return
        over = self._clear.mask(frame) if self._clear else self._query.condition.false(Rows(frame, self._query.scope))
        for subject in list(self._answered):
            row = frame.row(subject)
            gone = row is None and subject.scope is Scope.JOB
            if gone or (row is not None and row < len(over) and over[row]):
                del self._answered[subject]

    def _cue(self, subject: Subject, frame: Frame) -> Cue:
        trigger = self._trigger
        text = f"{trigger.query} for {trigger.for_seconds:g} s" if trigger.for_seconds else trigger.query
        cause = f"{self.playbook.name}: {trigger.query}"
        return Cue(
            self.playbook, text, cause, subject, f"{shown(subject)}: {text}", frame.at, lasting=True, source=self
        )  # fmt: skip

    @staticmethod
    def _subjects(frame: Frame, query: Query, mask: Iterable[bool]) -> list[Subject]:
        return [frame.subject(query.scope, row) for row in np.flatnonzero(np.asarray(mask)).tolist()]


# -- schedules


class ScheduleSource:
    def __init__(self, playbook: Playbook, trigger: ScheduleTrigger, zone: tzinfo | None) -> None:
        self.playbook, self._trigger, self._zone = playbook, trigger, zone
        self._cron = schedule.cron(trigger.cron)
        self._query = parse(trigger.query, playbook.scope) if trigger.query else None
        self._done_to: float | None = None  # up to when it was looked at

    def again(self, target: Subject, frame: Frame) -> None: ...

    def cues(self, frame: Frame, past: Past, running: float) -> Iterator[Cue | Missed]:
        since = self._done_to
        if since is None:
            since = past.up or frame.at
        if frame.at < since - schedule.DAY:  # the clock was far ahead: what it did then counts for nothing
            since = frame.at
        self._done_to = max(since, frame.at)
        since = max(since, frame.at - 28 * schedule.DAY)
        found = list(schedule.due(self._cron, since, frame.at, self._zone)) if frame.at - since > 0 else []
        late = [at for at in found if frame.at - at > LATE_SECONDS]
        if late:
            yield Missed(self.playbook, self._trigger.cron, len(late), late[-1])
        if len(found) > len(late):
            yield from self._due(frame, found[-1])

    def _due(self, frame: Frame, at: float) -> Iterator[Cue]:
        scope, cron = self.playbook.scope, self._trigger.cron
        rows = np.flatnonzero(self._query.mask(frame)) if self._query else np.arange(frame.view(scope).count)
        for row in rows.tolist():
            yield Cue(
                self.playbook, cron, f"{self.playbook.name}: {cron}", frame.subject(scope, row), f"due: {cron}",
                frame.at, at, due=True,
            )  # fmt: skip


# -- runs


class RunsSource:
    """Nodes on which something had to be changed again and again."""

    def __init__(self, playbook: Playbook, trigger: RunsTrigger) -> None:
        self.playbook, self._trigger = playbook, trigger
        self._told: set[str] = set()

    def again(self, target: Subject, frame: Frame) -> None:
        self._told.discard(target.node)

    def cues(self, frame: Frame, past: Past, running: float) -> Iterator[Cue]:
        times: dict[str, list[float]] = {}
        for run in past.changed:
            counted = run.playbook in self._trigger.playbooks if self._trigger.playbooks else True
            if counted and run.playbook != self.playbook.name and frame.at - run.at <= self._trigger.within_seconds:
                times.setdefault(run.node, []).append(run.at)
        often = {node: found for node, found in times.items() if len(found) >= self._trigger.times}
        self._told &= set(often)
        for node, found in often.items():
            if node not in self._told and node in frame.node_index:
                self._told.add(node)
                yield self._cue(node, found, frame)

    def _cue(self, node: str, found: Sequence[float], frame: Frame) -> Cue:
        days = self._trigger.within_seconds / schedule.DAY
        text = f"{len(found)} runs within {days:g} d"
        reason = f"{node} was acted upon {len(found)} times within {days:g} days"
        return Cue(
            self.playbook, text, "runs", Subject(Scope.NODE, node), reason, frame.at, max(found)
        )  # fmt: skip
