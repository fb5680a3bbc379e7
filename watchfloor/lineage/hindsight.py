"""What a scheduler's accounting tells of jobs that ended while nobody watched, made into lineage. Pure.

Which attempt of the accounting is which of lineage, their beginnings tell: its rows have no numbers, and job ids begin
anew where a cluster was set up anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from watchfloor.jobs.model import Attempt, Job, Recalled
from watchfloor.lineage.graph import Changes, Edge, Entity, Key, Kind
from watchfloor.lineage.jobwords import END_UNKNOWN, TOLD_BY, Names, Seen, attempt_key, of_job

_SAME_SECONDS = 2.0  # between two words on when an attempt began
OTHERS = "what it has of this number began at another time"


@dataclass(frozen=True, slots=True)
class Hindsight:
    """What a store is to be told; `ends`: when attempts are over, for what went on with them."""

    changes: Changes
    ends: Mapping[Key, float]


def hindsight(told: Recalled, job: Entity, attempts: Sequence[Entity], names: Names, at: float) -> Hindsight:
    """Of a job, and all of its attempts that lineage has."""
    over = _numbered(told.attempts, job, attempts)
    if not over:
        why = f"{told.told_by}: {told.text or OTHERS}"
        open_ones = (one for one in (job, *attempts) if one.end is None)
        return Hindsight(Changes(tuple(replace(one, facts={END_UNKNOWN: why}) for one in open_ones)), {})
    known = {_number(one) for one in attempts if not _is_open(one)}
    new = {number: attempt for number, attempt in over.items() if number not in known}
    seen = _seen(told.job, job, over[max(over)], {n: one for n, one in new.items() if one.nodes}, at)
    facts = {TOLD_BY: told.told_by}
    said = list(of_job(seen, names))
    entities = (
        replace(one, facts={**one.facts, **facts}) if one.key.kind is Kind.ATTEMPT else one
        for one in said
        if isinstance(one, Entity)
    )
    edges = tuple(one for one in said if isinstance(one, Edge))
    ends = {attempt_key(seen.job, number): one.ended for number, one in seen.attempts.items() if one.ended is not None}
    return Hindsight(Changes(tuple(entities), edges), ends)


def _numbered(rows: Sequence[Attempt], job: Entity, attempts: Sequence[Entity]) -> dict[int, Attempt]:
    """The accounting's attempts of this very job by lineage's numbers, from the first that both know."""
    for one in sorted(attempts, key=_number):
        for place, row in enumerate(rows):
            if row.started is not None and abs(row.started - one.start) <= _SAME_SECONDS:
                return _counted(rows[place:], _number(one))
    if attempts:
        return {}
    return _counted([row for row in rows if (row.started or row.ended or 0.0) >= job.start - _SAME_SECONDS], 1)


def _counted(rows: Sequence[Attempt], first: int) -> dict[int, Attempt]:
    return {number: replace(row, number=number) for number, row in enumerate(rows, first) if row.ended is not None}


def _number(attempt: Entity) -> int:
    number = attempt.key.id.rpartition("#")[2]
    return int(number) if number.isdecimal() else 0


def _is_open(attempt: Entity) -> bool:
    """Nobody saw it end, or how."""
    return attempt.end is None or attempt.facts.get("state") == "unknown"


def _seen(job_id: str, job: Entity, last: Attempt, attempts: dict[int, Attempt], at: float) -> Seen:
    """The job as if its source had told of it now, as far as lineage and the accounting know it."""
    known = Job(
        job_id,
        job.facts.get("source", ""),
        job.facts.get("scheduler", ""),
        job.label,
        user=job.facts.get("user", ""),
        state=last.state,
        told_state=last.told_state,
        reason=last.reason,
        ended=last.ended,
        attempt=last.number,
        attempts=tuple(attempts.values()),
    )
    return Seen(known, job.start, at, attempts)
