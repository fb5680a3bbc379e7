"""Set how many replicas of a service run. R2 where there are fewer then: it evicts work; R1 where there are more."""

from __future__ import annotations

from typing import ClassVar

from agents.action import CannotPrepare, Kind, Parameter, Scene
from agents.actions import _kubernetes as kube
from agents.actions._base import filled, took, unknown, without_effect
from agents.parameters import whole
from watchfloor.change import Risk, Seen, Step
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands

_PLURALS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "ReplicaSet": "replicasets"}


class Action(kube.KubeAction):
    summary = "set how many replicas of a service run"
    risk = Risk.SLOWS
    scope = Scope.JOB
    parameters: ClassVar = {"replicas": Parameter("how many there are to be", Kind.NUMBER, least=0, most=10_000)}
    runs = "Kubernetes: PATCH of the scale of a Deployment, StatefulSet or ReplicaSet"
    seen_by = "`spec.replicas` of its scale"
    undone_by = "the number that it had"

    def prepare(self, scene: Scene, step: Step) -> Step:
        wanted = whole(self.values(step)["replicas"], "replicas")
        home, job = kube.of_job(scene, step)
        kind, _, name = job.owner.partition("/")
        if kind not in _PLURALS:
            raise CannotPrepare(
                f"{job.number} is made by {job.owner or 'nobody'}", f"of {', '.join(_PLURALS)} it is known"
            )
        there = len(job.allocations) or job.nodes_wanted or 0
        if there == wanted:
            raise CannotPrepare(f"{job.number} has {there} replicas already")
        namespace, name = kube.name(job.account, "the namespace"), kube.name(name, f"the {kind}")
        path = f"/apis/apps/v1/namespaces/{namespace}/{_PLURALS[kind]}/{name}/scale"
        return filled(
            step,
            risk=Risk.REVERSIBLE if wanted > there else Risk.SLOWS,
            summary=f"scale {job.number} from {there} to {wanted} replicas",
            deeds=(kube.patch(home, path, {"spec": {"replicas": wanted}}),),
            before={"source": home.name, "replicas": there},
            after={"replicas": wanted},
            undo=(kube.patch(home, path, {"spec": {"replicas": there}}),),
        )

    def precheck(self, scene: Scene, step: Step) -> str:
        if step.target.key not in scene.frame.jobs.index:
            return f"{step.target.key} is no longer told of"
        return super().precheck(scene, step)

    async def guard(self, step: Step, hands: Hands) -> str:
        now = await _replicas(step, hands)
        if isinstance(now, Seen):
            return now.text
        moved = now != step.before["replicas"]
        return f"it has {now} replicas by now, and {step.before['replicas']} when it was planned" if moved else ""

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        now = await _replicas(step, hands)
        if isinstance(now, Seen):
            return now
        if now == step.after["replicas"]:
            floor.ask_anew()
            return took(f"it is to have {now} replicas", replicas=now)
        if now == step.before["replicas"]:
            return without_effect(f"it has {now} replicas, as before", replicas=now)
        return unknown(f"somebody else made it {now} replicas", replicas=now)


async def _replicas(step: Step, hands: Hands) -> int | Seen:
    deed = kube.requests(step)[0]
    scale = await kube.looked_at(hands, deed.place, deed.path)
    if isinstance(scale, Seen):
        return scale
    return int(kube.within(scale, "spec", "replicas") or 0) if scale else unknown("there is no such scale any more")
