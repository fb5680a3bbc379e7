"""Let a held job take its turn. R2: it undoes what somebody, perhaps its owner, wanted held."""

from __future__ import annotations

from agents.action import CannotPrepare, Scene
from agents.actions import _slurm
from agents.actions._base import filled, took, without_effect
from agents.actions._slurmjob import SlurmJob
from watchfloor.change import Risk, Seen, Step
from watchfloor.jobs.model import JobState
from watchfloor.ports import Floor, Hands


class Action(SlurmJob):
    summary = "let a held job take its turn"
    risk = Risk.SLOWS
    runs = "Slurm: `scontrol release JOB`"
    seen_by = "the job's reason, no longer JobHeld…"
    undone_by = "`scontrol hold JOB`"

    def prepare(self, scene: Scene, step: Step) -> Step:
        self.values(step)
        home, job = _slurm.of_job(scene, step)
        if job.state is not JobState.HELD:
            raise CannotPrepare(f"job {job.number} is {job.state}, and not held", "there is nothing to release")
        before = _slurm.job_before(job)
        name = str(before["job"])
        return filled(
            step,
            risk=self.risk,
            summary=f"release job {job.number} ({job.name or 'no name'}, {job.user or 'user unknown'})",
            deeds=(_slurm.command(home, "scontrol", "release", name),),
            before=before,
            after={"state": str(JobState.PENDING)},
            undo=(_slurm.command(home, "scontrol", "hold", name),),
        )

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        record = await _slurm.shown_job(step, hands)
        if isinstance(record, Seen):
            return record
        name, words = step.before["job"], "+".join(sorted(_slurm.job_words(record)))
        if _slurm.is_held(record):
            return without_effect(f"job {name} is still held")
        floor.ask_anew()
        return took(f"job {name} is {words}")
