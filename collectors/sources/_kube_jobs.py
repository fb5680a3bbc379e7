"""Pods and batch Jobs of a cluster as jobs: what a person asked for is one, its pods are its allocations. Pure.

The unit is the outermost owner (JobSet, RayJob, Deployment …) below whatever makes it on a schedule; a pod without an
owner is a job of its own. Pods of a kind of work that runs to an end and fails are replaced: their replacements are
the further attempts. Services have no attempts, their replicas restart one by one.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from collectors.sources._kube_objects import Owner
from collectors.sources._kube_pods import BatchFacts, EventFacts, Execution, PodFacts
from watchfloor.jobs.model import Allocation, Attempt, Job, JobState

KIND = "kubernetes"
_SCHEDULES = frozenset({"CronJob", "CronWorkflow", "ScaledJob", "ScheduledSparkApplication", "ScheduledWorkflow"})
_SERVICES = frozenset(
    {"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "LeaderWorkerSet", "Rollout",
     "RayService", "RayCluster", "InferenceService", "LLMInferenceService", "Revision", "DynamoGraphDeployment"}
)  # fmt: skip
_MOST_OWNERS = 8  # one above the other
_MOST_ATTEMPTS = 64  # the newest ones
# of several pods, what is said of all: the first that any of them is in
_TELLING = (JobState.RUNNING, JobState.STARTING, JobState.ENDING, JobState.PENDING, JobState.HELD, JobState.UNKNOWN)
_WORST = (JobState.NODE_FAILED, JobState.OUT_OF_MEMORY, JobState.PREEMPTED, JobState.TIMED_OUT, JobState.FAILED,
          JobState.CANCELLED, JobState.DONE)  # fmt: skip


@dataclass(slots=True)
class Group:
    """The pods and batch Jobs of one unit. `owner` is None for a pod of its own; `made_by` is what scheduled it."""

    owner: Owner | None
    made_by: str = ""
    pods: list[PodFacts] = field(default_factory=list)
    batch: list[BatchFacts] = field(default_factory=list)

    @property
    def is_service(self) -> bool:
        return self.owner is not None and self.owner.kind in _SERVICES


def groups(
    pods: Iterable[PodFacts],
    batch: Mapping[str, BatchFacts],
    above: Mapping[str, Owner | None],
    unread: Container[str],
) -> dict[str, Group]:
    """Pods and batch Jobs by the uid of their unit.

    `above`: uid of an owner -> its own owner; `unread`: those that can't be read. What is in neither is yet to be
    asked: its pods are left out until then, so that a unit doesn't change its id.
    """
    found: dict[str, Group] = {}
    seen: dict[str, tuple[Owner, str] | None] = {}

    def unit(owner: Owner, template_hash: str = "") -> tuple[Owner, str] | None:
        if owner.uid not in seen:
            seen[owner.uid] = _outermost(owner, template_hash, batch, above, unread)
        return seen[owner.uid]

    for pod in pods:
        if pod.owner is None:
            found[pod.uid] = Group(None, pods=[pod])
        elif outermost := unit(pod.owner, pod.template_hash):
            found.setdefault(outermost[0].uid, Group(*outermost)).pods.append(pod)
    for job in batch.values():
        outermost = unit(Owner("Job", job.name, job.uid, "batch/v1", True))
        if outermost and (outermost[0].uid in found or job.work.accelerators or job.work.claims):
            found.setdefault(outermost[0].uid, Group(*outermost)).batch.append(job)
    return found


def _outermost(
    owner: Owner,
    template_hash: str,
    batch: Mapping[str, BatchFacts],
    above: Mapping[str, Owner | None],
    unread: Container[str],
) -> tuple[Owner, str] | None:
    for _ in range(_MOST_OWNERS):
        job = batch.get(owner.uid)
        if job is None and owner.uid not in above:
            return (_named_by_hash(owner, template_hash), "") if owner.uid in unread else None
        over = job.owner if job else above[owner.uid]
        if over is None:
            return owner, ""
        if over.kind in _SCHEDULES:
            return owner, f"{over.kind}/{over.name}"
        owner = over
    return owner, ""


def _named_by_hash(owner: Owner, template_hash: str) -> Owner:
    """A ReplicaSet that can't be read still tells its Deployment: its name is that one's, and the hash."""
    name = owner.name.removesuffix(f"-{template_hash}")
    if owner.kind != "ReplicaSet" or not template_hash or name == owner.name:
        return owner
    return Owner("Deployment", name, owner.uid, owner.api_version, True)


def job_of(group: Group, source: str, warning: EventFacts | None) -> Job:
    """The job of a group; `warning` is the newest event that complains about its owner or pods."""
    pods = sorted(group.pods, key=lambda pod: (pod.created or 0.0, pod.name))
    numbers = {} if group.is_service else _numbers(pods)
    attempts = () if group.is_service or not pods else _attempts(pods, numbers)
    state, told, reason = _state(group, pods, attempts)
    first = pods[-1] if pods else group.batch[0]
    work, owner = first.work, group.owner
    live = [pod for pod in pods if not pod.state.is_over]
    last = max(numbers.values(), default=0)
    shown = live if not state.is_over or group.is_service else [pod for pod in pods if numbers[pod.uid] == last]
    ends = [job.ended for job in group.batch if job.ended is not None]
    started, ended, exit_code, signal = _times(attempts, shown, state)
    counts = [pod.work.count for pod in live] or [job.work.count for job in group.batch for _ in range(_wide(job))]
    present = attempts[-1].number if attempts else 1
    return Job(
        id=f"kube:{owner.uid}" if owner else f"pod:{first.uid}",
        source=source,
        kind=KIND,
        number=f"{first.namespace}/{owner.name if owner else first.name}",
        name=owner.name if owner else first.name,
        user=next((one.user for one in (*pods, *group.batch) if one.user), ""),
        account=first.namespace,
        queue=next((one.work.queue for one in (*group.batch, *pods) if one.work.queue), ""),
        qos=work.priority_class,
        state=state,
        told_state=told,
        reason=reason or _complaint(warning, state),
        submitted=min((one.created for one in (*group.batch, *pods) if one.created is not None), default=None),
        started=started,
        ended=(max(ends) if ends else ended) if state.is_over else None,
        time_limit_seconds=next((one.deadline for one in (*group.batch, *pods) if one.deadline is not None), None),
        priority=work.priority,
        allocations=tuple(_allocation(pod) for pod in shown if pod.node),
        nodes_wanted=sum(map(_wide, group.batch)) or len(live) or None,
        accelerators_wanted=None if None in counts or not counts else sum(filter(None, counts)),
        accelerator_kind=work.kind,
        owner=group.made_by or (f"{owner.kind}/{owner.name}" if owner else ""),
        attempt=present,
        attempts=attempts,
        exit_code=exit_code if state.is_over else None,
        signal=signal if state.is_over else None,
        command=work.command,
        working_directory=work.working_directory,
        image=work.image,
        labels=_facts(group, live),
    )


def _facts(group: Group, live: Sequence[PodFacts]) -> dict[str, str]:
    newest = (group.pods or group.batch)[-1]
    facts = dict(newest.labels)
    if group.is_service:
        facts["ready"] = f"{sum(pod.ready for pod in live)}/{len(live)}"
        facts["restarts"] = str(sum(pod.restarts for pod in live))
    if newest.work.service_account:
        facts["service account"] = newest.work.service_account
    return facts


def _wide(job: BatchFacts) -> int:
    return 0 if job.state.is_over else 1 if job.parallelism is None else job.parallelism


def _allocation(pod: PodFacts) -> Allocation:
    work = pod.work
    return Allocation(pod.node, work.count, pod.indices, pod.uuids, pod.uid, work.cpus, work.memory_bytes,
                      pod_name=pod.name)  # fmt: skip


def _state(group: Group, pods: Sequence[PodFacts], attempts: Sequence[Attempt]) -> tuple[JobState, str, str]:
    """What its Jobs say once they are over or suspended, else its pods."""
    said = [job for job in group.batch if job.state is not JobState.UNKNOWN]
    over = [job for job in said if job.state.is_over]
    live = [pod for pod in pods if not pod.state.is_over]
    if over and not live and len(over) == len(group.batch):
        worst = min(over, key=lambda job: _WORST.index(job.state))
        return _because(worst, attempts)
    if said and not live and not over:
        queue = said[0].work.queue
        return JobState.HELD, "Suspended", f"waits in queue {queue}" if queue else "suspended"
    if not pods:
        return JobState.PENDING, "Pending", ""
    if group.owner is None:
        return pods[-1].state, pods[-1].told_state, pods[-1].reason
    if not live:
        return _ended(group, attempts)
    return _living(pods, live)


def _because(job: BatchFacts, attempts: Sequence[Attempt]) -> tuple[JobState, str, str]:
    """A Job that failed says "backoff limit reached": why its last pods failed says more."""
    if job.state is JobState.FAILED and attempts and attempts[-1].state in _WORST[:-1]:
        last = attempts[-1]
        return last.state, "Failed", "; ".join(part for part in (last.reason, job.reason) if part)
    return job.state, "Complete" if job.state is JobState.DONE else "Failed", job.reason


def _ended(group: Group, attempts: Sequence[Attempt]) -> tuple[JobState, str, str]:
    if group.is_service:  # its next replicas are on their way
        return JobState.PENDING, "Pending", ""
    last = attempts[-1]
    if group.batch and last.state is not JobState.DONE:  # its Job still means to try again
        return JobState.PENDING, "Backoff", last.reason
    return last.state, last.told_state, last.reason


def _living(pods: Sequence[PodFacts], live: Sequence[PodFacts]) -> tuple[JobState, str, str]:
    states = {pod.state for pod in live}
    state = next((one for one in _TELLING if one in states), JobState.UNKNOWN)
    like = [pod for pod in live if pod.state is state]
    others = [pod for pod in live if pod.state is not state and pod.state is not JobState.DONE]
    told = like[0].told_state
    if state is not JobState.RUNNING or not others:
        return state, told, like[0].reason
    why = next((pod.reason for pod in others if pod.reason), others[0].told_state)
    return state, told, f"{len(others)} of {len(live)} pods not running: {why}"


def _complaint(warning: EventFacts | None, state: JobState) -> str:
    return warning.text if warning and state not in (JobState.RUNNING, JobState.DONE) else ""


def _numbers(pods: Sequence[PodFacts]) -> dict[str, int]:
    """uid of a pod -> the attempt that it belongs to, of pods in the order of their creation.

    Who replaces whom is told by the completion index; without one a pod takes the place of one that had failed before.
    """
    numbers: dict[str, int] = {}
    by_index: dict[str, int] = {}
    failed: list[PodFacts] = []
    for pod in pods:
        round_ = pod.restart_attempt
        if pod.completion_index:
            key = f"{pod.owner.name if pod.owner else ''}/{pod.completion_index}"
            by_index[key] = numbers[pod.uid] = max(by_index.get(key, 0) + 1, round_ + 1)
            continue
        replaced = next((one for one in failed if _was_over(one, pod)), None)
        if replaced:
            failed.remove(replaced)
        numbers[pod.uid] = max(numbers[replaced.uid] + 1 if replaced else 1, round_ + 1)
        if pod.state.is_over and pod.state is not JobState.DONE:
            failed.append(pod)
    return numbers


def _was_over(one: PodFacts, pod: PodFacts) -> bool:
    ended = one.present.ended
    return ended is not None and pod.created is not None and pod.created >= ended


def _attempts(pods: Sequence[PodFacts], numbers: Mapping[str, int]) -> tuple[Attempt, ...]:
    """Those that are known; a container that was restarted in its place shows the one run before the present."""
    found: list[Attempt] = []
    restarts = 0  # so far: each was an attempt
    for number in sorted(set(numbers.values())):
        ours = [pod for pod in pods if numbers[pod.uid] == number]
        most = max(ours, key=lambda pod: pod.restarts)
        restarts += most.restarts
        if most.before and most.restarts:
            found.append(_restarted(number + restarts - 1, most.before, ours))
        found.append(_attempt(number + restarts, ours))
    return tuple(found[-_MOST_ATTEMPTS:])


def _restarted(number: int, run: Execution, pods: Sequence[PodFacts]) -> Attempt:
    state = JobState.OUT_OF_MEMORY if run.reason.startswith("OOMKilled") else JobState.FAILED
    state = JobState.DONE if run.exit_code == 0 else state
    return Attempt(number, state, "Restarted", run.started, run.ended, _nodes(pods), run.exit_code, run.signal,
                   run.reason)  # fmt: skip


def _attempt(number: int, pods: Sequence[PodFacts]) -> Attempt:
    live = [pod for pod in pods if not pod.state.is_over]
    telling = live or pods
    order = _TELLING if live else _WORST
    shown = min(telling, key=lambda pod: order.index(pod.state) if pod.state in order else len(order))
    starts = [pod.present.started for pod in pods if pod.present.started is not None]
    ends = [pod.present.ended for pod in pods if pod.present.ended is not None]
    run = shown.present
    return Attempt(
        number, shown.state, shown.told_state, min(starts, default=None), None if live else max(ends, default=None),
        _nodes(pods), None if live else run.exit_code, None if live else run.signal, shown.reason,
    )  # fmt: skip


def _nodes(pods: Iterable[PodFacts]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(pod.node for pod in pods if pod.node))


def _times(
    attempts: Sequence[Attempt], shown: Sequence[PodFacts], state: JobState
) -> tuple[float | None, float | None, int | None, int | None]:
    if attempts:
        last = attempts[-1]
        return last.started, last.ended, last.exit_code, last.signal
    starts = [pod.present.started for pod in shown if pod.present.started is not None]
    return min(starts, default=None) if state.holds_nodes else None, None, None, None
