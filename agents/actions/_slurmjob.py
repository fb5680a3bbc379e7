"""What the actions on jobs of Slurm share: the target, and the two looks that keep a later attempt from harm."""

from __future__ import annotations

from typing import ClassVar

from agents.action import Scene
from agents.actions import _slurm
from agents.actions._base import Base
from watchfloor.change import Step
from watchfloor.model import Scope
from watchfloor.ports import Hands


class SlurmJob(Base):
    scope: ClassVar[Scope] = Scope.JOB

    def precheck(self, scene: Scene, step: Step) -> str:
        return _slurm.job_moved(scene, step)

    async def guard(self, step: Step, hands: Hands) -> str:
        return await _slurm.another_attempt(step, hands)
