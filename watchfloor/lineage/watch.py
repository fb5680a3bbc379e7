"""What is seen of jobs and findings, time after time, made into lineage: only what changed, until a store has it.

Must not do: I/O. Deterministic: the same sights at the same times make the same lineage. Times are console time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeVar

from watchfloor.jobs.model import Attempt, Job, JobState
from watchfloor.lineage.graph import Changes, Edge, EdgeKey, Entity, Key, Kind, Relation, facts, joined
from watchfloor.lineage.jobwords import (
    Names,
    Seen,
    attempt_key,
    attempts_of,
    of_job,
    of_subject,
    subject_key,
    subject_of,
)
from watchfloor.lineage.metadata import Words
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.record import Record, RecordKey

NOTED_SECONDS = 3600.0  # so often what goes on is told again, that a store knows it is not forgotten
AFTER_SECONDS = 60.0  # what is found so soon after an attempt ended concerns it still: events and silence tell late
_REMEMBERED_SECONDS = 900.0  # how long an attempt that is over is kept for findings that come late
_SWEEP_SECONDS = 60.0  # between two looks for what need not be remembered
MOST_NEWS = 200  # jobs that one sight takes; the further ones wait for the next, so that none takes long
MOST_FINDINGS = 200  # that one sight tells anew, likewise
MOST_TOLD = 700  # entities and edges of jobs, and as many of findings, that one sight makes before it leaves the rest
MOST_DUE = 2_000  # entities and edges that are handed to a store at one time
MOST_WAITING = 300_000  # entities and edges that no store has taken; the oldest go first

T = TypeVar("T")

Held = Mapping[str, Sequence[Subject]]  # job id -> the accelerators that it holds, as far as known


@dataclass(slots=True)
class _Span:
    """An attempt on one node. `keys`: the accelerators that it held there; empty where nobody knows."""

    start: float
    end: float | None
    keys: frozenset[str]

    def concerns(self, subject: Subject, start: float, end: float | None) -> bool:
        late = self.end is not None and start > self.end + AFTER_SECONDS
        early = end is not None and end < self.start
        elsewhere = subject.scope is Scope.ACCELERATOR and bool(self.keys) and subject.key not in self.keys
        return not (late or early or elsewhere)


@dataclass(slots=True)
class _Noted:
    """A finding as it was told last, and when its present (or last) occurrence began."""

    record: Record
    began: float
    told: float
    during: dict[Key, set[Key]] = field(default_factory=dict)  # by finding of each subject: attempts told of it so far

    def says(self, record: Record) -> bool:
        before, now = self.record, record
        return (before.finding.state, before.holds, before.times) == (now.finding.state, now.holds, now.times)


@dataclass(slots=True)
class Watch:
    """One writer. `due` is what a store is to be told; `lost` counts what was dropped because none took it."""

    lost: int = 0
    _jobs: dict[str, Seen] = field(default_factory=dict)  # what was told longest ago comes first
    _rows: Sequence[Job] = ()  # of the last sight, and below what it said else: what is the same object is no news
    _present: dict[str, Job] = field(default_factory=dict)
    _called: Mapping[tuple[str, str], str] = field(default_factory=dict)  # by source and number: ids of arrays' tasks
    _held: Held = field(default_factory=dict)
    _words: Mapping[str, Words] = field(default_factory=dict)
    _gone: list[str] = field(default_factory=list)  # jobs that are told of no longer
    _waiting: dict[str, None] = field(default_factory=dict)  # jobs that may have changed and were not looked at yet
    _records: Sequence[Record] = ()
    _found: dict[RecordKey, tuple[Record, bool]] = field(
        default_factory=dict
    )  # not told yet; whether attempts moved there
    _swept_at: float = 0.0
    _spans: dict[str, dict[Key, _Span]] = field(default_factory=dict)  # node -> attempts that run or ran there lately
    _findings: dict[RecordKey, _Noted] = field(default_factory=dict)  # what was told longest ago comes first
    _entities: dict[Key, Entity] = field(default_factory=dict)
    _edges: dict[EdgeKey, Edge] = field(default_factory=dict)
    _told: int = 0  # entities and edges so far

    def update(
        self,
        at: float,
        jobs: Sequence[Job],
        held: Held | None = None,
        records: Iterable[Record] = (),
        words: Mapping[str, Words] | None = None,
        names: Names | None = None,
    ) -> None:
        """Take one sight: all jobs that are told of, what each holds, findings over time, words of jobs' processes.

        None of these is changed afterwards: what is the same object in the next sight has not changed.
        """
        names = names or Names()
        moved = self._take_jobs(at, jobs, held or {}, words or {}, names)
        self._note_findings(at, tuple(records), moved)
        for key in self._in_bounds(list(self._found), MOST_FINDINGS):
            self._take_finding(at, *self._found.pop(key), names)
        if abs(at - self._swept_at) >= _SWEEP_SECONDS:
            self._swept_at = at
            self._forget_spans(at)
            self._forget_findings(at)
        self._bound()

    @property
    def is_behind(self) -> bool:
        """Whether jobs or findings of the last sight wait for the next."""
        return bool(self._waiting or self._found)

    def _in_bounds(self, news: Iterable[T], most: int) -> Iterator[T]:
        """So many of them, and none behind the one with which as much was told as one sight may tell."""
        enough = self._told + MOST_TOLD
        for one in islice(news, most):
            yield one
            if self._told >= enough:
                return

    # -- what a store takes

    def due(self) -> Changes:
        """What has waited longest, as much as is handed over at one time; an edge never before its ends."""
        entities = tuple(islice(self._entities.values(), MOST_DUE))
        return Changes(entities, tuple(islice(self._edges.values(), MOST_DUE - len(entities))))

    def saved(self, changes: Changes) -> None:
        """A store has these now. What has changed meanwhile is still to be told."""
        for entity in changes.entities:
            if self._entities.get(entity.key) is entity:
                del self._entities[entity.key]
        for edge in changes.edges:
            if self._edges.get(edge.key) is edge:
                del self._edges[edge.key]

    # -- jobs

    def _take_jobs(
        self, at: float, jobs: Sequence[Job], held: Held, words: Mapping[str, Words], names: Names
    ) -> set[str]:
        """The nodes on which an attempt began, ended or changed what it holds."""
        moved: set[str] = set()
        self._note_news(at, jobs, held, words)
        for job, seen in self._in_bounds(self._news(at, held, words), MOST_NEWS):
            moved |= self._tell_job(at, self._sight(at, seen, job, held, words), names)
        for gone in self._gone:
            moved |= self._job_gone(at, self._jobs.pop(gone), names)
        self._gone = []
        return moved

    def _note_news(self, at: float, jobs: Sequence[Job], held: Held, words: Mapping[str, Words]) -> None:
        """Who may have changed, by identity alone: thousands that did not are passed over in one go."""
        if jobs is not self._rows:
            known = set(map(id, self._rows))
            self._waiting.update((job.id, None) for job in jobs if id(job) not in known)
            self._rows, self._present = jobs, {job.id: job for job in jobs}
            self._called = {(job.source, job.number): job.id for job in jobs if job.array}
            self._gone = [job_id for job_id in self._jobs if job_id not in self._present]
        for told, before in ((held, self._held), (words, self._words)):
            if told is not before:
                self._waiting.update((job_id, None) for job_id, said in told.items() if before.get(job_id) is not said)
        self._held, self._words = held, words
        for job_id, seen in self._jobs.items():
            if at - seen.told < NOTED_SECONDS:
                break
            self._waiting[job_id] = None

    def _news(self, at: float, held: Held, words: Mapping[str, Words]) -> Iterator[tuple[Job, Seen | None]]:
        for job_id in list(self._waiting):
            job, seen = self._present.get(job_id), self._jobs.get(job_id)
            if job is not None and (seen is None or self._is_news(at, seen, job, held, words)):
                yield job, seen
            del self._waiting[job_id]  # behind the yield: one that was not asked for any more waits on

    @staticmethod
    def _is_news(at: float, seen: Seen, job: Job, held: Held, words: Mapping[str, Words]) -> bool:
        if at - seen.told >= NOTED_SECONDS:
            return True
        if seen.job is not job and seen.job != job:
            return True
        holds, says = held.get(job.id), words.get(job.id)
        held_before, said_before = seen.held.get(job.attempt, ()), seen.words.get(job.attempt)
        moved = bool(holds) and holds is not held_before and tuple(holds) != tuple(held_before)
        return moved or (bool(says) and says is not said_before and says != said_before)

    def _sight(self, at: float, seen: Seen | None, job: Job, held: Held, words: Mapping[str, Words]) -> Seen:
        """What is known of it now. What an attempt held and said stays known when nobody tells it any more."""
        before = seen or Seen(job, at, at)
        holds, says = held.get(job.id), words.get(job.id)
        now = Seen(
            job,
            before.first,
            at,
            attempts_of(job, before.attempts, at),
            {**before.held, job.attempt: holds} if holds else before.held,
            {**before.words, job.attempt: says} if says else before.words,
        )
        self._jobs.pop(job.id, None)
        self._jobs[job.id] = now
        return now

    def _tell_job(self, at: float, seen: Seen, names: Names) -> set[str]:
        for told in of_job(seen, names, self._called):
            self._put(told)
        return {node for attempt in seen.attempts.values() for node in self._span(seen, attempt, at, names)}

    def _job_gone(self, at: float, seen: Seen, names: Names) -> set[str]:
        """Its source tells of it no longer: it is over, at the latest now; how it ended, nobody has said."""
        if seen.job.state.is_over:
            return set()
        for number, attempt in seen.attempts.items():
            if attempt.ended is None:
                reason = attempt.reason or "its source tells of it no longer"
                seen.attempts[number] = replace(attempt, state=JobState.UNKNOWN, ended=at, reason=reason)
        moved = self._tell_job(at, seen, names)
        key = Key.of(Kind.JOB, seen.job.id)
        job = self._entities[key]
        self._entities[key] = Entity(key, job.start, at, job.label, {**job.facts, "state": JobState.UNKNOWN.value})
        return moved

    # -- where attempts run

    def _span(self, seen: Seen, attempt: Attempt, at: float, names: Names) -> Iterator[str]:
        """The nodes on which this is news."""
        start = seen.first if attempt.started is None else attempt.started
        if attempt.ended is not None and at - attempt.ended > _REMEMBERED_SECONDS:
            return
        key = attempt_key(seen.job, attempt.number)
        for told in attempt.nodes:
            node = names.node(told)
            spans = self._spans.setdefault(node, {})
            holds = seen.held.get(attempt.number, ())
            span = _Span(start, attempt.ended, frozenset(subject.key for subject in holds if subject.node == node))
            if span != spans.get(key):
                spans[key] = span
                yield node

    def _forget_spans(self, at: float) -> None:
        for node, spans in list(self._spans.items()):
            old = [key for key, span in spans.items() if span.end is not None and at - span.end > _REMEMBERED_SECONDS]
            for key in old:
                del spans[key]
            if not spans:
                del self._spans[node]

    # -- findings

    def _note_findings(self, at: float, records: Sequence[Record], moved: set[str]) -> None:
        """Those that may concern somebody anew: what changed, what is on a node where attempts did, what is due."""
        known = set(map(id, self._records))
        for record in records:
            if id(record) not in known:
                self._found[record.key] = record, self._found.get(record.key, (record, False))[1]
        if moved:
            self._found.update((record.key, (record, True)) for record in records if _is_on(record.finding, moved))
        present, self._records = set(map(id, records)), records
        for key, noted in self._findings.items():
            if at - noted.told < NOTED_SECONDS:
                break
            if id(noted.record) in present:
                self._found.setdefault(key, (noted.record, False))

    def _take_finding(self, at: float, record: Record, moved: bool, names: Names) -> None:
        noted = self._findings.get(record.key)
        subjects = (record.finding.subject, *record.finding.others)
        fresh = noted is None or not noted.says(record) or at - noted.told >= NOTED_SECONDS
        if noted is not None and not fresh and not moved:
            noted.record = record
            return
        if noted is None and not record.holds and at - record.last > _REMEMBERED_SECONDS:
            return  # it was over before anybody watched
        now = _Noted(record, self._began(noted, record), at)
        if noted is not None and noted.began == now.began:
            now.during = noted.during
        self._findings.pop(record.key, None)
        self._findings[record.key] = now
        for subject in subjects:
            self._tell_finding(now, subject, names)

    @staticmethod
    def _began(noted: _Noted | None, record: Record) -> float:
        if noted is not None:
            return noted.began if noted.record.times == record.times else record.last
        return record.first if record.times == 1 else record.last

    def _tell_finding(self, noted: _Noted, subject: Subject, names: Names) -> None:
        record, finding = noted.record, noted.record.finding
        end = None if record.holds else record.last
        key = finding_key(finding, subject)
        name = names.of(subject)
        said = facts(code=finding.code, on=name, state=finding.state.label, text=finding.text)
        for told in of_subject(subject, names, record.first):
            self._put(told)
        label = f"{finding.code} on {name}" if name else ""
        self._put(Entity(key, record.first, end, label, {**said, "times": str(record.times)}))
        self._put(episode(finding, subject, noted.began, end, name))
        self._put(Edge(subject_key(subject), key, Relation.FOUND_ON, noted.began, end))
        # one that began behind its end, before anybody knew of that, is told the end, too
        during = noted.during.setdefault(key, set())
        during.update(self._concerned(subject, noted.began, end))
        for attempt in sorted(during):
            self._put(Edge(key, attempt, Relation.DURING, noted.began, end, said))

    def _concerned(self, subject: Subject, start: float, end: float | None) -> Iterator[Key]:
        """The attempts that held it then; of a job, those that ran then."""
        if subject.scope is not Scope.JOB:
            spans = self._spans.get(subject.node, {})
            yield from (attempt for attempt, span in spans.items() if span.concerns(subject, start, end))
            return
        seen = self._jobs.get(subject.key)
        if seen is None:
            return
        for attempt in seen.attempts.values():
            began = seen.first if attempt.started is None else attempt.started
            if _Span(began, attempt.ended, frozenset()).concerns(subject, start, end):
                yield attempt_key(seen.job, attempt.number)

    def _forget_findings(self, at: float) -> None:
        """What is over is kept for as long as a late attempt may still be told of."""
        old = [
            key
            for key, noted in self._findings.items()
            if not noted.record.holds and at - noted.record.last > _REMEMBERED_SECONDS
        ]
        for key in old:
            del self._findings[key]

    # -- what was done

    def take_acts(self, told: Iterable[Entity | Edge]) -> None:
        """As the ledger tells it; what acted on a node, or a part of one, did so on the attempts that held it then."""
        for one in told:
            self._put(one)
            if not isinstance(one, Edge) or one.relation is not Relation.ACTED_ON:
                continue
            subject = subject_of(one.effect)
            if subject is not None and subject.scope is not Scope.JOB:
                for attempt in self._concerned(subject, one.start, one.end):
                    self._put(replace(one, effect=attempt, facts={}))

    # --

    def _put(self, told: Entity | Edge) -> None:
        self._told += 1
        if isinstance(told, Edge):
            before = self._edges.get(told.key, told)
            self._edges[told.key] = told if before.start >= told.start else replace(told, start=before.start)
            return
        self._entities[told.key] = joined(self._entities.get(told.key), told)

    def _bound(self) -> None:
        for waiting in (self._entities, self._edges):
            while len(waiting) > MOST_WAITING // 2:
                del waiting[next(iter(waiting))]  # type: ignore[arg-type]
                self.lost += 1


def _is_on(finding: Finding, nodes: set[str]) -> bool:
    """Whether one of its subjects is on one of these nodes."""
    if finding.subject.node in nodes or not finding.others:
        return finding.subject.node in nodes
    return any(subject.node in nodes for subject in finding.others)


def finding_key(finding: Finding, subject: Subject) -> Key:
    """The same subject and code is the same finding; its edges hold from its first occurrence to its last."""
    return Key.of(Kind.FINDING, f"{finding.code}@{subject}")


def episode(finding: Finding, subject: Subject, began: float, end: float | None, name: str) -> Entity:
    """One occurrence of a finding, whose id is its label. That it was critical once stays, however it ends."""
    said = facts(
        code=finding.code, scope=subject.scope.value, node=subject.node, part=subject.key, on=name,
        state=finding.state.label, text=finding.text,
    )  # fmt: skip
    if finding.state is State.CRITICAL:
        said["was critical"] = "yes"
    if xid := next((fact for fact, _ in finding.evidence if fact.startswith("XID ")), ""):
        said["xid"] = xid
    of = finding_key(finding, subject).id
    return Entity(Key.of(Kind.EPISODE, f"{finding.code}@{subject}@{began:.0f}"), began, end, of, said)
