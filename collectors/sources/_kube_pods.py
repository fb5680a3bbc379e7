"""What is kept of a pod, a batch Job, a node and an event: small facts, compared by identity. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from collectors.probe.commands import command_text
from collectors.sources import _kube_devices as devices
from collectors.sources._kube_objects import (
    BatchJob,
    Condition,
    Container,
    ContainerStatus,
    Event,
    Meta,
    Node,
    Owner,
    Pod,
    PodSpec,
    PodStatus,
    Taint,
    Terminated,
    seconds,
)
from watchfloor.jobs.model import JobState, SchedulerNode

_LONGEST = 300  # characters of a reason
_MOST_LABELS = 16
_QUEUES = ("kueue.x-k8s.io/queue-name", "scheduling.volcano.sh/queue-name", "volcano.sh/queue-name", "runai/queue")
_INDEX = "batch.kubernetes.io/job-completion-index"
_RESTART = "jobset.sigs.k8s.io/restart-attempt"
_DULL = ("controller-uid", "job-name", "pod-template-hash", "controller-revision-hash", "pod-template-generation",
         "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "batch.kubernetes.io/job-name",
         "batch.kubernetes.io/controller-uid", _INDEX)  # fmt: skip

_ON_ITS_WAY = (None, "ContainerCreating", "PodInitializing")

# why the control plane ended a pod: the reason of its condition DisruptionTarget, or of its status
_ENDED_BY = {
    "PreemptionByScheduler": JobState.PREEMPTED,
    "Preempting": JobState.PREEMPTED,
    "DeletionByTaintManager": JobState.NODE_FAILED,
    "DeletionByPodGC": JobState.NODE_FAILED,
    "NodeLost": JobState.NODE_FAILED,
    "NodeShutdown": JobState.NODE_FAILED,
    "Shutdown": JobState.NODE_FAILED,
    "EvictionByEvictionAPI": JobState.CANCELLED,
    "DeadlineExceeded": JobState.TIMED_OUT,
}


@dataclass(frozen=True, slots=True, eq=False)
class Execution:
    """One run of a pod's containers."""

    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What a pod, or the template of pods, is to do and asks for."""

    accelerators: Mapping[str, int]
    claims: bool  # it asks for devices by claims, whose number isn't told here
    kind: str
    cpus: int | None
    memory_bytes: int | None
    priority: float | None
    priority_class: str
    queue: str
    image: str
    command: str
    working_directory: str
    service_account: str

    @property
    def count(self) -> int | None:
        return sum(self.accelerators.values()) if self.accelerators or not self.claims else None


@dataclass(frozen=True, slots=True, eq=False)
class PodFacts:
    uid: str
    namespace: str
    name: str
    owner: Owner | None
    created: float | None
    state: JobState
    told_state: str
    reason: str
    node: str
    present: Execution
    before: Execution | None  # the run before it, of the container that was restarted most
    restarts: int
    ready: bool
    work: Work
    uuids: tuple[str, ...]
    indices: tuple[int, ...] | None
    completion_index: str
    restart_attempt: int
    template_hash: str
    deadline: float | None
    user: str
    labels: Mapping[str, str]

    @property
    def holds_devices(self) -> bool:
        return bool(self.work.accelerators or self.work.claims or self.uuids or self.indices)


@dataclass(frozen=True, slots=True, eq=False)
class BatchFacts:
    uid: str
    namespace: str
    name: str
    owner: Owner | None
    created: float | None
    state: JobState  # UNKNOWN while its pods tell
    reason: str
    started: float | None
    ended: float | None
    parallelism: int | None
    deadline: float | None
    work: Work
    user: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class EventFacts:
    about: str  # uid of an object
    at: float
    text: str


def pod_facts(pod: Pod, user_label: str) -> PodFacts:
    meta, status = pod.metadata, pod.status
    state, told, reason = pod_state(pod)
    most = max(status.container_statuses or (), key=lambda one: one.restart_count, default=None)
    uuids, indices = devices.devices(pod.spec, meta)
    labels = meta.labels or {}
    restart = labels.get(_RESTART, "")
    return PodFacts(
        meta.uid, meta.namespace, meta.name, meta.owner, seconds(meta.creation_timestamp), state, told, reason,
        pod.spec.node_name or "", _present(status, state), _before(most), most.restart_count if most else 0,
        _is(status.conditions, "Ready"), work(pod.spec, meta), uuids, indices,
        (meta.annotations or {}).get(_INDEX) or labels.get(_INDEX, ""), int(restart) if restart.isdecimal() else 0,
        labels.get("pod-template-hash", ""), pod.spec.active_deadline_seconds, _user(meta, user_label), _kept(labels),
    )  # fmt: skip


def work(spec: PodSpec, meta: Meta) -> Work:
    amounts = devices.asked(spec)
    found = devices.accelerators(amounts)
    cpus, memory = amounts.get("cpu"), amounts.get("memory")
    main = _main(spec.containers or ())
    told = {**(meta.annotations or {}), **(meta.labels or {})}
    return Work(
        found, bool(spec.resource_claims), devices.kind_asked_for(spec, found),
        None if cpus is None else math.ceil(cpus), None if memory is None else int(memory),
        spec.priority, spec.priority_class_name or "", next((told[name] for name in _QUEUES if name in told), ""),
        main.image or "", _command(main), main.working_dir or "", spec.service_account_name or "",
    )  # fmt: skip


def pod_state(pod: Pod) -> tuple[JobState, str, str]:
    """Its state, the word that kubectl has for it, and why."""
    status = pod.status
    statuses = [*(status.init_container_statuses or ()), *(status.container_statuses or ())]
    if status.phase in ("Succeeded", "Failed"):
        return _over(status, statuses)
    if pod.metadata.deletion_timestamp:
        disrupted = _condition(status.conditions, "DisruptionTarget")
        why = status.message or (disrupted.message if disrupted and disrupted.status == "True" else "")
        return JobState.ENDING, "Terminating", text(status.reason, why)
    if status.phase == "Pending" and not pod.spec.node_name:
        return _unplaced(status)
    return _placed(status, statuses)


def _unplaced(status: PodStatus) -> tuple[JobState, str, str]:
    placed = _condition(status.conditions, "PodScheduled") or Condition()
    gated = placed.reason == "SchedulingGated"
    return (
        JobState.HELD if gated else JobState.PENDING,
        "SchedulingGated" if gated else "Pending",
        text(placed.reason, placed.message),
    )


def _placed(status: PodStatus, statuses: Sequence[ContainerStatus]) -> tuple[JobState, str, str]:
    waits = [one.state.waiting for one in statuses if one.state and one.state.waiting]
    waiting = next((one for one in waits if one.reason not in _ON_ITS_WAY), waits[0] if waits else None)
    if status.phase == "Unknown":
        return JobState.UNKNOWN, "Unknown", text(status.reason, status.message)
    if waiting is not None:
        word = waiting.reason or "ContainerCreating"
        why = "" if word in _ON_ITS_WAY else waiting.message or _last_words(statuses)
        return JobState.STARTING, word, text(word, why)
    if status.phase == "Running":
        return JobState.RUNNING, "Running", ""
    return JobState.STARTING, status.phase or "Pending", text(status.reason, status.message)


def _over(status: PodStatus, statuses: Sequence[ContainerStatus]) -> tuple[JobState, str, str]:
    if status.phase == "Succeeded":
        return JobState.DONE, "Completed", ""
    end = _worst_end(statuses)
    word = status.reason or (end.reason if end else None) or "Error"
    why = text(word, status.message or (end.message if end else None))
    disrupted = _condition(status.conditions, "DisruptionTarget")
    told = disrupted.reason if disrupted and disrupted.status == "True" else status.reason
    if told in _ENDED_BY:
        return _ENDED_BY[told], word, why
    if any(one.reason == "OOMKilled" for one in _ends(statuses)):
        return JobState.OUT_OF_MEMORY, "OOMKilled", text("OOMKilled", status.message)
    if end and end.exit_code is not None and end.reason in (None, "Error"):
        why = text(f"exit code {end.exit_code}", status.message or end.message)
    return JobState.FAILED, word, why


def batch_facts(job: BatchJob, user_label: str) -> BatchFacts:
    meta, spec, status = job.metadata, job.spec, job.status
    state, reason, ended = _batch_state(job)
    template = Meta(
        labels={**(meta.labels or {}), **(spec.template.metadata.labels or {})},
        annotations={**(meta.annotations or {}), **(spec.template.metadata.annotations or {})},
    )
    return BatchFacts(
        meta.uid, meta.namespace, meta.name, meta.owner, seconds(meta.creation_timestamp), state, reason,
        seconds(status.start_time), ended, spec.parallelism, spec.active_deadline_seconds,
        work(spec.template.spec, template), _user(template, user_label), _kept(template.labels or {}),
    )  # fmt: skip


def _batch_state(job: BatchJob) -> tuple[JobState, str, float | None]:
    for condition in job.status.conditions or ():
        at = seconds(condition.last_transition_time)
        if condition.status != "True":
            continue
        if condition.type == "Complete":
            return JobState.DONE, "", seconds(job.status.completion_time) or at
        if condition.type == "Failed":
            state = _ENDED_BY.get(condition.reason or "", JobState.FAILED)
            return state, text(condition.reason, condition.message), at
    if job.spec.suspend:
        return JobState.HELD, "suspended", None
    return JobState.UNKNOWN, "", None


def event_facts(event: Event) -> EventFacts:
    at = seconds(event.last_timestamp) or seconds(event.event_time) or seconds(event.metadata.creation_timestamp)
    return EventFacts(event.involved_object.uid, at or 0.0, text(event.reason, event.message))


def node_facts(node: Node) -> SchedulerNode:
    """As its scheduler sees it, without what is in use.

    Only a cordon, or a node that isn't ready, keeps all work away: pods may tolerate any taint, so taints are told.
    """
    ready = _condition(node.status.conditions, "Ready")
    is_ready = ready is not None and ready.status == "True"
    cordoned = bool(node.spec.unschedulable)
    taints = [taint for taint in node.spec.taints or () if _is_news(taint)]
    words = ["ready" if is_ready else "notready"] + ["cordoned"] * cordoned + ["tainted"] * bool(taints)
    reasons = [] if is_ready or ready is None else [text(ready.reason, ready.message)]
    reasons += [f"taint {one.key}{'=' + one.value if one.value else ''}:{one.effect}" for one in taints]
    pressed = [one for one in node.status.conditions or () if one.type.endswith("Pressure") and one.status == "True"]
    reasons += [text(one.reason or one.type, one.message) for one in pressed]
    hostname = next((one.address for one in node.status.addresses or () if one.type == "Hostname"), "")
    usable = None if node.status.allocatable is None else devices.accelerators(node.status.allocatable)
    return SchedulerNode(
        node.metadata.name,
        "+".join(words),
        hostname if hostname != node.metadata.name else "",
        is_ready and not cordoned,
        "; ".join(reasons)[:_LONGEST],
        None if usable is None else sum(usable.values()),
        since=seconds(ready.last_transition_time) if ready and not is_ready else None,
        notes=tuple(sorted((name, told) for name, told in (node.metadata.annotations or {}).items() if _is_own(name))),
    )


def _is_own(annotation: str) -> bool:
    return annotation.startswith("watchfloor/")


def _is_news(taint: Taint) -> bool:
    """Not what the state says already, nor what keeps accelerators for those who ask for some."""
    return not taint.key.startswith("node.kubernetes.io/") and not devices.accelerators({taint.key: 1})


def text(reason: str | None, message: str | None) -> str:
    """ "Unschedulable: 0/8 nodes are available", on one line."""
    line = ": ".join(part.strip() for part in (reason, message) if part and part.strip())
    line = "".join(char if char.isprintable() else " " for char in line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _present(status: PodStatus, state: JobState) -> Execution:
    statuses = status.container_statuses or []
    running = [seconds(one.state.running.started_at) for one in statuses if one.state and one.state.running]
    ended = _worst_end(statuses)
    began = [at for at in running if at is not None]
    start = min(began) if began else seconds(ended.started_at) if ended else None
    if not state.is_over:
        return Execution(start or (seconds(status.start_time) if state.holds_nodes else None))
    ends = [at for one in _ends(statuses) if (at := seconds(one.finished_at)) is not None]
    started = start or seconds(status.start_time)
    if ended is None:
        return Execution(started)
    return Execution(started, max(ends, default=None), ended.exit_code, ended.signal or None, ended.reason or "")


def _before(status: ContainerStatus | None) -> Execution | None:
    """The end that a container was restarted after; one that waits for its restart shows it in its last state."""
    end = status.last_state.terminated if status and status.last_state else None
    if end is None:
        return None
    return Execution(seconds(end.started_at), seconds(end.finished_at), end.exit_code, end.signal or None,
                     text(end.reason, end.message))  # fmt: skip


def _ends(statuses: Iterable[ContainerStatus]) -> list[Terminated]:
    return [one.state.terminated for one in statuses if one.state and one.state.terminated]


def _worst_end(statuses: Iterable[ContainerStatus]) -> Terminated | None:
    """The first that failed, else the first."""
    ends = _ends(statuses)
    return next((one for one in ends if one.exit_code), ends[0] if ends else None)


def _last_words(statuses: Iterable[ContainerStatus]) -> str:
    for one in statuses:
        end = one.last_state.terminated if one.last_state else None
        if end is not None and one.state and one.state.waiting:
            return f"last ended with {end.reason or 'Error'}, exit code {end.exit_code}"
    return ""


def _condition(conditions: list[Condition] | None, kind: str) -> Condition | None:
    return next((one for one in conditions or () if one.type == kind), None)


def _is(conditions: list[Condition] | None, kind: str) -> bool:
    found = _condition(conditions, kind)
    return found is not None and found.status == "True"


def _main(containers: Iterable[Container]) -> Container:
    """The one with the most accelerators, else the first."""
    return max(
        containers,
        key=lambda one: sum(devices.accelerators(one.resources.asked if one.resources else {}).values()),
        default=Container(),
    )


def _command(container: Container) -> str:
    words = [*(container.command or ()), *(container.args or ())]
    return command_text("\0".join(words), "") if words else ""


def _user(meta: Meta, label: str) -> str:
    return ((meta.labels or {}).get(label) or (meta.annotations or {}).get(label) or "") if label else ""


def _kept(labels: Mapping[str, str]) -> Mapping[str, str]:
    return {name: labels[name] for name in sorted(labels.keys() - set(_DULL))[:_MOST_LABELS]}
