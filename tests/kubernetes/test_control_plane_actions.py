"""Actions against a real control plane: cordon, disruption budgets, rights that are missing, replaced pods."""

from __future__ import annotations

import os
from typing import Any

import pytest

from agents.action import Scene
from agents.actions.evict_pods import Action as EvictPods
from tests.support import kube_objects as made
from tests.support.acting import FakeFloor, KubeHands, Machine, frame_of, node, prepared, scene_of
from tests.support.acting import job as job_target
from tests.support.answers import is_ok, running
from tests.support.kubernetes.control_plane import ControlPlane
from tests.support.kubernetes.kubelets import Kubelets
from tests.support.kubernetes.work import NODES, PROGRAMS, create, deployment, pods_of, source_of
from watchfloor.change import Effect
from watchfloor.jobs.model import Job, JobState, SourceAnswer

pytestmark = [
    pytest.mark.skipif(not PROGRAMS, reason="runs by `make test-kubernetes`"),
    pytest.mark.skipif(bool(os.environ.get("KUBECONFIG")), reason="a cluster that is somebody's is only read"),
    pytest.mark.timeout(300),
]


def hands(plane: ControlPlane, user: str = "admin") -> KubeHands:
    return KubeHands(plane.url, plane.context(user))


def scene(answer: SourceAnswer) -> Scene:
    frame = frame_of([Machine(name) for name in NODES], answer, at=answer.status.at)
    return scene_of(frame)


async def served(plane: ControlPlane, replicas: int) -> tuple[Scene, Job]:
    """A scene in which the service runs with so many replicas."""
    async with running(source_of(str(plane.kubeconfig("admin")))) as answers:
        job = await answers.job("lab/llm", lambda one: one.labels.get("ready") == f"{replicas}/{replicas}")
        answer = await answers.until(lambda one: is_ok(one) and len(one.nodes) == len(NODES) and job in one.jobs)
    return scene(answer), job


def budget(kubelets: Kubelets, least: int) -> None:
    told = {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "llm"},
            "spec": {"minAvailable": least, "selector": {"matchLabels": {"app": "llm"}}}}  # fmt: skip
    kubelets.call("POST", _BUDGETS, told)


_BUDGETS = "/apis/policy/v1beta1/namespaces/lab/poddisruptionbudgets"


async def test_a_cordon_and_an_eviction_against_a_budget(
    plane: ControlPlane, kubelets: Kubelets, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(kubelets, deployment("llm", 2, gpus=4))
    budget(kubelets, 2)
    told, job = await served(plane, 2)
    where, admin, floor = job.nodes[0], hands(plane), FakeFloor()

    cordon, step = prepared(told, "drain_node", node(where), reason="xid 79")
    assert (await cordon.observe(step, admin, floor)).effect is Effect.NONE
    (done,) = await cordon.apply(step, admin, "run1.s1")
    assert done.ok, done
    assert (await cordon.observe(step, admin, floor)).effect is Effect.TOOK
    assert kubelets.call("GET", f"/api/v1/nodes/{where}")["spec"]["unschedulable"] is True

    evict, away = prepared(told, "evict_pods", node(where))
    monkeypatch.setattr(EvictPods, "tries", 2)
    monkeypatch.setattr(EvictPods, "pause_seconds", 0.2)
    results = await evict.apply(away, admin, "run2.s1")
    assert (results[-1].exit_code, results[-1].transient) == (429, True)
    assert results[-1].stderr.startswith("not now: ") and "disruption budget" in results[-1].stderr
    assert (await evict.observe(away, admin, floor)).effect is Effect.NONE

    kubelets.call("DELETE", f"{_BUDGETS}/llm")
    results = await evict.apply(away, hands(plane), "run3.s1")
    assert all(one.ok for one in results), results
    await gone(evict, away, admin)
    told, job = await served(plane, 2)
    assert where not in job.nodes

    opened, step = prepared(told, "resume_node", node(where))
    (done,) = await opened.apply(step, admin, "run4.s1")
    assert done.ok and (await opened.observe(step, admin, floor)).effect is Effect.TOOK
    assert "unschedulable" not in kubelets.call("GET", f"/api/v1/nodes/{where}")["spec"]


async def gone(action: Any, step: Any, admin: KubeHands) -> None:
    import asyncio  # noqa: PLC0415

    async with asyncio.timeout(60):
        while True:
            if (await action.observe(step, admin, FakeFloor())).effect is Effect.TOOK:
                return
            await asyncio.sleep(0.2)  # between two questions, up to a deadline


async def test_who_may_not_is_told_so(plane: ControlPlane, kubelets: Kubelets) -> None:
    rules = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "node-readers"}}
    kubelets.call("POST", f"{_RBAC}/clusterroles", {**role, "rules": rules})
    kubelets.call("POST", f"{_RBAC}/clusterrolebindings", {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "node-readers"},
        "subjects": [{"kind": "User", "name": "stranger"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "node-readers"},
    })  # fmt: skip
    create(kubelets, deployment("llm", 1, gpus=4))
    told, job = await served(plane, 1)
    action, step = prepared(told, "cordon_node", node(job.nodes[0]), reason="xid 79")
    (done,) = await action.apply(step, hands(plane, "stranger"), "run1.s1")
    assert (done.exit_code, done.transient) == (403, False)
    assert 'User "stranger" cannot patch resource "nodes"' in done.stderr and "bind a role" in done.stderr
    action, step = prepared(told, "evict_pods", node(job.nodes[0]))
    results = await action.apply(step, hands(plane, "stranger"), "run2.s1")
    assert results[-1].exit_code == 403 and "pods/eviction" in results[-1].stderr
    assert (await action.observe(step, hands(plane, "stranger"), FakeFloor())).effect is Effect.UNKNOWN
    assert (await action.observe(step, hands(plane), FakeFloor())).effect is Effect.NONE


_RBAC = "/apis/rbac.authorization.k8s.io/v1"


async def test_a_pod_that_was_replaced_is_left_alone(plane: ControlPlane, kubelets: Kubelets) -> None:
    """Its name is another's by now: the server says that they conflict."""

    def alone() -> dict[str, Any]:
        pod = made.pod("lonely", gpus=8, node="")
        del pod["status"]
        return pod

    create(kubelets, alone())
    async with running(source_of(str(plane.kubeconfig("admin")))) as answers:
        await answers.job("lab/lonely", lambda one: one.state is JobState.RUNNING and bool(one.nodes))
        answer = await answers.until(lambda one: is_ok(one) and len(one.nodes) == len(NODES))
        told, job = scene(answer), next(one for one in answer.jobs if one.number == "lab/lonely")
        action, step = prepared(told, "evict_pods", node(job.nodes[0]))
        kubelets.call("DELETE", "/api/v1/namespaces/lab/pods/lonely", {"gracePeriodSeconds": 0})
        await answers.until(lambda one: all(job.number != "lab/lonely" for job in one.jobs))
    create(kubelets, alone())
    (done,) = await action.apply(step, hands(plane), "run1.s1")
    assert done.ok and done.stderr.startswith("gone already"), done
    assert len(pods_of(kubelets, "lonely")) == 1
    assert (await action.observe(step, hands(plane), FakeFloor())).effect is Effect.TOOK


async def test_replicas_and_labels(plane: ControlPlane, kubelets: Kubelets) -> None:
    create(kubelets, deployment("llm", 1, gpus=4))
    told, job = await served(plane, 1)
    admin, floor = hands(plane), FakeFloor()
    action, step = prepared(told, "scale_replicas", job_target(job.id), replicas=3)
    assert (await action.observe(step, admin, floor)).effect is Effect.NONE
    assert (await action.apply(step, admin, "run1.s1"))[0].ok
    assert (await action.observe(step, admin, floor)).effect is Effect.TOOK
    await served(plane, 3)
    action, step = prepared(told, "label_node", node("gpu003"), label="example.org/health", value="bad")
    assert (await action.apply(step, admin, "run2.s1"))[0].ok
    assert (await action.observe(step, admin, floor)).effect is Effect.TOOK
    await admin.do(step.undo[0], "run2.undo.0")
    assert (await action.observe(step, admin, floor)).effect is Effect.NONE
