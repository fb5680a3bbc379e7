"""Actions at Kubernetes against an API server's stand-in, in front of its real source of jobs' words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from msgspec import convert

from agents.action import CannotPrepare, Scene
from agents.actions.evict_pods import Action as EvictPods
from collectors.sources._kube_objects import Node
from collectors.sources._kube_pods import node_facts
from tests.support import kube_objects as made
from tests.support.acting import (
    FakeFloor,
    KubeHands,
    Machine,
    answer,
    frame_of,
    job,
    node,
    prepared,
    scene_of,
    seen,
    words,
)  # fmt: skip
from tests.support.kube_api import KubeApi
from tests.support.loopback import keeping
from watchfloor.change import Effect, Request, Risk
from watchfloor.jobs.model import Allocation, Job, JobState, SchedulerNode

TRAIN = Job(
    "kube:uid-train", "lab", "kubernetes", "lab/train", account="lab", owner="Job/train", state=JobState.RUNNING,
    allocations=(
        Allocation("gpu001", 8, pod="uid-train-0", pod_name="train-0"),
        Allocation("gpu001", 8, pod="uid-train-1", pod_name="train-1"),
        Allocation("gpu002", 8, pod="uid-train-2", pod_name="train-2"),
    ),
)  # fmt: skip
LLM = Job(
    "kube:uid-llm", "lab", "kubernetes", "lab/llm", account="lab", owner="Deployment/llm", state=JobState.RUNNING,
    allocations=(Allocation("gpu002", 4, pod="uid-llm-0", pod_name="llm-0"),),
)  # fmt: skip
AGENT = replace(TRAIN, id="kube:uid-agent", number="lab/agent", owner="DaemonSet/agent")


@pytest.fixture
def serve() -> Iterator[Callable[[], KubeApi]]:
    yield from keeping(KubeApi)


@pytest.fixture
def api(serve: Callable[[], KubeApi]) -> KubeApi:
    api = serve()
    api.put("nodes", made.node("gpu001"))
    for number in range(3):
        api.put("pods", made.pod(f"train-{number}"))
    scaled = made.thing("Deployment", "llm")
    scaled["spec"] = {"replicas": 1}
    api.put("deployments", scaled)
    return api


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    from agents.actions._kubernetes import KubeAction  # noqa: PLC0415

    monkeypatch.setattr(KubeAction, "pause_seconds", 0.0)
    monkeypatch.setattr(EvictPods, "pause_seconds", 0.0)


def scene(*jobs: Job, state: str = "ready", version: str = "v1.29.4") -> Scene:
    nodes = (SchedulerNode("gpu001", state, takes_work="cordoned" not in state), SchedulerNode("gpu002", "ready"))
    told = answer(jobs=jobs, nodes=nodes, kind="kubernetes", version=version)
    return scene_of(frame_of([Machine("gpu001"), Machine("gpu002"), Machine("other")], told))


def stored(api: KubeApi, plural: str, name: str) -> dict[str, Any]:
    return next(thing for thing in api.objects[plural].values() if thing["metadata"]["name"] == name)


@pytest.mark.parametrize(("on", "off"), [("cordon_node", "uncordon_node"), ("drain_node", "resume_node")])
async def test_a_node_is_cordoned_and_opened(api: KubeApi, on: str, off: str) -> None:
    hands, floor = KubeHands(api.url), FakeFloor()
    action, step = prepared(scene(), on, node("gpu001"), reason="xid 79")
    assert (step.risk, words(step.deeds[0])) == (Risk.TAKES_OUT, "PATCH /api/v1/nodes/gpu001")
    assert action.precheck(scene(), step) == ""
    assert (await seen(action, step, hands, floor)).effect is Effect.NONE
    (done,) = await action.apply(step, hands, "run.s1")
    assert done.ok, done
    told = stored(api, "nodes", "gpu001")
    assert told["spec"]["unschedulable"] is True
    assert told["metadata"]["annotations"] == {"watchfloor/mark": step.after["mark"], "watchfloor/reason": "xid 79"}
    assert (await seen(action, step, hands, floor)).effect is Effect.TOOK
    (again,) = await action.apply(step, hands, "run.s1")  # by a console that comes after one that was killed
    assert again.ok and len(api.written) == 1

    back, undo = prepared(scene(state="ready+cordoned"), off, node("gpu001"))
    assert undo.heals and (await seen(back, undo, hands, floor)).effect is Effect.NONE
    (done,) = await back.apply(undo, hands, "run2.s1")
    assert done.ok and (await seen(back, undo, hands, floor)).effect is Effect.TOOK
    told = stored(api, "nodes", "gpu001")
    assert "unschedulable" not in told["spec"] and told["metadata"]["annotations"] == {}


async def test_undoing_an_uncordon_gives_back_the_mark_and_the_reason_that_the_cordon_had(api: KubeApi) -> None:
    notes = {"watchfloor/mark": "watchfloor:0123456789ab", "watchfloor/reason": "xid 79"}
    cordoned = made.node("gpu001", unschedulable=True)
    cordoned["metadata"]["annotations"] = {**notes, "of-others": "kept"}
    api.put("nodes", cordoned)
    told = node_facts(convert(cordoned, Node))
    assert told.notes == tuple(notes.items())
    frame = frame_of([Machine("gpu001")], answer(nodes=(told,), kind="kubernetes"))
    back, step = prepared(scene_of(frame), "uncordon_node", node("gpu001"))
    hands = KubeHands(api.url)
    assert (await back.apply(step, hands, "run.s1"))[0].ok
    assert stored(api, "nodes", "gpu001")["metadata"]["annotations"] == {"of-others": "kept"}
    assert (await hands.do(step.undo[0], "run.undo.0")).ok
    after = stored(api, "nodes", "gpu001")
    assert after["spec"]["unschedulable"] is True and after["metadata"]["annotations"] == {**notes, "of-others": "kept"}


async def test_a_cordon_by_others_is_neither_touched_nor_taken_for_ours(api: KubeApi) -> None:
    hands = KubeHands(api.url)
    action, step = prepared(scene(), "cordon_node", node("gpu001"), reason="xid 79")
    api.put("nodes", made.node("gpu001", unschedulable=True))
    (refused,) = await action.apply(step, hands, "run.s1")
    assert "cordoned by others" in refused.stderr and api.written == []
    assert (await seen(action, step, hands)).effect is Effect.NONE
    back, undo = prepared(scene(state="ready+cordoned"), "uncordon_node", node("gpu001"))
    (refused,) = await back.apply(undo, hands, "run2.s1")
    assert "cordoned by others" in refused.stderr and api.written == []
    back, undo = prepared(scene(state="ready+cordoned"), "uncordon_node", node("gpu001"), anyones=True)
    assert (await back.apply(undo, hands, "run3.s1"))[0].ok
    with pytest.raises(CannotPrepare, match="cordoned already"):
        prepared(scene(state="ready+cordoned"), "cordon_node", node("gpu001"), reason="x")
    with pytest.raises(CannotPrepare, match="no node of a Kubernetes"):
        prepared(scene(), "cordon_node", node("other"), reason="x")


async def test_what_changed_meanwhile_is_asked_for_again_and_what_is_forbidden_is_not(api: KubeApi) -> None:
    action, step = prepared(scene(), "cordon_node", node("gpu001"), reason="xid 79")
    api.conflicts = 2
    (done,) = await action.apply(step, KubeHands(api.url), "run.s1")
    assert done.ok and len(api.written) == 3
    api.put("nodes", made.node("gpu001"))
    api.conflicts = 9
    (done,) = await action.apply(step, KubeHands(api.url), "run2.s1")
    assert (done.exit_code, done.transient) == (409, True) and "changed meanwhile" in done.stderr
    api.conflicts, api.forbidden = 0, {"PATCH"}
    api.written.clear()
    (done,) = await action.apply(step, KubeHands(api.url), "run3.s1")
    assert (done.exit_code, done.transient, len(api.written)) == (403, False, 1)
    assert done.stderr.startswith('not permitted: nodes "gpu001" is forbidden') and "bind a role" in done.stderr


# -- evictions


async def test_the_pods_of_a_node_are_evicted_as_their_budgets_allow(api: KubeApi) -> None:
    hands = KubeHands(api.url)
    action, step = prepared(scene(TRAIN, LLM, AGENT), "evict_pods", node("gpu001"), grace_seconds=30)
    assert [words(deed) for deed in step.deeds] == [
        f"POST /api/v1/namespaces/lab/pods/train-{number}/eviction" for number in range(2)
    ]
    first = step.deeds[0]
    assert isinstance(first, Request)
    assert first.body["apiVersion"] == "policy/v1"
    assert first.body["deleteOptions"] == {"preconditions": {"uid": "uid-train-0"}, "gracePeriodSeconds": 30}
    assert (await seen(action, step, hands)).effect is Effect.NONE
    api.budgets["train-1"] = 4
    results = await action.apply(step, hands, "run.s1")
    assert [done.ok for done in results] == [True, True]
    assert [done.operation for done in results] == ["run.s1.0", "run.s1.1"]
    assert len(api.written) == 6  # the second pod's budget said "not now" four times
    assert (await seen(action, step, hands)).effect is Effect.TOOK
    assert [pod["metadata"]["name"] for pod in api.objects["pods"].values()] == ["train-2"]
    # a console that knows nothing of it: they are gone already, which is what was wanted
    assert all(done.ok for done in await action.apply(step, KubeHands(api.url), "run2.s1"))


async def test_a_budget_that_never_allows_it_ends_as_not_now(api: KubeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EvictPods, "tries", 3)
    action, step = prepared(scene(TRAIN), "evict_pods", node("gpu001"))
    api.budgets["train-1"] = 99
    results = await action.apply(step, KubeHands(api.url), "run.s1")
    assert [done.exit_code for done in results] == [0, 429]
    assert results[-1].transient and results[-1].stderr.startswith("not now: Cannot evict pod")
    found = await seen(action, step, KubeHands(api.url))
    assert (found.effect, found.facts["there"]) == (Effect.UNKNOWN, 1)


async def test_a_pod_that_took_the_name_since_is_left_alone(api: KubeApi) -> None:
    action, step = prepared(scene(TRAIN), "evict_pods", node("gpu001"))
    api.delete("pods", "uid-train-0")
    api.put("pods", made.pod("train-0", uid="uid-another"))
    results = await action.apply(step, KubeHands(api.url), "run.s1")
    assert results[0].ok and results[0].stderr.startswith("gone already")
    assert "uid-another" in api.objects["pods"]
    assert (await seen(action, step, KubeHands(api.url))).effect is Effect.TOOK


async def test_pods_that_are_ending_are_not_gone_yet(api: KubeApi) -> None:
    action, step = prepared(scene(TRAIN), "evict_pods", node("gpu001"))
    for number in range(2):
        api.put("pods", made.pod(f"train-{number}", deletionTimestamp="2026-11-22T20:00:00Z"))
    found = await seen(action, step, KubeHands(api.url))
    assert (found.effect, found.facts["ending"]) == (Effect.UNKNOWN, 2)


def test_evictions_speak_the_version_of_the_cluster() -> None:
    for version, spoken in (("v1.20.2", "policy/v1beta1"), ("v1.22.0", "policy/v1"), ("v1.34.1-eks-1", "policy/v1")):
        _, step = prepared(scene(TRAIN, version=version), "evict_pods", node("gpu001"))
        deed = step.deeds[0]
        assert isinstance(deed, Request) and deed.body["apiVersion"] == spoken
    with pytest.raises(CannotPrepare, match="version of lab isn't known"):
        prepared(scene(TRAIN, version=""), "evict_pods", node("gpu001"))
    with pytest.raises(CannotPrepare, match="no pod that could be moved"):
        prepared(scene(AGENT), "evict_pods", node("gpu001"))


# -- replicas and labels


async def test_replicas_are_scaled_and_back(api: KubeApi) -> None:
    hands = KubeHands(api.url)
    action, step = prepared(scene(LLM), "scale_replicas", job("kube:uid-llm"), replicas=3)
    assert (step.risk, step.summary) == (Risk.REVERSIBLE, "scale lab/llm from 1 to 3 replicas")
    assert words(step.deeds[0]) == "PATCH /apis/apps/v1/namespaces/lab/deployments/llm/scale"
    assert (await seen(action, step, hands)).effect is Effect.NONE
    assert (await action.apply(step, hands, "run.s1"))[0].ok
    assert (await seen(action, step, hands)).effect is Effect.TOOK
    (refused,) = await action.apply(step, hands, "run2.s1")
    assert "it has 3 replicas by now, and 1 when it was planned" in refused.stderr
    await hands.do(step.undo[0], "undo")
    assert stored(api, "deployments", "llm")["spec"] == {"replicas": 1}
    _, step = prepared(scene(LLM), "scale_replicas", job("kube:uid-llm"), replicas=0)
    assert step.risk is Risk.SLOWS
    with pytest.raises(CannotPrepare, match="1 replicas already"):
        prepared(scene(LLM), "scale_replicas", job("kube:uid-llm"), replicas=1)
    with pytest.raises(CannotPrepare, match="is made by Job/train"):
        prepared(scene(TRAIN), "scale_replicas", job("kube:uid-train"), replicas=1)


async def test_a_label_is_set_where_there_is_none(api: KubeApi) -> None:
    hands = KubeHands(api.url)
    action, step = prepared(scene(), "label_node", node("gpu001"), label="example.org/health", value="bad")
    assert (await seen(action, step, hands)).effect is Effect.NONE
    assert (await action.apply(step, hands, "run.s1"))[0].ok
    assert (await seen(action, step, hands)).effect is Effect.TOOK
    assert stored(api, "nodes", "gpu001")["metadata"]["labels"] == {"example.org/health": "bad"}
    (refused,) = await action.apply(step, hands, "run2.s1")
    assert "is marked already: bad" in refused.stderr
    await hands.do(step.undo[0], "undo")
    assert stored(api, "nodes", "gpu001")["metadata"]["labels"] == {}


async def test_a_server_that_is_gone_leaves_it_open() -> None:
    action, step = prepared(scene(), "cordon_node", node("gpu001"), reason="x")

    class Gone(KubeHands):
        async def look(self, deed: object) -> Any:
            from watchfloor.errors import HandsError  # noqa: PLC0415

            raise HandsError("nothing listens there", transient=True)

    hands = Gone("")
    assert (await seen(action, step, hands)).effect is Effect.UNKNOWN
    (refused,) = await action.apply(step, hands, "run.s1")
    assert "nobody could look" in refused.stderr
