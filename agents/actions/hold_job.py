"""Keep a waiting job from starting. R2: it touches a job, whose work comes later than it would have.

A job that has begun is not held: Slurm would hold its next attempt, which is not what anybody means.
"""

from __future__ import annotations

from agents.action import CannotPrepare
from agents.actions import _slurm
from agents.actions._base import took, without_effect
from agents.actions._slurmjob import Turn
from watchfloor.change import Risk, Seen
from watchfloor.jobs.model import Job, JobState


class Action(Turn):
    summary = "keep a waiting job from starting"
    risk = Risk.SLOWS
    harms = "held back"
    runs = "Slurm: `scontrol hold JOB`"
    seen_by = "the job's priority 0 and its reason JobHeld…"
    undone_by = "`scontrol release JOB`; Slurm reckons its priority anew"
    word, wanted = "hold", JobState.HELD

    def back(self, job: Job) -> str:
        return "release"

    def check(self, job: Job) -> None:
        if job.state is not JobState.PENDING:
            raise CannotPrepare(f"job {job.number} is {job.state}: only what waits is held", "requeue_job with hold")

    def judged(self, name: str, record: str) -> Seen:
        if _slurm.is_held(record):
            return took(f"job {name} is held: {_slurm.fields(record).get('Reason', '')}")
        return without_effect(f"job {name} is {'+'.join(sorted(_slurm.job_words(record)))} and not held")
