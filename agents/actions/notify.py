"""Tell somebody. R0: nothing of the fleet changes; whom it reaches is the configuration's affair.

The body is {"text": …} and what it is about, as chat webhooks take it. A message that was sent can't be looked at: its
answer says all, and after a stop it may be sent twice.
"""

from __future__ import annotations

from typing import ClassVar

from agents.action import Parameter, Scene
from agents.actions import _webhook
from agents.actions._base import Base, filled, mark_of, unknown
from watchfloor.change import Risk, Seen, Step
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands


class Action(Base):
    summary = "tell somebody"
    risk = Risk.READ
    scope = Scope.NODE
    traceless = True
    parameters: ClassVar = {
        "text": Parameter("what is told", longest=_webhook.LONGEST),
        "endpoint": _webhook.endpoint("notify"),
    }
    runs = "a POST to the endpoint that the configuration names"
    seen_by = "the answer of the endpoint"

    def prepare(self, scene: Scene, step: Step) -> Step:
        values = self.values(step)
        text = str(values["text"])
        body = {"text": text, "target": str(step.target), "source": "watchfloor", "mark": mark_of(scene, step)}
        return filled(
            step,
            risk=self.risk,
            summary=f"tell {values['endpoint']}: {text[:120]}",
            deeds=(_webhook.to(str(values["endpoint"]), {**body}),),
            after={"told": True},
            attempts=3,
            verify_seconds=1.0,
        )

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        return unknown("what was told can't be looked at: the answer of the endpoint says whether it arrived")
