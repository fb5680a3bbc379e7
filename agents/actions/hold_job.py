"""Keep a waiting job from starting. R2: it touches a job, whose work comes later than it would have.

A job that has begun is not held: Slurm would hold its next attempt, which is not what anybody means.
"""

from __future__ import annotations

from agents.action import CannotPrepare, Scene
from agents.actions import _slurm
from agents.actions._base import filled, took, without_effect
from agents.actions._slurmjob import SlurmJob
from watchfloor.change import Risk, Seen, Step
from watchfloor.jobs.model import JobState
from watchfloor.ports import Floor, Hands


class Action(SlurmJob):
    summary = "keep a waiting job from starting"
    risk = Risk.SLOWS
    harms = "held back"
    runs = "Slurm: `scontrol hold JOB`"
    seen_by = "the job's priority 0 and its reason JobHeld…"
    undone_by = "`scontrol release JOB`"

    def prepare(self, scene: Scene, step: Step) -> Step:
        self.values(step)
        home, job = _slurm.of_job(scene, step)
        if job.state is not JobState.PENDING:
            raise CannotPrepare(f"job {job.number} is {job.state}: only what waits is held", "requeue_job with hold")
        before = _slurm.job_before(job)
        name = str(before["job"])
        return filled(
            step,
            risk=self.risk,
            summary=f"hold job {job.number} ({job.name or 'no name'}, {job.user or 'user unknown'})",
            deeds=(_slurm.command(home, "scontrol", "hold", name),),
            before=before,
            after={"state": str(JobState.HELD)},
            undo=(_slurm.command(home, "scontrol", "release", name),),
        )

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        record = await _slurm.shown_job(step, hands)
        if isinstance(record, Seen):
            return record
        name, words = step.before["job"], "+".join(sorted(_slurm.job_words(record)))
        if _slurm.is_held(record):
            floor.ask_anew()
            return took(f"job {name} is held: {_slurm.fields(record).get('Reason', '')}")
        return without_effect(f"job {name} is {words} and not held")
