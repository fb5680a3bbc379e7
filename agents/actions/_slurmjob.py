"""What the actions on jobs of Slurm share: the target, and the two looks that keep a later attempt from harm; and what
holding and releasing do alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from agents.action import Scene
from agents.actions import _slurm
from agents.actions._base import Base, filled
from watchfloor.change import Effect, Risk, Seen, Step
from watchfloor.jobs.model import Job, JobState
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands


class SlurmJob(Base):
    scope: ClassVar[Scope] = Scope.JOB

    def precheck(self, scene: Scene, step: Step) -> str:
        return _slurm.job_moved(scene, step)

    async def guard(self, step: Step, hands: Hands) -> str:
        return await _slurm.another_attempt(step, hands)


class Turn(SlurmJob, ABC):
    """Holds a job or releases it: each is undone by the other, and says itself what Slurm's record means."""

    risk: ClassVar[Risk]
    word: ClassVar[str]  # of scontrol: hold, release
    wanted: ClassVar[JobState]

    def prepare(self, scene: Scene, step: Step) -> Step:
        self.values(step)
        home, job = _slurm.of_job(scene, step)
        self.check(job)
        before = _slurm.job_before(job)
        name = str(before["job"])
        return filled(
            step,
            risk=self.risk,
            summary=f"{self.word} job {job.number} ({job.name or 'no name'}, {job.user or 'user unknown'})",
            deeds=(_slurm.command(home, "scontrol", self.word, name),),
            before=before,
            after={"state": str(self.wanted)},
            undo=(_slurm.command(home, "scontrol", self.back(job), name),),
        )

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        record = await _slurm.shown_job(step, hands)
        if isinstance(record, Seen):
            return record
        found = self.judged(str(step.before["job"]), record)
        if found.effect is Effect.TOOK:
            floor.ask_anew()
        return found

    @abstractmethod
    def back(self, job: Job) -> str:
        """The word that makes it as it was."""

    @abstractmethod
    def check(self, job: Job) -> None:
        """Raises CannotPrepare where the job is in no state for it."""

    @abstractmethod
    def judged(self, name: str, record: str) -> Seen:
        """What the record of the job so named says of the effect."""
