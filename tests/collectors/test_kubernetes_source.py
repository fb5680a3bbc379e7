"""Kubernetes as a source, over HTTP: list and watch, how they end, who may not see what, and what is kept then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from collectors.sources import _kube_client, _kube_watch, kubernetes
from collectors.sources.kubernetes import Source
from tests.support import kube_objects as made
from tests.support.answers import Answers, WallClock, is_ok, running
from tests.support.kube_api import KubeApi
from tests.support.loopback import keeping
from watchfloor.jobs.model import JobSourceSpec, JobState, SourceAnswer, SourceState


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes are told as they come."""
    monkeypatch.setattr(kubernetes, "_TOGETHER_SECONDS", 0.01)


@pytest.fixture
def serve() -> Iterator[Callable[..., KubeApi]]:
    yield from keeping(KubeApi)


@pytest.fixture
def api(serve: Callable[..., KubeApi]) -> KubeApi:
    return serve()


@pytest.fixture
def source(api: KubeApi, tmp_path: Path) -> Callable[..., Source]:
    def make(user: dict[str, Any] | None = None, timeout: float = 20.0, **options: str) -> Source:
        options = {"kubeconfig": str(kubeconfig(tmp_path, api.url, user)), **options}
        spec = JobSourceSpec("lab", "kubernetes", options=options, period_seconds=0.2, timeout_seconds=timeout)
        return Source(spec, None, WallClock())

    return make


def kubeconfig(folder: Path, server: str, user: dict[str, Any] | None = None) -> Path:
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user or {"token": "open-sesame"}}],
        "contexts": [{"name": "lab", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "lab",
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(told))
    return file


async def watching(answers: Answers, api: KubeApi, plural: str = "pods", times: int = 1) -> None:
    """Once the list is in and the watch is open."""
    await answers.until(lambda one: is_ok(one) and api.count(plural, watch="true") >= times, f"a watch of {plural}")


async def test_what_is_there_and_what_happens_then(api: KubeApi, source: Callable[..., Source]) -> None:
    train = made.batch_job("train", parallelism=2)
    api.put("jobs", train)
    api.put("nodes", made.node("gpu001"))
    for name in ("train-a", "train-b"):
        api.put("pods", made.pod(name, train))
    api.put("pods", made.pod("web", gpus=0))
    async with running(source()) as answers:
        jobs = await answers.jobs("lab/train")
        job = jobs["lab/train"]
        assert (job.id, job.state, job.nodes_wanted, job.accelerators_wanted) == (
            "kube:uid-train",
            JobState.RUNNING,
            2,
            16,
        )
        assert [(one.node, one.count, one.pod) for one in job.allocations] == [
            ("gpu001", 8, "uid-train-a"), ("gpu001", 8, "uid-train-b")]  # fmt: skip
        assert job.nodes == ("gpu001",)
        answer = await answers.until(lambda one: bool(one.nodes) and one.nodes[0].accelerators_used == 16)
        assert answer.status.version == "v1.99.0"
        assert (answer.nodes[0].name, answer.nodes[0].hostname, answer.nodes[0].accelerators) == (
            "gpu001",
            "host-gpu001",
            8,
        )

        api.put("pods", made.pod("alone", gpus=1, node="", phase="Pending", status=made.waiting()))
        alone = (await answers.jobs("lab/train", "lab/alone"))["lab/alone"]
        assert (alone.id, alone.state) == ("pod:uid-alone", JobState.PENDING)
        assert alone.reason.startswith("Unschedulable: 0/8 nodes are available")
        api.delete("pods", "uid-alone")
        await answers.jobs("lab/train")
    assert api.count("pods", watch="") == 1  # listed once


async def test_a_command_is_told_without_its_secrets(api: KubeApi, source: Callable[..., Source]) -> None:
    api.put("pods", made.pod("alone"))
    async with running(source()) as answers:
        job = (await answers.jobs("lab/alone"))["lab/alone"]
    assert job.command == "python train.py --api-key ***"
    assert "hunter2" not in repr(answers.told)


async def test_a_selector_names_pods_that_count_without_accelerators(
    api: KubeApi, source: Callable[..., Source]
) -> None:
    api.put("pods", made.pod("web", gpus=0, labels={"app": "web"}))
    api.put("pods", made.pod("train"))
    api.put("pods", made.pod("other", gpus=0))
    async with running(source(selector="app=web", namespace="lab")) as answers:
        await answers.jobs("lab/web", "lab/train")
    selectors = {asked.get("labelSelector") for path, asked in api.asked if path == "/api/v1/namespaces/lab/pods"}
    assert selectors == {None, "app=web"}


async def test_a_list_comes_in_pages(api: KubeApi, source: Callable[..., Source]) -> None:
    api.page = 3
    names = [f"p{number}" for number in range(8)]
    for name in names:
        api.put("pods", made.pod(name))
    async with running(source()) as answers:
        await answers.jobs(*(f"lab/{name}" for name in names))
    assert api.count("pods", limit="500") == 3


async def test_a_dropped_watch_goes_on_from_the_last_bookmark(api: KubeApi, source: Callable[..., Source]) -> None:
    api.put("pods", made.pod("one"))
    async with running(source()) as answers:
        await watching(answers, api)
        api.bookmark("pods")
        marked = str(api.version)
        api.put("pods", made.pod("two"))
        await answers.jobs("lab/one", "lab/two")
        api.drop()
        api.put("pods", made.pod("three"))
        await answers.jobs("lab/one", "lab/two", "lab/three")
    versions = [asked["resourceVersion"] for path, asked in api.asked if path.endswith("/pods") and "watch" in asked]
    assert int(versions[-1]) >= int(marked)
    assert api.count("pods", limit="500") == 1  # never listed anew


async def test_a_version_that_is_gone_is_listed_anew(api: KubeApi, source: Callable[..., Source]) -> None:
    api.put("pods", made.pod("one"))
    api.put("pods", made.pod("two"))
    async with running(source()) as answers:
        await watching(answers, api)
        api.forget("pods", "uid-one")
        answers.source.wake()
        await answers.jobs("lab/two")
    assert all(not answer.jobs or "lab/two" in {job.number for job in answer.jobs} for answer in answers.told)
    assert api.count("pods", limit="500") == 2


async def test_an_object_that_cannot_be_read_costs_itself_alone(api: KubeApi, source: Callable[..., Source]) -> None:
    api.put("pods", made.pod("one"))
    bad = made.pod("bad")
    bad["spec"]["containers"] = "none"
    api.put("pods", bad)
    async with running(source()) as answers:
        await answers.jobs("lab/one")
        answer = await answers.until(lambda one: bool(one.status.text))
    assert answer.status.state is SourceState.OK
    assert "some objects are left out" in answer.status.text
    assert "containers" in answer.status.text


async def test_rights_that_are_missing_are_told_in_the_servers_words(
    api: KubeApi, source: Callable[..., Source]
) -> None:
    words = 'nodes is forbidden: User "ops" cannot list resource "nodes" in API group "" at the cluster scope'
    api.refused["nodes"] = 403, words, {}
    api.put("pods", made.pod("one"))
    async with running(source()) as answers:
        answer = await answers.until(lambda one: is_ok(one) and bool(one.jobs) and "nodes" in one.status.text)
        assert words in answer.status.text
        assert "cluster role" in answer.status.advice

        api.refused["pods"] = 403, "pods is forbidden", {}
        api.drop()
        answers.source.wake()
        answer = await answers.failed()
        assert "403 pods is forbidden" in answer.status.text
        assert [job.number for job in answer.jobs] == ["lab/one"]  # kept, and aging
        aged = answer.status.at

        api.refused.clear()
        answers.source.wake()
        answer = await answers.until(lambda one: is_ok(one) and not one.status.text)
        assert answer.status.at > aged


async def test_credentials_are_loaded_anew_when_they_run_out(
    api: KubeApi, source: Callable[..., Source], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("sesame-1")
    api.token = "sesame-1"
    api.put("pods", made.pod("one"))
    async with running(source({"tokenFile": str(token)})) as answers:
        await answers.jobs("lab/one")
        api.token = "sesame-2"
        token.write_text("sesame-2")
        api.put("pods", made.pod("two"))
        api.drop()
        await answers.jobs("lab/one", "lab/two")
        assert SourceState.FAILED not in {answer.status.state for answer in answers.told}

        api.token = "sesame-3"
        answer = await answers.failed()
    assert "401 Unauthorized" in answer.status.text
    assert "sesame" not in repr(answers.told)


async def test_a_credential_plugin_gives_the_token_and_keeps_its_secrets(
    api: KubeApi, source: Callable[..., Source], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api.token = "from-plugin"
    plugin = tmp_path / "plugin"
    answer = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"from-plugin"}}'
    plugin.write_text(
        f"#!/bin/sh\n[ -e {tmp_path}/broken ] && {{ echo token=hunter2 >&2; exit 1; }}\necho '{answer}'\n"
    )
    plugin.chmod(0o755)
    user = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    }
    api.put("pods", made.pod("one"))
    async with running(source(user)) as answers:
        await answers.jobs("lab/one")
    (tmp_path / "broken").touch()
    async with running(source(user)) as answers:
        failed = (await answers.failed()).status
    assert "exec: process returned 1" in failed.text
    assert "hunter2" not in failed.text + caplog.text


async def test_a_slow_server_is_told_and_waited_for(api: KubeApi, source: Callable[..., Source]) -> None:
    api.put("pods", made.pod("one"))
    async with running(source(timeout=0.5)) as answers:
        await answers.jobs("lab/one")
        api.stalled.set()
        answer = await answers.failed()
        assert "no answer within 0.5 s" in answer.status.text
        assert answer.jobs
        api.stalled.clear()
        answers.source.wake()
        await answers.until(is_ok)


async def test_a_busy_server_says_how_long_to_wait(api: KubeApi, source: Callable[..., Source]) -> None:
    api.refused["pods"] = 429, "too many requests", {"Retry-After": "7"}
    async with running(source()) as answers:
        answer = await answers.failed()
        assert "429 too many requests" in answer.status.text
        watched = answers.source._pods  # pyright: ignore[reportAttributeAccessIssue]
        waits = [watched._failed(watched.trouble) for _ in range(20)]
        assert min(waits) >= 7.0


@pytest.mark.parametrize(
    ("server", "words"),
    [("http://127.0.0.1:1", "nothing listens there"), ("http://no-such-host.invalid", "name does not resolve")],
)
async def test_no_server_at_all(source: Callable[..., Source], tmp_path: Path, server: str, words: str) -> None:
    one = source()
    kubeconfig(tmp_path, server)
    async with running(one) as answers:
        assert words in (await answers.failed()).status.text


async def test_a_kubeconfig_that_gives_no_way_in(source: Callable[..., Source]) -> None:
    async with running(source(context="nowhere")) as answers:
        failed = (await answers.failed()).status
        assert "nowhere" in failed.text
    async with running(source(kubeconfig="/nowhere/config")) as answers:
        failed = (await answers.failed()).status
        assert "/nowhere/config gives no way in" in failed.text
        assert "kubectl" in failed.advice


async def test_without_the_client_the_extra_is_named(
    source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "kubernetes_asyncio", None)
    async with running(source()) as answers:
        failed = (await answers.failed()).status
    assert failed.text == "the client of Kubernetes is not installed"
    assert failed.advice == "pip install 'watchfloor[kubernetes]'"


async def test_owners_are_looked_up_to_the_outermost(api: KubeApi, source: Callable[..., Source]) -> None:
    deployment = made.thing("Deployment", "llm")
    replicas = made.thing("ReplicaSet", "llm-75dd", owner=deployment)
    cron = made.thing("CronJob", "nightly", "batch/v1")
    nightly = made.batch_job("nightly-1", cron)
    ray = made.thing("RayJob", "tune", "ray.io/v1")
    cluster = made.thing("RayCluster", "tune-x", "ray.io/v1", ray)
    for plural, owner in (("deployments", deployment), ("replicasets", replicas), ("rayjobs", ray),
                          ("rayclusters", cluster), ("jobs", nightly)):  # fmt: skip
        api.put(plural, owner)
    api.put("pods", made.pod("llm-75dd-a", replicas, gpus=4))
    api.put("pods", made.pod("llm-75dd-b", replicas, gpus=4))
    api.put("pods", made.pod("nightly-1-a", nightly))
    api.put("pods", made.pod("tune-x-head", cluster))
    async with running(source()) as answers:
        jobs = await answers.jobs("lab/llm", "lab/nightly-1", "lab/tune")
    assert jobs["lab/llm"].owner == "Deployment/llm"
    assert jobs["lab/llm"].labels["ready"] == "0/2"
    assert jobs["lab/nightly-1"].owner == "CronJob/nightly"
    assert jobs["lab/tune"].id == "kube:uid-tune"
    asked = [path for path, query in api.asked if path.endswith("/replicasets/llm-75dd")]
    assert asked == ["/apis/apps/v1/namespaces/lab/replicasets/llm-75dd"]  # once
    assert len({job.id for answer in answers.told for job in answer.jobs if job.name == "llm"}) == 1


async def test_an_owner_that_may_not_be_read_is_named_as_well_as_may_be(
    api: KubeApi, source: Callable[..., Source]
) -> None:
    replicas = made.thing("ReplicaSet", "llm-75dd")
    api.refused["replicasets"] = 403, "replicasets is forbidden", {}
    api.put("pods", made.pod("llm-75dd-a", replicas, labels={"pod-template-hash": "75dd"}))
    async with running(source()) as answers:
        job = (await answers.jobs("lab/llm"))["lab/llm"]
    assert job.owner == "Deployment/llm"


async def test_a_warning_says_why_a_job_has_no_pods(api: KubeApi, source: Callable[..., Source]) -> None:
    train = made.batch_job("train")
    api.put("jobs", train)
    api.put("events", made.warning(train, "FailedCreate", 'pods "train-" is forbidden: exceeded quota: gpus'))
    async with running(source()) as answers:
        job = await answers.job("lab/train", lambda one: bool(one.reason))
    assert job.state is JobState.PENDING
    assert "exceeded quota: gpus" in job.reason
    assert any(asked.get("fieldSelector") == "type=Warning" for _, asked in api.asked)


async def test_a_watch_that_falls_silent_is_opened_anew(
    api: KubeApi, source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_kube_watch, "_SILENT_SECONDS", 0.2)
    monkeypatch.setattr(_kube_watch, "_SHORT_SECONDS", 0.1)
    api.put("pods", made.pod("one"))
    async with running(source()) as answers:
        await watching(answers, api, times=3)
    assert api.count("pods", limit="500") == 1


async def test_an_answer_without_end_is_cut_off(
    api: KubeApi, source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_kube_client, "MOST_BYTES", 1000)
    for number in range(20):
        api.put("pods", made.pod(f"p{number}"))
    async with running(source()) as answers:
        failed: SourceAnswer = await answers.failed()
    assert "narrow the source" in failed.status.advice


async def test_nothing_stays_when_it_ends(api: KubeApi, source: Callable[..., Source]) -> None:
    async with running(source()) as answers:
        await watching(answers, api)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
