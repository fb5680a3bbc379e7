"""Move the pods that hold a node's accelerators away, each as its disruption budget allows. R2: it evicts work.

The pods are those of the plan, by name and uid: one that took a name since then is left alone. What a DaemonSet or the
node itself put there would come back at once, and is left, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from agents.action import CannotPrepare, Home, Kind, Parameter, Scene
from agents.actions import _kubernetes as kube
from agents.actions._base import filled, took, unknown, without_effect
from watchfloor.change import Done, Request, Risk, Seen, Step
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands

_TRIES, _PAUSE_SECONDS = 100, 5.0  # as patient as kubectl drain
_STAYS = ("DaemonSet/", "Node/")


class Action(kube.KubeAction):
    summary = "move pods away from a node, as their budgets allow"
    risk = Risk.SLOWS
    scope = Scope.NODE
    harms = "evicted"
    parameters: ClassVar = {
        "grace_seconds": Parameter("until a pod is killed; -1: as it says itself", Kind.NUMBER, -1, least=-1, most=3600)
    }
    tries, pause_seconds = _TRIES, _PAUSE_SECONDS
    runs = "Kubernetes: POST of an eviction for each pod, with its uid"
    seen_by = "no pod of that name and uid any more"

    def prepare(self, scene: Scene, step: Step) -> Step:
        grace = self.values(step)["grace_seconds"]
        home = kube.of_node(scene, step)
        api = kube.eviction_version(scene, home.name)
        pods = sorted(set(_pods(scene, home)))
        if not pods:
            raise CannotPrepare(f"no pod that could be moved holds accelerators of {step.target.node}")
        return filled(
            step,
            risk=self.risk,
            summary=f"evict {len(pods)} pods from {step.target.node}: {', '.join(pod for _, pod, _ in pods)}"[:300],
            deeds=tuple(_eviction(home, api, pod, float(grace)) for pod in pods),
            before={"source": home.name, "pods": len(pods)},
            after={"pods": 0},
            timeout_seconds=_TRIES * _PAUSE_SECONDS,
            verify_seconds=600.0,
        )

    def meant(self, done: Done) -> Done:
        """A pod that is gone already, or whose name is another's by now, needs no eviction any more."""
        if done.exit_code == kube.ABSENT or (done.exit_code == kube.CONFLICT and "UID" in done.stderr):
            return msgspec.structs.replace(done, exit_code=0, stderr=f"gone already: {done.stderr}", transient=False)
        return done

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        there, ending = [], []
        for deed in kube.requests(step):
            pod = await kube.looked_at(hands, deed.place, deed.path.removesuffix("/eviction"))
            if isinstance(pod, Seen):
                return pod
            if kube.within(pod, "metadata", "uid") != deed.body["deleteOptions"]["preconditions"]["uid"]:
                continue
            name = str(deed.body["metadata"]["name"])
            (ending if kube.within(pod, "metadata", "deletionTimestamp") else there).append(name)
        total = len(step.deeds)
        if there and len(there) == total:
            return without_effect(f"all {total} pods are still there", there=total)
        if there or ending:
            text = f"of {total} pods {len(ending)} are ending, still there: {', '.join(there) or 'none'}"
            return unknown(text, there=len(there), ending=len(ending))
        floor.ask_anew()
        return took(f"all {total} pods are gone", there=0)


def _pods(scene: Scene, home: Home) -> Iterator[tuple[str, str, str]]:
    """Namespace, name and uid of those that hold accelerators of the node."""
    for job in scene.frame.jobs.rows:
        if job.source != home.name or job.state.is_over or job.owner.startswith(_STAYS):
            continue
        for held in job.allocations:
            if held.node == home.node and held.pod and held.pod_name:
                yield job.account, held.pod_name, held.pod


def _eviction(home: Home, api: str, pod: tuple[str, str, str], grace: float) -> Request:
    namespace, name, uid = kube.name(pod[0], "the namespace"), kube.name(pod[1], "the pod"), pod[2]
    options: kube.Object = {"preconditions": {"uid": uid}}
    if grace >= 0:
        options["gracePeriodSeconds"] = int(grace)
    body = {"apiVersion": api, "kind": "Eviction", "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": options}  # fmt: skip
    return Request(kube.place_of(home), "POST", f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", body)
