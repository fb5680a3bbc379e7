"""End the present attempt of a job and queue it again. R2: work since the last checkpoint is lost.

A requeue that took effect shows in the job's count of restarts, which nothing sets back.
"""

from __future__ import annotations

from typing import ClassVar

from agents.action import CannotPrepare, Kind, Parameter, Scene
from agents.actions import _slurm
from agents.actions._base import filled, took, unknown, without_effect
from agents.actions._slurmjob import SlurmJob
from watchfloor.change import Risk, Seen, Step
from watchfloor.jobs.model import JobState
from watchfloor.ports import Floor, Hands


class Action(SlurmJob):
    summary = "queue a job again"
    risk = Risk.SLOWS
    harms = "requeued"
    parameters: ClassVar = {"hold": Parameter("it then waits until it is released", Kind.FLAG, False)}
    runs = "Slurm: `scontrol requeue JOB`, or `requeuehold`"
    seen_by = "the job's count of restarts, one higher than when it was planned"

    def prepare(self, scene: Scene, step: Step) -> Step:
        hold = self.values(step)["hold"]
        home, job = _slurm.of_job(scene, step)
        if not job.state.holds_nodes:
            raise CannotPrepare(
                f"job {job.number} is {job.state}: it holds no nodes", "hold_job keeps it from starting"
            )
        before = _slurm.job_before(job)
        deed = _slurm.command(home, "scontrol", "requeuehold" if hold else "requeue", str(before["job"]))
        return filled(
            step,
            risk=self.risk,
            summary=f"queue job {job.number} ({job.name or 'no name'}, {job.user or 'user unknown'}) again",
            deeds=(deed,),
            before=before,
            after={"attempt": job.attempt + 1, "state": str(JobState.HELD if hold else JobState.PENDING)},
            verify_seconds=180.0,
        )

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        record = await _slurm.shown_job(step, hands)
        if isinstance(record, Seen):
            return record
        now, planned = _slurm.restarts(record), int(step.before["attempt"]) - 1
        words = _slurm.job_words(record)
        if now is None:
            return unknown("scontrol tells no restarts of it")
        if now > planned:
            floor.ask_anew()
            return took(f"job {step.before['job']} was restarted {now} times, {planned} before", restarts=now)
        if words & {"COMPLETING", "REQUEUED", "REQUEUE_HOLD"}:
            return unknown(f"job {step.before['job']} is being ended ({'+'.join(sorted(words))})")
        return without_effect(f"job {step.before['job']} is {'+'.join(sorted(words))}, restarted {now} times as before")
