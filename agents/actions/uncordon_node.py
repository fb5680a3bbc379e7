"""Let pods onto a node of Kubernetes again. R2: work will start on it, and suffer where it isn't well after all."""

from __future__ import annotations

from typing import ClassVar

from agents.action import Kind, Parameter, Scene
from agents.actions import _kubenode, _kubernetes
from watchfloor.change import Risk, Seen, Step
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands


class Action(_kubernetes.KubeAction):
    summary = "let pods onto a node again"
    risk = Risk.SLOWS
    scope = Scope.NODE
    heals = True
    parameters: ClassVar = {"anyones": Parameter("whoever cordoned it", Kind.FLAG, False)}
    runs = "Kubernetes: PATCH of the node, without `spec.unschedulable` and the annotations"
    seen_by = "the node without `spec.unschedulable`"
    undone_by = "a cordon with the mark and the reason that it had"

    def prepare(self, scene: Scene, step: Step) -> Step:
        anyones = bool(self.values(step)["anyones"])
        return _kubenode.uncordon(scene, step, _kubernetes.of_node(scene, step), anyones)

    async def guard(self, step: Step, hands: Hands) -> str:
        return await _kubenode.uncordon_refused(step, hands)

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        return await _kubenode.see_uncordon(step, hands, floor)
