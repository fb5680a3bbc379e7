"""Have a Triton server serve a model no longer. R2: requests for it fail from then on."""

from __future__ import annotations

from agents.action import Scene
from agents.actions import _triton
from agents.actions._base import took, unknown, without_effect
from watchfloor.change import Risk, Seen, Step
from watchfloor.ports import Floor, Hands


class Action(_triton.Repository):
    summary = "have a Triton server serve a model no longer"
    risk = Risk.SLOWS
    word = "unload"
    runs = "on the node: POST /v2/repository/models/MODEL/unload"
    undone_by = "load_model"

    def prepare(self, scene: Scene, step: Step) -> Step:
        return self.prepared(scene, step, self.risk, "load")

    async def guard(self, step: Step, hands: Hands) -> str:
        now = await self.state(step, hands)
        if isinstance(now, Seen):
            return now.text
        return "" if now == _triton.READY else f"{step.before['model']} is {now or 'unknown'}, and not served"

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        now, model = await self.state(step, hands), step.before["model"]
        if isinstance(now, Seen):
            return now
        if now == _triton.READY:
            return without_effect(f"{model} is still served")
        return unknown(f"{model} is being unloaded") if now == "UNLOADING" else took(f"{model} is no longer served")
