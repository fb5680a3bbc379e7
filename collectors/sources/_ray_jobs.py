"""Ray's jobs, actors, tasks and nodes as jobs and nodes of a scheduler. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from collectors.probe.commands import command_text
from collectors.sources._ray_objects import Actor, PlacementGroup, RayJob, RayNode, Task
from watchfloor.harmless import harmless_words
from watchfloor.jobs.model import Allocation, Attempt, Job, JobState, SchedulerNode, numbered

KIND = "ray"
_STATES = {
    "PENDING": JobState.PENDING,
    "RUNNING": JobState.RUNNING,
    "STOPPED": JobState.CANCELLED,
    "SUCCEEDED": JobState.DONE,
    "FAILED": JobState.FAILED,
}
_ACCELERATORS = ("GPU", "TPU", "HPU", "NPU", "neuron_cores")
_LONGEST = 300
_CALLED = ("name", "job_name")  # of the metadata that people give a job
_USERS = ("user", "username", "owner")


@dataclass(slots=True)
class Told:
    """One round of answers. None: it was not told, and why stands in `missing`."""

    jobs: Sequence[RayJob] = ()
    actors: Sequence[Actor] | None = None
    tasks: Sequence[Task] | None = None
    groups: Sequence[PlacementGroup] | None = None
    nodes: Sequence[RayNode] | None = None
    hostnames: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""


def jobs_of(told: Told, source: str, cluster: str = "") -> tuple[Job, ...]:
    held = _held(told)
    names = node_names(told)
    found = (_job(job, source, held, names) for job in told.jobs if not _is_rays_own(job))
    return tuple(replace(job, id=numbered(KIND, job.number, cluster)) if cluster else job for job in found)


def node_names(told: Told) -> dict[str, str]:
    """Node id -> what the node is called: its hostname, else its address."""
    addresses = {node.node_id: node.node_name or node.node_ip for node in told.nodes or ()}
    return {**addresses, **{node: name for node, name in told.hostnames.items() if name}}


def nodes_of(told: Told) -> tuple[SchedulerNode, ...]:
    """The living, and the dead of this session. What is in use is known where actors and tasks are."""
    names = node_names(told)
    used: dict[str, float] = {}
    holders = _held(told)
    for holder in holders or ():
        used[holder.node] = used.get(holder.node, 0.0) + holder.count
    return tuple(
        SchedulerNode(
            names[node.node_id],
            node.state.lower(),
            takes_work=node.state == "ALIVE",
            reason=_line(node.state_message or ""),
            accelerators=int(_count(node.resources_total or {})),
            accelerators_used=round(used.get(node.node_id, 0.0)) if holders is not None else None,
        )
        for node in told.nodes or ()
    )


@dataclass(frozen=True, slots=True)
class _Holder:
    job: str
    node: str
    pid: int | None
    count: float  # accelerators, fractions of one too
    cpus: float


def _held(told: Told) -> list[_Holder] | None:
    """Living actors, running tasks, placement groups; None where one of them isn't told, so that no sum is too low.

    A task of an actor holds what its actor holds. What runs in a placement group asks for "GPU_group_…", which the
    group holds already: it counts as nothing and names its process.
    """
    if told.actors is None or told.tasks is None or told.groups is None:
        return None
    holders = [
        _Holder(
            actor.job_id, actor.node_id, actor.pid, _count(actor.required_resources), _cpus(actor.required_resources)
        )
        for actor in told.actors
        if actor.state == "ALIVE" and actor.node_id
    ]
    holders += [
        _Holder(
            task.job_id, task.node_id, task.worker_pid, _count(task.required_resources), _cpus(task.required_resources)
        )
        for task in told.tasks
        if task.state == "RUNNING" and task.node_id and task.type == "NORMAL_TASK"
    ]
    holders += [
        _Holder(group.creator_job_id, bundle.node_id, None, _count(bundle.unit_resources), _cpus(bundle.unit_resources))
        for group in told.groups
        if group.state == "CREATED"
        for bundle in group.bundles or ()
        if bundle.node_id
    ]
    return holders


def _job(job: RayJob, source: str, held: Sequence[_Holder] | None, names: Mapping[str, str]) -> Job:
    state = _STATES.get(job.status, JobState.UNKNOWN)
    known = harmless_words(job.submission_id or job.job_id or "")  # whoever submits it chooses this, too
    told = {key: harmless_words(text) for key, text in (job.metadata or {}).items() if key in (*_CALLED, *_USERS)}
    started, ended = _seconds(job.start_time), _seconds(job.end_time)
    reason = _reason(job, state)
    ours = [one for one in held or () if one.job == job.job_id] if state is JobState.RUNNING else []
    return Job(
        id=numbered(KIND, known),
        source=source,
        kind=KIND,
        number=known,
        name=next((told[key] for key in _CALLED if told.get(key)), ""),
        user=next((told[key] for key in _USERS if told.get(key)), ""),
        state=state,
        told_state=job.status,
        reason=reason,
        submitted=started,
        started=started if state is not JobState.PENDING else None,
        ended=ended if state.is_over else None,
        allocations=_allocations(ours, names) or _of_driver(job, state, names),
        attempts=(Attempt(1, state, job.status, started, ended, exit_code=job.driver_exit_code, reason=reason),),
        exit_code=job.driver_exit_code,
        command=_command(job.entrypoint or ""),
        labels={"type": job.type.lower()},
    )


def _allocations(holders: Iterable[_Holder], names: Mapping[str, str]) -> tuple[Allocation, ...]:
    """One a node. Parts of an accelerator are rounded up: whoever has half of one holds it."""
    by_node: dict[str, list[_Holder]] = {}
    for holder in holders:
        by_node.setdefault(holder.node, []).append(holder)
    return tuple(
        Allocation(
            names.get(node, node),
            -int(-sum(one.count for one in ours) // 1),
            cpus=-int(-sum(one.cpus for one in ours) // 1),
            pids=tuple(sorted({one.pid for one in ours if one.pid})),
        )
        for node, ours in by_node.items()
    )


def _of_driver(job: RayJob, state: JobState, names: Mapping[str, str]) -> tuple[Allocation, ...]:
    """Where nothing is known but where the driver runs, or ran."""
    if not job.driver_node_id or state is JobState.PENDING:
        return ()
    pid = job.driver_info.pid if job.driver_info and state is JobState.RUNNING else None
    pids = (int(pid),) if pid is not None and str(pid).isdecimal() else ()
    return (Allocation(names.get(job.driver_node_id, job.driver_node_id), pids=pids),)


def _reason(job: RayJob, state: JobState) -> str:
    """The message of a failed job ends with its log: the last line of it says most."""
    message = (job.message or "").strip()
    if state is JobState.FAILED:
        first, _, rest = message.partition("\n")
        last = rest.strip().rpartition("\n")[2]
        told = first.partition(", last available logs")[0]
        return _line(f"{told}: {last}" if last else told)
    return _line(message) if state in (JobState.PENDING, JobState.CANCELLED) else ""


def _is_rays_own(job: RayJob) -> bool:
    return not (job.submission_id or job.job_id)


def _command(entrypoint: str) -> str:
    return command_text("\0".join(entrypoint.split()), "") if entrypoint.strip() else ""


def _line(text: str) -> str:
    """One line, redacted as a command is: it may quote one."""
    line = _command(text)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _count(resources: Mapping[str, float | str] | None) -> float:
    return sum(_number((resources or {}).get(name)) for name in _ACCELERATORS)


def _cpus(resources: Mapping[str, float] | None) -> float:
    return _number((resources or {}).get("CPU"))


def _number(value: float | str | None) -> float:
    return value if isinstance(value, int | float) else 0.0


def _seconds(milliseconds: float | None) -> float | None:
    return milliseconds / 1000 if milliseconds else None
