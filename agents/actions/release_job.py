"""Let a held job take its turn. R2: it undoes what somebody, perhaps its owner, wanted held."""

from __future__ import annotations

from agents.action import CannotPrepare
from agents.actions import _slurm
from agents.actions._base import took, without_effect
from agents.actions._slurmjob import Turn
from watchfloor.change import Risk, Seen
from watchfloor.jobs.model import Job, JobState


class Action(Turn):
    summary = "let a held job take its turn"
    risk = Risk.SLOWS
    runs = "Slurm: `scontrol release JOB`"
    seen_by = "the job's reason, no longer JobHeld…"
    undone_by = "`scontrol hold JOB`; `uhold` where its owner had held it"
    word, wanted = "release", JobState.PENDING

    def back(self, job: Job) -> str:
        """Whom its owner held, its owner may release."""
        return "uhold" if job.reason.startswith("JobHeldUser") else "hold"

    def check(self, job: Job) -> None:
        if job.state is not JobState.HELD:
            raise CannotPrepare(f"job {job.number} is {job.state}, and not held", "there is nothing to release")

    def judged(self, name: str, record: str) -> Seen:
        if _slurm.is_held(record):
            return without_effect(f"job {name} is still held")
        return took(f"job {name} is {'+'.join(sorted(_slurm.job_words(record)))}")
