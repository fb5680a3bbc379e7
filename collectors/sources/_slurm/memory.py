"""What is known of jobs beyond the newest answer: earlier attempts, and how those ended that left the queue. Pure.

squeue tells of the present attempt alone, and of jobs that ended only for a while (MinJobAge). The rest is the
accounting's; where there is none, what was seen is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from collectors.sources._slurm.accounts import Account
from collectors.sources._slurm.commands import MOST_IDS
from collectors.sources._slurm.record import present_attempt
from collectors.sources._slurm.steps import in_order
from watchfloor.jobs.model import Attempt, Job, JobState, Step, numbered

KEPT_SECONDS = 900.0  # a job that left the queue
MOST_KEPT = 2000
MOST_TRIES = 6  # at the accounting, which hears of an end some seconds later
TRY_SECONDS = 2.0  # between the first two of them at least, then twice as long each time
GONE = "it has left the queue; how it ended isn't known"
AGAIN = "it was started again; how this attempt ended isn't known"


class Memory:
    """Keeps one answer. Jobs go by their `id`, in which `cluster` stands."""

    def __init__(self, cluster: str = "") -> None:
        self._cluster = cluster
        self._present: dict[str, Job] = {}
        self._gone: dict[str, tuple[Job, float]] = {}  # and when it was missed
        self._accounts: dict[str, Account] = {}
        self._known: dict[str, int] = {}  # up to which attempt the accounting has told of a job
        self._tries: dict[str, tuple[int, float]] = {}  # how many, and when the last one was
        self._steps: Mapping[str, tuple[Step, ...]] = {}  # of what runs, by what people call the job

    @property
    def jobs(self) -> tuple[Job, ...]:
        return (*self._present.values(), *(job for job, _ in self._gone.values()))

    @property
    def any_runs(self) -> bool:
        return any(job.state is JobState.RUNNING for job in self._present.values())

    def take_steps(self, steps: Mapping[str, tuple[Step, ...]]) -> None:
        """A new answer on the steps that run."""
        self._steps = steps
        for job_id, job in self._present.items():
            told = self._steps_of(job)
            if told != job.steps:
                self._present[job_id] = replace(job, steps=told)

    def _steps_of(self, job: Job) -> tuple[Step, ...]:
        """Those of an attempt before were started before this one."""
        if not job.state.holds_nodes:
            return ()
        told = self._steps.get(job.number, ())
        if "+" in job.number:  # those of a part of a heterogeneous job go by the part's own id, too
            told = in_order([*told, *self._steps.get(str(_number(job.id)), ())])
        began = job.started or 0.0
        return tuple(step for step in told if step.started is None or step.started >= began - 1)

    def take(self, jobs: Iterable[Job], now: float) -> None:
        """A new answer of the queue."""
        before, self._present = self._present, {}
        for job in jobs:
            known = before.get(job.id)
            made = self._with_attempts(job, known)
            self._present[job.id] = made if known is None or known != made else known  # one object while it is one
            self._gone.pop(job.id, None)
        for number, job in before.items():
            if number not in self._present and not job.state.is_over:
                self._gone[number] = (_lost(job), now)
        self._forget(now)

    def wanted(self, now: float) -> list[int]:
        """Ids of jobs to ask the accounting about, a questionful at most: those restarted, those gone."""
        restarted = [job.id for job in self._present.values() if job.attempt > self._known.get(job.id, 1)]
        gone = [number for number, (job, _) in self._gone.items() if job.state is JobState.UNKNOWN]
        asked = [number for number in (*gone, *restarted) if self._may_try(number, now)]
        return [_number(job_id) for job_id in asked[:MOST_IDS]]

    def _may_try(self, number: str, now: float) -> bool:
        count, at = self._tries.get(number, (0, now))
        return count == 0 or (count < MOST_TRIES and now - at >= TRY_SECONDS * 2.0 ** (count - 1))

    def learn(self, asked: Iterable[int], found: Mapping[int, Account], now: float) -> None:
        """An answer of the accounting."""
        for number in (numbered("slurm", one, self._cluster) for one in asked):
            self._tries[number] = (self._tries.get(number, (0, 0.0))[0] + 1, now)
            account = found.get(_number(number))
            if account is not None and account.attempts:
                self._learn(number, account)

    def _learn(self, number: str, account: Account) -> None:
        job = self._present.get(number)
        if job is not None:
            if sum(attempt.state.is_over for attempt in account.attempts) < job.attempt - 1:
                return  # it hasn't heard of the restart yet: what it has can't be numbered
            self._accounts[number] = account
            self._known[number] = job.attempt
            self._tries.pop(number, None)
            self._present[number] = self._with_attempts(job, job)
        elif number in self._gone and account.attempts[-1].state.is_over:
            gone, since = self._gone[number]
            self._gone[number] = (_as_accounted(gone, account), since)

    def _with_attempts(self, job: Job, before: Job | None) -> Job:
        account = self._accounts.get(job.id) if self._known.get(job.id) == job.attempt else None
        seen = before.attempts if before is not None else ()
        attempts = _attempts(job, seen, account)
        return replace(job, attempts=attempts, steps=self._steps_of(job))

    def _forget(self, now: float) -> None:
        self._gone = {number: entry for number, entry in self._gone.items() if now - entry[1] < KEPT_SECONDS}
        for number in list(self._gone)[: max(0, len(self._gone) - MOST_KEPT)]:
            del self._gone[number]
        known = self._present.keys() | self._gone.keys()
        for kept in (self._accounts, self._known, self._tries):
            for number in [number for number in kept if number not in known]:
                del kept[number]


def _number(job_id: str) -> int:
    """Of `slurm:4242` and `slurm:alpha/4242`."""
    return int(job_id.rpartition(":")[2].rpartition("/")[2])


def _lost(job: Job) -> Job:
    attempts = tuple(
        replace(attempt, state=JobState.UNKNOWN, reason=GONE) if attempt.number == job.attempt else attempt
        for attempt in job.attempts
    )
    return replace(job, state=JobState.UNKNOWN, reason=GONE, attempts=attempts)


def _attempts(job: Job, seen: tuple[Attempt, ...], account: Account | None) -> tuple[Attempt, ...]:
    """All that are known. The accounting's word counts for earlier ones; what was seen, where it has none."""
    present = present_attempt(job)
    earlier = {
        attempt.number: attempt if attempt.state.is_over else replace(attempt, state=JobState.UNKNOWN, reason=AGAIN)
        for attempt in seen
        if attempt.number < job.attempt
    }
    rows = list(account.attempts) if account is not None else []
    if rows and _is_present(rows[-1], job):
        rows.pop()
    for number, row in zip(range(job.attempt - 1, 0, -1), reversed(rows), strict=False):
        earlier[number] = replace(row, number=number)
    return (*(earlier[number] for number in sorted(earlier)), present)


def _is_present(row: Attempt, job: Job) -> bool:
    if not row.state.is_over:
        return True
    return job.started is not None and row.started is not None and abs(row.started - job.started) <= 1


def _as_accounted(job: Job, account: Account) -> Job:
    """A job that left the queue, as the accounting has it."""
    last = account.attempts[-1]
    before = max(0, job.attempt - len(account.attempts))  # attempts that the accounting no longer has
    attempts = tuple(replace(row, number=before + place) for place, row in enumerate(account.attempts, 1))
    return replace(
        job,
        state=last.state,
        told_state=last.told_state,
        reason=last.reason,
        started=last.started or job.started,
        ended=last.ended,
        exit_code=last.exit_code,
        signal=last.signal,
        attempt=attempts[-1].number,
        attempts=attempts,
        steps=account.steps,
    )
