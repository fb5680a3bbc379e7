"""Open a ticket for people who repair. R1: it makes work for somebody, and can be closed again.

The body carries a mark of this plan, by which the other side can tell a second sending from a second fault. Nothing
else tells whether a ticket came of it.
"""

from __future__ import annotations

from typing import ClassVar

from agents.action import Parameter, Scene
from agents.actions import _webhook
from agents.actions._base import Base, filled, mark_of, unknown
from watchfloor.change import Risk, Seen, Step, Value
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands


class Action(Base):
    summary = "open a ticket"
    risk = Risk.REVERSIBLE
    scope = Scope.NODE
    traceless = True
    parameters: ClassVar = {
        "title": Parameter("in one line"),
        "text": Parameter("what was found", default="", longest=_webhook.LONGEST),
        "severity": Parameter("how bad it is", default="warning", choices=("info", "warning", "critical")),
        "endpoint": _webhook.endpoint("tickets"),
    }
    runs = "a POST to the endpoint that the configuration names"
    seen_by = "the answer of the endpoint"

    def prepare(self, scene: Scene, step: Step) -> Step:
        values = self.values(step)
        body: dict[str, Value] = {name: values[name] for name in ("title", "text", "severity")}
        body |= {"target": str(step.target), "node": step.target.node, "source": "watchfloor"}
        body |= _place(scene, step.target.node) | {"mark": mark_of(scene, step)}
        return filled(
            step,
            risk=self.risk,
            summary=f"open a ticket at {values['endpoint']}: {str(values['title'])[:120]}",
            deeds=(_webhook.to(str(values["endpoint"]), body),),
            after={"opened": True},
            attempts=3,
            verify_seconds=1.0,
        )

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        return unknown("whether a ticket is open is the other side's to say: its answer is all there is")


def _place(scene: Scene, node: str) -> dict[str, Value]:
    row = scene.frame.node_index.get(node)
    spec = scene.frame.specs[row] if row is not None else None
    return {"site": spec.site, "rack": spec.rack} if spec is not None else {}
