"""Have a Triton server serve a model of its repository. R1: it can be unloaded again, and no job is touched."""

from __future__ import annotations

from agents.action import Scene
from agents.actions import _triton
from agents.actions._base import took, unknown, without_effect
from watchfloor.change import Risk, Seen, Step
from watchfloor.ports import Floor, Hands


class Action(_triton.Repository):
    summary = "have a Triton server serve a model"
    risk = Risk.REVERSIBLE
    word = "load"
    runs = "on the node: POST /v2/repository/models/MODEL/load"
    undone_by = "unload_model"

    def prepare(self, scene: Scene, step: Step) -> Step:
        return self.prepared(scene, step, self.risk, "unload")

    async def guard(self, step: Step, hands: Hands) -> str:
        now = await self.state(step, hands)
        if isinstance(now, Seen):
            return now.text
        return f"{step.before['model']} is served already" if now == _triton.READY else ""

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        now, model = await self.state(step, hands), step.before["model"]
        if isinstance(now, Seen):
            return now
        if now == _triton.READY:
            return took(f"{model} is ready")
        return (
            unknown(f"{model} is being loaded")
            if now == "LOADING"
            else without_effect(f"{model} is {now or 'unknown'}")
        )
