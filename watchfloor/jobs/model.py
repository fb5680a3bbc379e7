"""What a source of jobs tells: a scheduler's jobs and their attempts, frozen, in one vocabulary.

A text that isn't known is "", a time or number that isn't known is None: never 0. Times are seconds since the epoch by
the clock of the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from watchfloor.model import NodeSpec

PERIOD_SECONDS = 5.0  # between two questions to a source, where the fleet file doesn't say
TIMEOUT_SECONDS = 20.0  # for one answer


class JobState(StrEnum):
    """Where a job stands, in the words that all schedulers share; `Job.told_state` has the scheduler's own."""

    PENDING = "pending"
    HELD = "held"  # somebody must release it
    STARTING = "starting"  # nodes are being prepared, images pulled
    RUNNING = "running"
    SUSPENDED = "suspended"
    ENDING = "ending"  # its processes are being cleared away
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"
    NODE_FAILED = "node failed"
    PREEMPTED = "preempted"
    OUT_OF_MEMORY = "out of memory"
    UNKNOWN = "unknown"

    @property
    def is_over(self) -> bool:
        return self in _OVER

    @property
    def holds_nodes(self) -> bool:
        return self in (JobState.STARTING, JobState.RUNNING, JobState.SUSPENDED, JobState.ENDING)


_OVER = frozenset(
    {
        JobState.DONE,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.TIMED_OUT,
        JobState.NODE_FAILED,
        JobState.PREEMPTED,
        JobState.OUT_OF_MEMORY,
    }
)


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a job holds on one node, by the name that the source has for the node.

    A job of several pods has one for each of its pods, so that a node may come twice.
    """

    node: str
    count: int | None = None  # accelerators; None: the source doesn't tell
    indices: tuple[int, ...] | None = None  # which of the node's accelerators, by their index; None: not told
    uuids: tuple[str, ...] = ()  # where the source names devices (a MIG instance has one of its own)
    pod: str = ""  # uid of the pod that holds this, where it is one: processes name it
    cpus: int | None = None
    memory_bytes: int | None = None
    pids: tuple[int, ...] = ()  # processes on the node, where the source names them
    pod_name: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a job: a requeue or a restart makes a new one. Numbers count from 1."""

    number: int
    state: JobState
    told_state: str = ""
    started: float | None = None
    ended: float | None = None
    nodes: tuple[str, ...] = ()
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    accelerators: int | None = None  # how many it held, where the source counted them

    @property
    def ended_as(self) -> str:
        return ended_as(self.state.value, self.told_state)


@dataclass(frozen=True, slots=True)
class Step:
    """What a job has started on its nodes (Slurm's srun), of its present attempt."""

    number: str  # "0"; "batch" and "extern" are the scheduler's own
    name: str = ""
    state: JobState = JobState.UNKNOWN
    tasks: int | None = None
    nodes: tuple[str, ...] = ()
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A scheduler's unit of work.

    `id` is unique in the fleet and is what the probe makes of a process's cgroup: "slurm:4242" (of an array task the
    task's own job id), "pod:<uid>". Where several clusters number their jobs, theirs stands in it: "slurm:alpha/4242".
    Others are "kube:<uid>" of the owner of pods (its allocations name the pods), "ray:<submission id>",
    "run:<node>/<user>/<program>" for processes that no scheduler started. `number` is what people call it: "4242",
    "4200_7", "namespace/name".
    """

    id: str
    source: str  # the SourceStatus.name of who tells of it
    kind: str  # slurm, kubernetes, ray, process
    number: str
    name: str = ""
    user: str = ""
    account: str = ""  # who pays: Slurm's account, Kubernetes' namespace
    queue: str = ""  # partition, local queue
    qos: str = ""
    state: JobState = JobState.UNKNOWN
    told_state: str = ""
    reason: str = ""  # why it waits, or why it ended so
    submitted: float | None = None
    started: float | None = None  # of the present attempt
    ended: float | None = None
    suspended: float | None = None  # since when, while it is
    suspended_seconds: float | None = None  # of the present attempt, what is over of that
    time_limit_seconds: float | None = None
    priority: float | None = None
    allocations: tuple[Allocation, ...] = ()
    nodes_wanted: int | None = None
    accelerators_wanted: int | None = None
    accelerator_kind: str = ""  # as asked for: "h100"
    array: str = ""  # the array that it is a task of, and of the array's not yet split tasks: "4200"
    array_tasks: str = ""  # "7", or for tasks that still wait "8-63%4"
    dependency: str = ""  # as the scheduler writes it: "afterok:4241"
    owner: str = ""  # what made it: a Kubernetes owner "Job/train", a service "Deployment/llm"
    attempt: int = 1
    attempts: tuple[Attempt, ...] = ()  # those known, the oldest first, the present one included
    steps: tuple[Step, ...] = ()  # of the present attempt, where the source has steps
    exit_code: int | None = None
    signal: int | None = None
    comment: str = ""
    command: str = ""  # redacted
    working_directory: str = ""
    image: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)  # further facts, redacted: reservation, features …

    @property
    def nodes(self) -> tuple[str, ...]:
        """Each once, in the order of the allocations."""
        return tuple(dict.fromkeys(allocation.node for allocation in self.allocations))


@dataclass(frozen=True, slots=True)
class SchedulerNode:
    """A node as its scheduler sees it. `name` as the scheduler has it; `hostname` where that is another."""

    name: str
    state: str  # the scheduler's own words, lower case: "idle", "mixed+drain", "down*", "ready", "cordoned"
    hostname: str = ""
    takes_work: bool = True  # False: drained, down, cordoned, reserved away
    reason: str = ""
    accelerators: int | None = None
    accelerators_used: int | None = None
    queues: tuple[str, ...] = ()
    since: float | None = None  # of the reason
    comment: str = ""  # Slurm's, as it is
    notes: tuple[tuple[str, str], ...] = ()  # Kubernetes': watchfloor's own annotations, by name


@dataclass(frozen=True, slots=True)
class Queue:
    """A partition of Slurm's. `nodes` as the scheduler writes them, folded."""

    name: str
    state: str  # "up", "down", "drain", "inactive"
    nodes: str = ""
    is_default: bool = False
    time_limit_seconds: float | None = None  # None: none
    accelerators: int | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """Nodes that are kept for somebody, or for maintenance, for a while. `nodes` likewise."""

    name: str
    nodes: str = ""
    start: float | None = None
    end: float | None = None
    queue: str = ""
    users: str = ""
    accounts: str = ""
    flags: str = ""  # "MAINT,IGNORE_JOBS"

    def begins_before(self, at: float) -> bool:
        return self.start is None or self.start < at

    def is_over(self, at: float) -> bool:
        return self.end is not None and self.end <= at


class SourceState(StrEnum):
    WAITING = "waiting"  # it was not asked yet
    OK = "ok"
    FAILED = "failed"  # the last question had no answer; what is shown is from before


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How reading a source goes. `at` is console time of its last answer, 0 where there never was one."""

    name: str
    kind: str
    state: SourceState = SourceState.WAITING
    at: float = 0.0
    took_seconds: float = 0.0  # the last answer
    period_seconds: float = 0.0  # between questions, as it is now
    version: str = ""
    text: str = ""  # what is wrong
    advice: str = ""
    cluster: str = ""  # stands in the ids of its jobs, as JobSourceSpec.cluster
    queues: tuple[Queue, ...] = ()
    reservations: tuple[Reservation, ...] = ()


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a source's accounting has of a job that its queue has no longer: attempts, the oldest first, or why none."""

    job: str  # its id
    told_by: str  # "the accounting of lab"
    attempts: tuple[Attempt, ...] = ()  # those that are over; their numbers are only an order
    text: str = ""


@dataclass(frozen=True, slots=True)
class SourceAnswer:
    """Everything that a source tells at one time; it replaces what it told before.

    `recalled` alone does not: each is told once, and of `to_recall` jobs the accounting is still to be asked.
    """

    status: SourceStatus
    jobs: tuple[Job, ...] = ()
    nodes: tuple[SchedulerNode, ...] = ()
    recalled: tuple[Recalled, ...] = ()
    to_recall: int = 0


@dataclass(frozen=True, slots=True)
class JobSourceSpec:
    """A source of jobs, as the fleet file names it. `options` are the keys of its kind, as texts."""

    name: str
    kind: str  # the module of collectors/sources
    via: NodeSpec | None = None  # where its commands run; None where it is reached otherwise
    options: Mapping[str, str] = field(default_factory=dict)
    period_seconds: float = PERIOD_SECONDS  # at best: a slow source is asked more seldom
    timeout_seconds: float = TIMEOUT_SECONDS
    cluster: str = ""  # stands in the ids of its jobs, where another source of the kind numbers jobs, too


def ended_as(state: str, told_state: str) -> str:
    """The state that an attempt ended in; of one that was put back into the queue, that, for it was not called off."""
    return "requeued" if state == JobState.CANCELLED.value and told_state == "REQUEUED" else state


def numbered(kind: str, number: str | int, cluster: str = "") -> str:
    """The id of a job: "slurm:4242"; with a cluster's name "slurm:alpha/4242"."""
    return f"{kind}:{cluster}/{number}" if cluster else f"{kind}:{number}"
