"""The source of Kubernetes' jobs against a real control plane: `make test-kubernetes`, and nothing else, runs these.

With KUBECONFIG set that cluster is only read. Otherwise one is brought up here; its kubelets are stand-ins.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from collectors.sources._kube_client import Api
from collectors.sources.kubernetes import Source
from tests.support import kube_objects as made
from tests.support.answers import is_ok, running
from tests.support.kubernetes.control_plane import ControlPlane
from tests.support.kubernetes.kubelets import Kubelets
from tests.support.kubernetes.work import NODES, PROGRAMS, batch_job, create, deployment, pods_of, source_of
from watchfloor.jobs.model import JobState

CLUSTER = os.environ.get("KUBECONFIG", "")

pytestmark = [
    pytest.mark.skipif(not PROGRAMS, reason="runs by `make test-kubernetes`"),
    pytest.mark.timeout(300),
]
ours = pytest.mark.skipif(bool(CLUSTER), reason="a cluster that is somebody's is only read")


async def test_any_cluster_is_read_as_it_tells() -> None:
    if not CLUSTER:
        pytest.skip("no KUBECONFIG: the others bring up a control plane")
    api = Api(CLUSTER, "", 20.0)
    nodes = {node["metadata"]["name"] for node in json.loads(await api.get("/api/v1/nodes"))["items"]}
    await api.close()
    async with running(source_of(CLUSTER)) as answers:
        answer = await answers.until(lambda one: is_ok(one) and {node.name for node in one.nodes} == nodes)
    print(f"{answer.status.version}: {len(nodes)} nodes, {len(answer.jobs)} jobs")


@ours
async def test_jobs_services_and_what_finds_no_room(plane: ControlPlane, kubelets: Kubelets) -> None:
    create(kubelets, batch_job("train", parallelism=2))
    alone = made.pod("too-big", gpus=16, node="")
    del alone["status"]
    create(kubelets, alone)
    async with running(source_of(str(plane.kubeconfig("admin")))) as answers:
        train = await answers.job("lab/train", lambda job: job.state is JobState.RUNNING and len(job.allocations) == 2)
        create(kubelets, deployment("llm", 2, gpus=4))  # only now: half a node each would leave no two whole ones
        llm = await answers.job("lab/llm", lambda job: job.labels.get("ready") == "2/2")
        big = await answers.job("lab/too-big", lambda job: "Insufficient nvidia.com/gpu" in job.reason)
        answer = await answers.until(lambda one: sum(node.accelerators_used or 0 for node in one.nodes) == 24)
    assert {one.pod for one in train.allocations} == {pod["metadata"]["uid"] for pod in pods_of(kubelets, "train-")}
    assert {one.node for one in train.allocations} < set(NODES)
    assert (train.accelerators_wanted, llm.accelerators_wanted, llm.owner) == (16, 8, "Deployment/llm")
    assert (big.state, big.accelerators_wanted) == (JobState.PENDING, 16)
    assert answer.status.version == "v1.20.2"
    assert {node.name: (node.state, node.accelerators) for node in answer.nodes} == dict.fromkeys(NODES, ("ready", 8))


@ours
async def test_a_job_that_fails_is_tried_again_and_then_over(plane: ControlPlane, kubelets: Kubelets) -> None:
    create(kubelets, batch_job("crashy", backoffLimit=1))
    async with running(source_of(str(plane.kubeconfig("admin")))) as answers:
        await answers.job("lab/crashy", lambda job: job.state is JobState.RUNNING and job.attempt == 1)
        kubelets.end(pods_of(kubelets, "crashy-")[0], 137, "OOMKilled")
        second = await answers.job("lab/crashy", lambda job: job.state is JobState.RUNNING and job.attempt == 2)
        assert (second.attempts[0].state, second.attempts[0].exit_code) == (JobState.OUT_OF_MEMORY, 137)
        running_now = [pod for pod in pods_of(kubelets, "crashy-") if pod["status"]["phase"] == "Running"]
        kubelets.end(running_now[0], 1)
        over = await answers.job("lab/crashy", lambda job: job.state.is_over and job.told_state == "Failed")
    assert (over.state, over.exit_code, len(over.attempts)) == (JobState.FAILED, 1, 2)
    assert "BackoffLimitExceeded" in over.reason
    assert over.ended is not None


@ours
async def test_cordon_and_a_node_that_falls_silent(plane: ControlPlane, kubelets: Kubelets) -> None:
    job = batch_job("train", parallelism=3)
    job["spec"]["template"]["spec"]["tolerations"] = [
        {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
    ]
    create(kubelets, job)
    async with running(source_of(str(plane.kubeconfig("admin")))) as answers:
        await answers.job("lab/train", lambda job: len(job.allocations) == 3 and job.state is JobState.RUNNING)
        kubelets.call(
            "PATCH", "/api/v1/nodes/gpu001", {"spec": {"unschedulable": True}}, "application/merge-patch+json"
        )
        answer = await answers.until(lambda one: any(node.state == "ready+cordoned" for node in one.nodes))
        assert [node.name for node in answer.nodes if not node.takes_work] == ["gpu001"]
        kubelets.silence("gpu002")
        answer = await answers.until(lambda one: any(node.state == "notready" for node in one.nodes))
        silent = next(node for node in answer.nodes if node.state == "notready")
        assert (silent.name, silent.takes_work) == ("gpu002", False)
        assert silent.reason == "NodeStatusUnknown: Kubelet stopped posting node status."
        train = await answers.job("lab/train", lambda job: "not running" in job.reason)
        kubelets.speak("gpu002")
        await answers.until(lambda one: all(node.state != "notready" for node in one.nodes))
    assert train.state is JobState.RUNNING


@ours
async def test_who_may_not_see_nodes_is_told_so(plane: ControlPlane, kubelets: Kubelets) -> None:
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
               "metadata": {"name": "viewers"}, "subjects": [{"kind": "Group", "name": "viewers"}],
               "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}}  # fmt: skip
    kubelets.call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    create(kubelets, batch_job("train"))
    async with running(source_of(str(plane.kubeconfig("viewer")))) as answers:
        await answers.job("lab/train", lambda job: job.state is JobState.RUNNING)
        answer = await answers.until(lambda one: is_ok(one) and "nodes is forbidden" in one.status.text)
        assert 'User "viewer" cannot list resource "nodes"' in answer.status.text
    async with running(source_of(str(plane.kubeconfig("stranger")))) as answers:
        failed = (await answers.failed()).status
    assert "403 pods is forbidden" in failed.text


@ours
async def test_a_server_that_is_restarted_and_a_version_too_old(plane: ControlPlane, kubelets: Kubelets) -> None:
    create(kubelets, batch_job("train"))
    source = source_of(str(plane.kubeconfig("admin")))
    async with running(source) as answers:
        before = await answers.job("lab/train", lambda job: job.state is JobState.RUNNING)
        plane.stop_server()
        failed = await answers.failed()
        assert "nothing listens there" in failed.status.text
        assert before.id in {job.id for job in failed.jobs}
        plane.start_server()
        source.wake()
        await answers.until(is_ok)
        create(kubelets, batch_job("after"))
        await answers.job("lab/after", lambda job: job.state is JobState.RUNNING)

        anew = _counting(source)
        source._pods._version = "1"  # long gone
        plane.stop_server()
        await answers.failed()
        plane.start_server()
        source.wake()
        await answers.until(lambda one: is_ok(one) and anew() > 0)
        create(kubelets, batch_job("last"))
        await answers.job("lab/last", lambda job: job.state is JobState.RUNNING)


def _counting(source: Source) -> Callable[[], int]:
    """How often the pods were listed from here on."""
    listed = 0
    original = source._pods._list

    async def counted() -> None:
        nonlocal listed
        await original()
        listed += 1

    source._pods._list = counted
    return lambda: listed
