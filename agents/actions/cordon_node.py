"""Let no new pods onto a node of Kubernetes; those that are there stay. R3: it takes a node out.

An annotation with the mark of the plan tells its own cordon from anybody else's.
"""

from __future__ import annotations

from typing import ClassVar

from agents.action import Parameter, Scene
from agents.actions import _kubenode, _kubernetes
from watchfloor.change import Risk, Seen, Step
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands


class Action(_kubernetes.KubeAction):
    summary = "let no new pods onto a node"
    risk = Risk.TAKES_OUT
    scope = Scope.NODE
    parameters: ClassVar = {"reason": Parameter("why, kept as an annotation of the node", longest=200)}
    runs = "Kubernetes: PATCH of the node, `spec.unschedulable: true` and annotations"
    seen_by = "the node's `spec.unschedulable`, with this plan's mark"
    undone_by = "as uncordon_node"

    def prepare(self, scene: Scene, step: Step) -> Step:
        reason = str(self.values(step)["reason"])
        return _kubenode.cordon(scene, step, _kubernetes.of_node(scene, step), reason)

    async def guard(self, step: Step, hands: Hands) -> str:
        return await _kubenode.cordoned_by_others(step, hands)

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        return await _kubenode.see_cordon(step, hands, floor)
