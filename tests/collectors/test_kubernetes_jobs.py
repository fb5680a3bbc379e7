"""What Kubernetes' objects mean: states, attempts, accelerators, nodes; and every sample is read, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collectors.sources import _kube_jobs as jobs
from collectors.sources import _kube_objects as objects
from collectors.sources import _kube_pods as pods
from collectors.sources._kube_client import Absent
from collectors.sources._kube_owners import path_of
from tests.support import kube_objects as made
from tests.support.parts import samples
from watchfloor.jobs.model import Job, JobState, SchedulerNode

GPU = "GPU-f124aa59-d406-d45b-9481-8fcd694e6c9e"
MIG = "MIG-2cc993d7-588c-5c28-b454-b3851897e3d7"


def facts(pod: dict[str, Any]) -> pods.PodFacts:
    return pods.pod_facts(objects.decode(json.dumps(pod).encode(), objects.Pod), "")


def batch(job: dict[str, Any]) -> pods.BatchFacts:
    return pods.batch_facts(objects.decode(json.dumps(job).encode(), objects.BatchJob), "")


def node(told: dict[str, Any]) -> SchedulerNode:
    return pods.node_facts(objects.decode(json.dumps(told).encode(), objects.Node))


def the_job(*things: dict[str, Any], above: dict[str, Any] | None = None) -> Job:
    """The one job of these pods and batch Jobs; `above`: uid of an owner -> its own, None for the outermost."""
    batches = {one["metadata"]["uid"]: batch(one) for one in things if one["kind"] == "Job"}
    found = jobs.groups([facts(one) for one in things if one["kind"] == "Pod"], batches, above or {}, ())
    (group,) = found.values()
    return jobs.job_of(group, "lab", None)


def at(minute: int) -> dict[str, Any]:
    return {"creationTimestamp": f"2026-11-22T19:{minute:02d}:00Z"}


@pytest.mark.parametrize(
    ("pod", "state", "told", "reason"),
    [
        (made.pod("p"), JobState.RUNNING, "Running", ""),
        (made.pod("p", node="", phase="Pending", status=made.waiting("no room")), JobState.PENDING, "Pending",
         "Unschedulable: no room"),
        (made.pod("p", node="", phase="Pending", status={"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "by kueue"}]}),
         JobState.HELD, "SchedulingGated", "SchedulingGated: by kueue"),
        (made.pod("p", phase="Pending", state={"waiting": {"reason": "ContainerCreating"}}), JobState.STARTING,
         "ContainerCreating", "ContainerCreating"),
        (made.pod("p", phase="Pending", state={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}),
         JobState.STARTING, "ImagePullBackOff", "ImagePullBackOff: no such image"),
        (made.pod("p", state={"waiting": {"reason": "CrashLoopBackOff"}}, restarts=3, last=made.ended(2)),
         JobState.STARTING, "CrashLoopBackOff", "CrashLoopBackOff: last ended with Error, exit code 2"),
        (made.pod("p", deletionTimestamp=made.MADE), JobState.ENDING, "Terminating", ""),
        (made.pod("p", phase="Succeeded", state=made.ended(0)), JobState.DONE, "Completed", ""),
        (made.pod("p", phase="Failed", state=made.ended(3)), JobState.FAILED, "Error", "exit code 3"),
        (made.pod("p", phase="Failed", state=made.ended(137, "OOMKilled")), JobState.OUT_OF_MEMORY, "OOMKilled",
         "OOMKilled"),
        (made.pod("p", phase="Failed", status={"reason": "Evicted", "message": "low on memory"}), JobState.FAILED,
         "Evicted", "Evicted: low on memory"),
        (made.pod("p", phase="Failed", status={"reason": "NodeShutdown"}), JobState.NODE_FAILED, "NodeShutdown",
         "NodeShutdown"),
        (made.pod("p", phase="Failed", state=made.ended(143), status={"conditions": [
            {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]}),
         JobState.PREEMPTED, "Error", "Error"),
        (made.pod("p", phase="Failed", status={"reason": "DeadlineExceeded"}), JobState.TIMED_OUT, "DeadlineExceeded",
         "DeadlineExceeded"),
        (made.pod("p", phase="Unknown"), JobState.UNKNOWN, "Unknown", ""),
    ],
    ids=lambda value: value if isinstance(value, str) and value else None,
)  # fmt: skip
def test_the_state_of_a_pod(pod: dict[str, Any], state: JobState, told: str, reason: str) -> None:
    job = the_job(pod)
    assert (job.state, job.told_state, job.reason) == (state, told, reason)
    assert job.id == "pod:uid-p"
    assert job.number == "lab/p"


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"nvidia.com/gpu": "8"}, 8),
        ({"nvidia.com/gpu": 2}, 2),
        ({"nvidia.com/mig-1g.5gb": "1", "nvidia.com/gpu": "1"}, 2),
        ({"nvidia.com/mig-1g.10gb.me": "1"}, 1),
        ({"amd.com/gpu": "4"}, 4),
        ({"google.com/tpu": "4"}, 4),
        ({"habana.ai/gaudi": "8"}, 8),
        ({"gpu.intel.com/i915": "1", "gpu.intel.com/millicores": "500", "gpu.intel.com/memory.max": "8G"}, 1),
        ({"aws.amazon.com/neuron": "1", "aws.amazon.com/neuroncore": "2", "aws.amazon.com/neurondevice": "1"}, 1),
        ({"aws.amazon.com/neuroncore": "2"}, 2),
        ({"nvidia.com/gpu": "0"}, 0),
        ({"cpu": "8", "rdma/hca": "1"}, 0),
    ],
)
def test_what_counts_as_an_accelerator(asked: dict[str, Any], count: int) -> None:
    pod = made.pod("p", gpus=0)
    pod["spec"]["containers"][0]["resources"] = {"limits": asked}
    assert (facts(pod).work.count, facts(pod).holds_devices) == (count, count > 0)


def test_init_containers_count_where_they_ask_for_more_and_sidecars_always() -> None:
    ask = {"resources": {"limits": {"nvidia.com/gpu": "2"}}}
    pod = made.pod("p", gpus=1, spec={})
    pod["spec"]["initContainers"] = [{"name": "warm-up", **ask}]
    assert facts(pod).work.count == 2
    pod["spec"]["initContainers"] = [{"name": "beside", "restartPolicy": "Always", **ask}]
    assert facts(pod).work.count == 3


def test_claims_of_devices_have_no_count_of_their_own() -> None:
    job = the_job(made.pod("p", gpus=0, spec={"resourceClaims": [{"name": "gpu"}]}))
    assert job.accelerators_wanted is None
    assert job.allocations[0].count is None


def test_devices_that_environment_or_annotations_name() -> None:
    by_environment = facts(made.pod("p", env=[{"name": "NVIDIA_VISIBLE_DEVICES", "value": f"{GPU},{MIG}"}]))
    assert by_environment.uuids == (GPU, MIG)
    by_index = facts(made.pod("p", gpus=0, env=[{"name": "NVIDIA_VISIBLE_DEVICES", "value": "3,1"}]))
    assert (by_index.uuids, by_index.indices, by_index.holds_devices) == ((), (1, 3), True)
    by_annotation = facts(made.pod("p", annotations={"hami.io/vgpu-devices-allocated": f"{GPU},NVIDIA,3000,30:;"}))
    assert by_annotation.uuids == (GPU,)
    assert facts(made.pod("p", env=[{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}])).indices is None
    assert facts(made.pod("p", env=[{"name": "CUDA_VISIBLE_DEVICES", "value": "0"}])).indices is None


def test_a_job_that_was_retried_tells_each_attempt() -> None:
    train = made.batch_job("train", conditions={"Failed": "BackoffLimitExceeded"})
    first = made.pod("a", train, phase="Failed", state=made.ended(137, "OOMKilled", "2026-11-22T19:10:00Z"), **at(0))
    second = made.pod(
        "b", train, phase="Failed", node="gpu002", state=made.ended(1, at="2026-11-22T19:30:00Z"), **at(11)
    )
    job = the_job(train, second, first)
    assert [(one.number, one.state, one.nodes, one.exit_code) for one in job.attempts] == [
        (1, JobState.OUT_OF_MEMORY, ("gpu001",), 137), (2, JobState.FAILED, ("gpu002",), 1)]  # fmt: skip
    assert (job.state, job.reason, job.attempt) == (JobState.FAILED, "exit code 1; BackoffLimitExceeded", 2)
    assert [one.pod for one in job.allocations] == ["uid-b"]
    assert (job.exit_code, job.ended) == (1, objects.seconds("2026-11-22T20:00:00Z"))


def test_while_a_job_backs_off_it_is_not_over() -> None:
    train = made.batch_job("train")
    job = the_job(train, made.pod("a", train, phase="Failed", state=made.ended(1), **at(0)))
    assert (job.state, job.told_state, job.reason) == (JobState.PENDING, "Backoff", "exit code 1")
    assert job.ended is None


def test_pods_side_by_side_are_one_attempt_and_an_index_counts_for_itself() -> None:
    train = made.batch_job("train", parallelism=2)
    index = "batch.kubernetes.io/job-completion-index"
    ranks = [made.pod(f"r{rank}", train, annotations={index: str(rank)}, **at(0)) for rank in range(2)]
    assert the_job(train, *ranks).attempt == 1
    ranks[1] = made.pod("r1", train, phase="Failed", state=made.ended(1), annotations={index: "1"}, **at(0))
    again = made.pod("r1-again", train, annotations={index: "1"}, **at(20))
    job = the_job(train, *ranks, again)
    assert (job.attempt, job.state, len(job.attempts)) == (2, JobState.RUNNING, 2)


def test_containers_restarted_in_their_place_are_attempts() -> None:
    pod = made.pod("p", restarts=3, last=made.ended(137, "OOMKilled"))
    job = the_job(pod)
    assert [(one.number, one.state, one.exit_code) for one in job.attempts] == [
        (3, JobState.OUT_OF_MEMORY, 137), (4, JobState.RUNNING, None)]  # fmt: skip
    assert job.attempt == 4


def test_a_jobset_is_one_job_and_its_restarts_are_attempts() -> None:
    owner = made.thing("JobSet", "llm", "jobset.x-k8s.io/v1alpha2")
    workers = [made.batch_job(f"llm-{number}", owner) for number in range(2)]
    label = {"jobset.sigs.k8s.io/restart-attempt": "2"}
    ranks = [made.pod(f"llm-{number}-0", one, labels=label) for number, one in enumerate(workers)]
    job = the_job(*workers, *ranks, above={"uid-llm": None})
    assert (job.id, job.owner, job.attempt, job.nodes_wanted) == ("kube:uid-llm", "JobSet/llm", 3, 2)
    assert len(job.allocations) == 2


def test_a_suspended_job_waits_in_its_queue() -> None:
    job = the_job(
        made.batch_job("train", parallelism=4, suspend=True, labels={"kueue.x-k8s.io/queue-name": "research"})
    )
    assert (job.state, job.reason, job.queue) == (JobState.HELD, "waits in queue research", "research")
    assert (job.nodes_wanted, job.accelerators_wanted, job.allocations) == (4, 32, ())


def test_a_service_has_replicas_and_no_attempts() -> None:
    replicas = made.thing("ReplicaSet", "web-1", owner=made.thing("Deployment", "web"))
    deployment = objects.Owner("Deployment", "web", "uid-web", "apps/v1", True)
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    pair = [made.pod("web-a", replicas, status=ready, restarts=2),
            made.pod("web-b", replicas, node="", phase="Pending", status=made.waiting("no room"))]  # fmt: skip
    job = the_job(*pair, above={"uid-web-1": deployment, "uid-web": None})
    assert (job.id, job.owner, job.attempts) == ("kube:uid-web", "Deployment/web", ())
    assert (job.labels["ready"], job.labels["restarts"]) == ("1/2", "2")
    assert (job.state, job.reason) == (JobState.RUNNING, "1 of 2 pods not running: Unschedulable: no room")


def test_a_pod_is_left_out_until_its_owner_is_known() -> None:
    pod = facts(made.pod("p", made.thing("ReplicaSet", "web-1")))
    assert jobs.groups([pod], {}, {}, ()) == {}
    assert list(jobs.groups([pod], {}, {"uid-web-1": None}, ())) == ["uid-web-1"]


def test_owners_are_found_by_their_plural_and_names_cannot_lead_elsewhere() -> None:
    def where(kind: str, api: str, name: str = "x") -> str:
        return path_of("lab", objects.Owner(kind, name, "u", api))

    assert where("ReplicaSet", "apps/v1") == "/apis/apps/v1/namespaces/lab/replicasets/x"
    assert where("ReplicationController", "v1") == "/api/v1/namespaces/lab/replicationcontrollers/x"
    assert where("Proxy", "a.b/v1").endswith("/proxies/x")
    assert where("Job", "batch/v1", "../../secrets/s").endswith("/jobs/..%2F..%2Fsecrets%2Fs")
    for api, name in (("../v1", "x"), ("batch/..", "x"), ("v1", ".."), ("batch/v1", "")):
        with pytest.raises(Absent):
            where("Job", api, name)


@pytest.mark.parametrize(
    ("told", "state", "takes_work", "reason"),
    [
        (made.node("n"), "ready", True, ""),
        (made.node("n", unschedulable=True), "ready+cordoned", False, ""),
        (made.node("n", ready="Unknown"), "notready", False, "NodeStatusUnknown: Kubelet stopped posting node status."),
        (made.node("n", taints=[{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]), "ready", True,
         ""),
        (made.node("n", taints=[{"key": "maintenance", "value": "true", "effect": "NoExecute"}]), "ready+tainted", True,
         "taint maintenance=true:NoExecute"),
    ],
)  # fmt: skip
def test_the_state_of_a_node(told: dict[str, Any], state: str, takes_work: bool, reason: str) -> None:
    found = node(told)
    assert (found.state, found.takes_work, found.reason, found.accelerators) == (state, takes_work, reason, 8)
    assert found.accelerators_used is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("100m", 0.1),
        ("2Gi", 2**31),
        ("1e3", 1000),
        ("4k", 4000),
        (3, 3),
        ("1.5", 1.5),
        ("lots", None),
        (None, None),
    ],
)
def test_quantities(text: objects.Quantity | None, value: float | None) -> None:
    assert objects.number(text) == value


# -- samples

LISTS = {
    "ceems-pods-metadata.json": 4,
    "pods.json": 11,
    "nodes.json": 8,
    "events.json": 31,
    "jobs-deploy-pdb-rs.json": 5,
}
ONES = {"k9s-job.json": 1, "k9s-no.json": 1, "k9s-po.json": 1, "node-notready.json": 1}
_KINDS = {"Pod": objects.Pod, "Node": objects.Node, "Event": objects.Event, "Job": objects.BatchJob}


def sample(name: str) -> bytes:
    folder = samples("kubernetes")
    file = folder / name
    return (file if file.exists() else Path(samples("kubernetes-live-1.20")) / name).read_bytes()


def things(name: str) -> list[Any]:
    raw = sample(name)
    told = json.loads(raw)
    items = objects.decode(raw, objects.ObjectList).items if "items" in told else [raw]
    kinds = [one["kind"] for one in told.get("items", [told])]
    return [
        objects.decode(one, _KINDS.get(kind, objects.OnlyMeta)) for one, kind in zip(items or [], kinds, strict=True)
    ]


@pytest.mark.parametrize("name", [*LISTS, *ONES])
def test_every_sample_is_read(name: str) -> None:
    found = things(name)
    assert len(found) == {**LISTS, **ONES}[name]
    for one in found:
        assert one.metadata.name or isinstance(one, objects.Event)
        if isinstance(one, objects.Pod):
            assert pods.pod_facts(one, "").state is not JobState.UNKNOWN
        if isinstance(one, objects.BatchJob):
            pods.batch_facts(one, "")
        if isinstance(one, objects.Node):
            assert pods.node_facts(one).state
        if isinstance(one, objects.Event):
            assert pods.event_facts(one).at > 0


def test_the_live_sample_as_a_whole() -> None:
    pod_facts = [pods.pod_facts(one, "") for one in things("pods.json")]
    batches = {one.metadata.uid: pods.batch_facts(one, "") for one in things("jobs-deploy-pdb-rs.json")
               if isinstance(one, objects.BatchJob)}  # fmt: skip
    above = {one.metadata.uid: one.metadata.owner for one in things("jobs-deploy-pdb-rs.json")}
    found = [jobs.job_of(group, "live", None) for group in jobs.groups(pod_facts, batches, above, ()).values()]
    told = {job.number: (job.state, len(job.allocations), job.attempt) for job in found}
    assert told == {
        "default/crashy": (JobState.PENDING, 0, 2),  # its Job doesn't say yet that it gives up
        "default/infer": (JobState.RUNNING, 4, 1),
        "default/too-big": (JobState.PENDING, 0, 1),
        "default/train-llm": (JobState.RUNNING, 4, 1),
    }


def test_a_node_that_fell_silent_in_the_live_sample() -> None:
    found = pods.node_facts(things("node-notready.json")[0])
    assert (found.name, found.state, found.takes_work) == ("gpu004", "notready", False)
    assert found.reason == "NodeStatusUnknown: Kubelet stopped posting node status."


def test_numbers_where_kubernetes_has_texts_are_read_too() -> None:
    assert [pods.pod_facts(one, "").work.count for one in things("ceems-pods-metadata.json")][:2] == [3, 4]


@pytest.mark.parametrize("name", ["ceems-nvidia-pod-resources.json", "describe-node-notready.txt"])
def test_what_the_api_server_does_not_tell_is_refused(name: str) -> None:
    with pytest.raises(msgspec.DecodeError, match=r"missing required field `metadata`|JSON is malformed"):
        objects.decode(sample(name), objects.ObjectList)
