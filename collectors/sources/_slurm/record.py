"""A job as Slurm has it, in one shape whatever form it was told in, and what the console makes of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from collectors.sources._slurm import states, values
from watchfloor.jobs.model import Allocation, Attempt, Job, JobState, numbered

_NO_VALUE = 0xFFFFFFFE  # Slurm's NO_VAL; one more is INFINITE


@dataclass(slots=True)
class Record:
    """The fields of a job; texts as Slurm writes them, None and "" where it says nothing."""

    job_id: int
    name: str = ""
    user: str = ""
    account: str = ""
    partition: str = ""
    qos: str = ""
    state: tuple[str, ...] = ()  # base and flags, upper case
    reason: str = ""
    submitted: float | None = None
    started: float | None = None  # of one that waits: when it is expected to
    ended: float | None = None  # of one that runs: when its time is over
    suspended: float | None = None  # when it was suspended or went on last
    ran_seconds: float | None = None  # before that
    limit_seconds: float | None = None
    priority: float | None = None
    array_id: int | None = None
    array_task: int | None = None
    array_tasks: str = ""  # those not split off yet: "2-5%2"
    array_limit: int | None = None
    restarts: int = 0
    exit_code: int | None = None
    signal: int | None = None
    dependency: str = ""
    nodes: tuple[str, ...] = ()
    held: Mapping[str, Allocation] = field(default_factory=dict)  # by node, where told
    node_count: int | None = None
    tasks: int | None = None
    wanted: str = ""  # trackable resources: "cpu=8,gres/gpu=16"
    allocated: str = ""  # the same, of what it has
    per_job: str = ""
    per_node: str = ""
    per_task: str = ""
    comment: str = ""
    command: str = ""
    working_directory: str = ""
    image: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def number(value: float | None) -> float | None:
    """A number of Slurm's; None for its values that stand for none and for infinite."""
    return None if value is None or value >= _NO_VALUE else value


def job_of(record: Record, source: str, cluster: str = "") -> Job:
    """The job, with its present attempt alone. `cluster` stands in its id."""
    state = states.job_state(record.state, record.reason)
    begun = state.holds_nodes or state.is_over
    over = state.is_over
    wanted, kind = _wanted(record)
    # of what is cancelled while it waits, scontrol and squeue tell that time as its start, too
    never = over and not record.nodes and record.started == record.ended
    started = record.started if begun and not never else None
    return Job(
        id=numbered("slurm", record.job_id, cluster),
        source=source,
        kind="slurm",
        number=_number(record),
        name=values.shown(record.name),
        user=record.user,
        account=values.told(record.account),
        queue=values.told(record.partition),
        qos=values.told(record.qos),
        state=state,
        told_state="+".join(record.state),
        reason=values.shown(values.told(record.reason)),
        submitted=record.submitted,
        started=started,
        ended=record.ended if over else None,
        suspended=record.suspended if state is JobState.SUSPENDED else None,
        suspended_seconds=_suspended_seconds(record) if begun else None,
        time_limit_seconds=record.limit_seconds,
        priority=record.priority,
        allocations=_allocations(record) if begun else (),
        nodes_wanted=record.node_count,
        accelerators_wanted=wanted,
        accelerator_kind=kind,
        array=str(record.array_id) if record.array_id else "",
        array_tasks=_tasks(record),
        dependency=values.told(record.dependency),
        attempt=record.restarts + 1,
        exit_code=record.exit_code if over else None,
        signal=record.signal if over and record.signal else None,
        comment=values.redacted(record.comment),
        command=values.redacted(record.command),
        working_directory=values.shown(values.told(record.working_directory)),
        image=values.shown(values.told(record.image)),
        labels=_labels(record, state),
    )


def _suspended_seconds(record: Record) -> float | None:
    if record.suspended is None or record.started is None:
        return None
    return max(0.0, record.suspended - record.started - (record.ran_seconds or 0.0))


def present_attempt(job: Job) -> Attempt:
    """The attempt that a job's own fields tell of."""
    return Attempt(
        job.attempt, job.state, job.told_state, job.started, job.ended, job.nodes, job.exit_code, job.signal, job.reason
    )


def _number(record: Record) -> str:
    """As squeue writes it: 4242, 4200_7, 4200_[8-63%4], of the second component of a heterogeneous job 4300+1."""
    component = record.labels.get("component")
    if component:
        return component
    if not record.array_id:
        return str(record.job_id)
    tasks = _tasks(record)
    waits = record.array_task is None and tasks
    return f"{record.array_id}_[{tasks}]" if waits else f"{record.array_id}_{tasks}" if tasks else str(record.job_id)


def _tasks(record: Record) -> str:
    if not record.array_id:
        return ""
    if record.array_task is not None:
        return str(record.array_task)
    limited = bool(record.array_limit and record.array_tasks and "%" not in record.array_tasks)
    return f"{record.array_tasks}%{record.array_limit}" if limited else record.array_tasks


def _allocations(record: Record) -> tuple[Allocation, ...]:
    return tuple(record.held.get(node) or Allocation(node) for node in record.nodes)


def _wanted(record: Record) -> tuple[int | None, str]:
    """Accelerators that the job asks for, and their kind: the one that it got, where it asked for any."""
    asked = values.accelerators(record.wanted)
    shares = [
        (values.accelerators(text), times)
        for text, times in ((record.per_job, 1), (record.per_node, record.node_count), (record.per_task, record.tasks))
    ]
    known = (asked, *(share for share, _ in shares), values.accelerators(record.allocated))
    kind = next((share.kind for share in known if share and share.kind), "")
    if asked is not None:
        return asked.count, kind
    for share, times in shares:
        if share is not None:
            return (share.count * times if times else None), kind
    return None, kind


def _labels(record: Record, state: JobState) -> dict[str, str]:
    labels = {name: values.told(text) for name, text in record.labels.items()}
    if state in (JobState.PENDING, JobState.HELD) and record.started:
        labels["expected start"] = datetime.fromtimestamp(record.started, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {name: text for name, text in labels.items() if text}
