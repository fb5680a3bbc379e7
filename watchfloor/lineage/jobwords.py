"""One job as lineage: itself, its attempts, where they ran and what they used. Pure.

What a source doesn't tell is filled from when it was seen: a job that is over without an end has ended when that was
seen first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from watchfloor.jobs.model import Attempt, Job, JobState, numbered
from watchfloor.lineage.graph import Edge, Entity, Key, Kind, Relation, facts, mention, tidied
from watchfloor.lineage.metadata import Words, from_comment, named
from watchfloor.model import Scope, Subject
from watchfloor.redact import redact, redact_value

# as Slurm writes it: "afterok:4241:4240+5,afterany:7_3" (+5: minutes later; 7_3: a task of an array, 7_*: all of them)
_WAITS_FOR = re.compile(r"after\w*:([\d:+_*]+)")

END_UNKNOWN = "end not known"  # why the accounting can't tell it, of what nobody saw end
TOLD_BY = "told by"  # of an attempt: who told how it ended, where nobody saw that

# facts that are over once nobody tells them any more: why it waits, until when, and why nobody knows more
_PASSING: Mapping[str, str] = {"reason": "", "expected start": "", END_UNKNOWN: ""}


_NOBODY: Mapping[tuple[str, str], str] = {}
_KINDS = {
    Scope.ACCELERATOR: Kind.ACCELERATOR,
    Scope.LINK: Kind.LINK,
    Scope.SERVICE: Kind.SERVICE,
}


@dataclass(frozen=True, slots=True)
class Names:
    """How people and the fleet call things: a scheduler's name of a node -> the fleet's, and a subject's short name, ""
    where nobody knows it just now."""

    nodes: Mapping[str, str] = field(default_factory=dict)
    of: Callable[[Subject], str] = str

    def node(self, told: str) -> str:
        return self.nodes.get(told, told)


@dataclass(slots=True)
class Seen:
    """A job as it was told last, and what is known of it beyond."""

    job: Job
    first: float
    told: float
    attempts: dict[int, Attempt] = field(default_factory=dict)  # with their ends, once they have one
    held: dict[int, Sequence[Subject]] = field(default_factory=dict)  # by which attempt
    words: dict[int, Words] = field(default_factory=dict)  # of which attempt's processes


def subject_key(subject: Subject) -> Key:
    if subject.scope is Scope.JOB:
        return Key.of(Kind.JOB, subject.key)
    kind = _KINDS.get(subject.scope, Kind.NODE)
    return Key.of(kind, str(subject) if kind is not Kind.NODE else subject.node)


def subject_of(key: Key) -> Subject | None:
    """What `subject_key` makes this key of; None of what is no subject."""
    if key.kind is Kind.JOB:
        return Subject(Scope.JOB, "", key.id)
    if key.kind is Kind.NODE:
        return Subject(Scope.NODE, key.id)
    scope = next((scope for scope, kind in _KINDS.items() if kind is key.kind), None)
    node, _, part = key.id.partition("/")
    return Subject(scope, node, part) if scope is not None else None


def attempt_key(job: Job, number: int) -> Key:
    return Key.of(Kind.ATTEMPT, f"{job.id}#{number}")


def attempts_of(job: Job, before: Mapping[int, Attempt], at: float) -> dict[int, Attempt]:
    """Its attempts by number, with those known from before that its source tells no longer. What waits is none yet."""
    told = {attempt.number: attempt for attempt in job.attempts}
    told.setdefault(job.attempt, _present(job))
    begun = {number: attempt for number, attempt in told.items() if attempt.started is not None or attempt.nodes}
    for number, attempt in before.items():
        later = next((other for other in sorted(told) if other > number), None)
        if number not in told and later is not None:
            ended = told[later].started or at
            replaced = JobState.UNKNOWN if not attempt.state.is_over else attempt.state
            begun[number] = replace(attempt, state=replaced, ended=attempt.ended or ended)
    return {number: _with_end(begun[number], before.get(number), at) for number in sorted(begun)}


def _present(job: Job) -> Attempt:
    return Attempt(
        job.attempt, job.state, job.told_state, job.started, job.ended, job.nodes, job.exit_code, job.signal, job.reason
    )


def _with_end(attempt: Attempt, before: Attempt | None, at: float) -> Attempt:
    if attempt.ended is not None or not attempt.state.is_over:
        return attempt
    known = before.ended if before is not None else None
    return replace(attempt, ended=at if known is None else known)


# -- what a store is told


def of_job(seen: Seen, names: Names, called: Mapping[tuple[str, str], str] = _NOBODY) -> Iterator[Entity | Edge]:
    """Everything that is known of a job. `called`: source and number -> id, of the tasks of arrays."""
    job, key = seen.job, Key.of(Kind.JOB, seen.job.id)
    start = _first_of(job.submitted, *(attempt.started for attempt in seen.attempts.values()), seen.first)
    yield Entity(key, start, _job_end(seen), job.number, _job_facts(job))
    if job.user:
        user = Key.of(Kind.USER, job.user)
        yield mention(user, start)
        yield Edge(user, key, Relation.SUBMITTED, start, _job_end(seen))
    for awaited, number in _awaited(job, called):
        yield mention(awaited, start, number)
        yield Edge(awaited, key, Relation.WAITED_FOR, start, job.started)
    for attempt in seen.attempts.values():
        yield from _of_attempt(seen, key, attempt, names)
    yield from _requeues(seen)


def _first_of(*times: float | None) -> float:
    return min(time for time in times if time is not None)


def _job_end(seen: Seen) -> float | None:
    if not seen.job.state.is_over:
        return None
    if seen.job.ended is not None:
        return seen.job.ended
    ends = [attempt.ended for attempt in seen.attempts.values() if attempt.ended is not None]
    return max(ends, default=seen.told)


def _job_facts(job: Job) -> dict[str, str]:
    told = facts(
        name=job.name,
        user=job.user,
        account=job.account,
        queue=job.queue,
        source=job.source,
        scheduler=job.kind,
        state=job.state.value,
        told_state=job.told_state,
        reason=job.reason,
        array=job.array,
        owner=job.owner,
        comment=job.comment,
        command=job.command,
        working_directory=job.working_directory,
    )
    return tidied({**_PASSING, **{name: redact_value(name, value) for name, value in job.labels.items()}, **told})


def _awaited(job: Job, called: Mapping[tuple[str, str], str]) -> Iterator[tuple[Key, str]]:
    """The jobs that it depends on, where its scheduler names them by number (Slurm), and what people call them.

    The id of a task is its own; of one that nobody tells of, and of all together, the array's stands for it.
    """
    kind, _, rest = job.id.partition(":")
    cluster = rest.rpartition("/")[0]
    for group in _WAITS_FOR.findall(job.dependency):
        for number in (word.partition("+")[0] for word in group.split(":")):
            known, array = called.get((job.source, number)), number.partition("_")[0]
            if known is not None:
                yield Key.of(Kind.JOB, known), number
            elif array:
                yield Key.of(Kind.JOB, numbered(kind, array, cluster)), array


def _of_attempt(seen: Seen, job: Key, attempt: Attempt, names: Names) -> Iterator[Entity | Edge]:
    key = attempt_key(seen.job, attempt.number)
    start = seen.first if attempt.started is None else attempt.started
    yield Entity(key, start, attempt.ended, f"{seen.job.number} attempt {attempt.number}", _attempt_facts(attempt))
    yield Edge(job, key, Relation.TRIED_AS, start, attempt.ended)
    for told in attempt.nodes:
        node = Key.of(Kind.NODE, names.node(told))
        yield mention(node, start)
        yield Edge(key, node, Relation.RAN_ON, start, attempt.ended)
    for subject in seen.held.get(attempt.number, ()):
        yield from of_subject(subject, names, start)
        yield Edge(key, subject_key(subject), Relation.RAN_ON, start, attempt.ended)
    yield from _of_words(seen, attempt, key, start)


def _attempt_facts(attempt: Attempt) -> dict[str, str]:
    told = facts(
        number=attempt.number,
        state=attempt.state.value,
        told_state=attempt.told_state,
        reason=attempt.reason,
        exit_code=attempt.exit_code,
        signal=attempt.signal,
        accelerators=attempt.accelerators,
    )
    return {"reason": "", END_UNKNOWN: "", **told}


def of_subject(subject: Subject, names: Names, start: float) -> Iterator[Entity | Edge]:
    """A node, a part of one with its node, or a job."""
    node, key = Key.of(Kind.NODE, subject.node), subject_key(subject)
    if key.kind is Kind.JOB:
        yield mention(key, start)
        return
    yield mention(node, start)
    if key.kind is not Kind.NODE:
        yield mention(key, start, names.of(subject))
        yield Edge(node, key, Relation.HAS, start)


def _of_words(seen: Seen, attempt: Attempt, key: Key, start: float) -> Iterator[Entity | Edge]:
    """What it was made of and where it is logged; what merely describes it are its facts."""
    job, mere, words = seen.job, {}, seen.words.get(attempt.number, {})
    for name, value in (*from_comment(job.comment), ("image", job.image), *words.items()):
        used = named(name, redact(value), words)
        if used is None:
            if value:
                mere[name] = redact_value(name, value)
            continue
        logged = used.kind is Kind.TRACKED_RUN
        yield mention(used, start)
        if logged:
            yield Edge(key, used, Relation.LOGGED_AS, start, attempt.ended)
        else:
            yield Edge(used, key, Relation.USED, start, attempt.ended)
    if mere:
        yield Entity(key, start, attempt.ended, facts=tidied({**_attempt_facts(attempt), **mere}))


def _requeues(seen: Seen) -> Iterator[Edge]:
    numbers = list(seen.attempts)
    for before, after in pairwise(numbers):
        first, second = seen.attempts[before], seen.attempts[after]
        at = next((time for time in (second.started, first.ended) if time is not None), seen.told)
        why = facts(state=first.state.value, reason=first.reason)
        yield Edge(attempt_key(seen.job, before), attempt_key(seen.job, after), Relation.REQUEUED_AS, at, at, why)
