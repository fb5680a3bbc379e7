"""No job is harmed that the plan doesn't name: who approved has seen whom it hits."""

from __future__ import annotations

from collections.abc import Iterator

from agents.impact import jobs_at
from agents.interlocks import Case
from watchfloor.model import Scope


def holds_back(case: Case) -> str:
    return "; ".join(dict.fromkeys(_unnamed(case)))


def _unnamed(case: Case) -> Iterator[str]:
    named = {hit.job for hit in case.plan.impact.jobs}
    for step in case.steps:
        if not step.harms or step.target.scope is Scope.JOB:
            continue
        for row in sorted(jobs_at(case.frame, step)):
            job = case.frame.jobs.rows[row]
            if job.id not in named:
                yield f"job {job.number} of {job.user or 'somebody'} is on {step.target}, and the plan doesn't name it"
