"""End a job for good. R2: it evicts work; nothing brings it back, so a policy does well to name it by itself."""

from __future__ import annotations

from agents.action import Scene
from agents.actions import _slurm
from agents.actions._base import filled, took, unknown, without_effect
from agents.actions._slurmjob import SlurmJob
from watchfloor.change import Risk, Seen, Step
from watchfloor.jobs.model import JobState
from watchfloor.ports import Floor, Hands

_OVER = frozenset(
    {"COMPLETED", "FAILED", "TIMEOUT", "DEADLINE", "NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "OUT_OF_MEMORY", "REVOKED"}
)


class Action(SlurmJob):
    summary = "end a job for good"
    risk = Risk.SLOWS
    harms = "cancelled"
    runs = "Slurm: `scancel JOB`"
    seen_by = "the job's state CANCELLED, in the attempt that was meant"

    def prepare(self, scene: Scene, step: Step) -> Step:
        self.values(step)
        home, job = _slurm.of_job(scene, step)
        before = _slurm.job_before(job)
        return filled(
            step,
            risk=self.risk,
            summary=f"cancel job {job.number} ({job.name or 'no name'}, {job.user or 'user unknown'})",
            deeds=(_slurm.command(home, "scancel", str(before["job"])),),
            before=before,
            after={"state": str(JobState.CANCELLED)},
            verify_seconds=180.0,
        )

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        record = await _slurm.shown_job(step, hands)
        if isinstance(record, Seen):
            return record
        name, words = step.before["job"], _slurm.job_words(record)
        state, now = "+".join(sorted(words)), _slurm.restarts(record)
        if "CANCELLED" in words:
            floor.ask_anew()
            return took(f"job {name} is {state}")
        if words & _OVER:
            return without_effect(f"job {name} ended by itself: {state}")
        if now != int(step.before["attempt"]) - 1:
            return without_effect(f"job {name} goes on in another attempt, restarted {now} times")
        return unknown(f"job {name} is ending") if "COMPLETING" in words else without_effect(f"job {name} is {state}")
