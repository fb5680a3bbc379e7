"""The words of the domain (design glossary), frozen: what the fleet is made of and what can be said of it.

Must not do: I/O, drawing, deciding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Scope(StrEnum):
    """What a metric, a query or a finding is about."""

    ACCELERATOR = "accelerator"
    NODE = "node"
    LINK = "link"
    SERVICE = "service"  # an inference server
    JOB = "job"  # a scheduler's, or one that somebody started by hand


NODE_SCOPES = (Scope.ACCELERATOR, Scope.NODE, Scope.LINK, Scope.SERVICE)  # whose rows each belong to a node


class Missing(IntEnum):
    """Why a value is not there. It travels from the sensor to the cell; it is never turned into 0."""

    NO = 0  # the value is there
    NOT_YET = 1  # its sampler has not answered for the first time
    UNSUPPORTED = 2  # this device, driver or kernel doesn't offer it
    NOT_PERMITTED = 3  # it exists, and the user of the probe may not read it
    TIMED_OUT = 4  # its sampler is past its deadline: the last value, if any, is old
    FAILED = 5  # reading it failed; the note of the metric holds the text
    LOST = 6  # the device stopped answering, or is no longer listed
    STALE = 7  # the node stopped reporting (set by the console, never by a probe)

    @property
    def label(self) -> str:
        return MISSING_LABELS[self]


MISSING_LABELS: Mapping[Missing, str] = {
    Missing.NO: "",
    Missing.NOT_YET: "not yet",
    Missing.UNSUPPORTED: "unsupported",
    Missing.NOT_PERMITTED: "not permitted",
    Missing.TIMED_OUT: "timed out",
    Missing.FAILED: "failed",
    Missing.LOST: "lost",
    Missing.STALE: "stale",
}


class State(IntEnum):
    """Health, ordered so that the worst is the largest."""

    OK = 0
    UNKNOWN = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def label(self) -> str:
        return self.name.lower()


class Phase(StrEnum):
    """Where the loop of a node stands."""

    WAITING = "waiting"  # its turn to connect has not come
    CONNECTING = "connecting"
    STARTING = "starting"  # connected, the probe is on its way
    LIVE = "live"
    STALE = "stale"  # connected, and nothing heard for several periods
    BACKOFF = "backoff"  # it failed; the next try is due at `retry_at`
    STOPPED = "stopped"


class Problem(StrEnum):
    """In which way a node can't be read: one word for each thing that a person would do something different about."""

    NONE = ""
    NAME = "name"  # the host name doesn't resolve
    UNREACHABLE = "unreachable"  # no route, no answer
    REFUSED = "refused"  # nothing listens, or the server turned the connection away
    HOST_KEY_UNKNOWN = "host key unknown"
    HOST_KEY_CHANGED = "host key changed"
    AUTHENTICATION = "authentication"
    NO_PYTHON = "no python3"
    HUNG = "hung"  # connected, and it says nothing
    CLOSED = "closed"  # the stream ended
    GARBAGE = "garbage"  # what it says is not the protocol
    FLOOD = "flood"  # it says more than it may
    PROBE = "probe failed"  # the probe itself ended with an error
    VERSION = "protocol version"
    NO_SERIES = "no series"  # the metrics server answers, and knows nothing of this node


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What the console knows of its conversation with one node.

    `since` and `retry_at` are console time (seconds since the epoch); `retry_at` is 0 where no retry is due.
    """

    phase: Phase = Phase.WAITING
    problem: Problem = Problem.NONE
    text: str = ""
    advice: str = ""
    since: float = 0.0
    retry_at: float = 0.0
    attempts: int = 0
    via: str = ""  # "probe", or "nvidia-smi loop" where python3 is missing


@dataclass(frozen=True, slots=True)
class SshOptions:
    """What the inventory or the command line says beyond ~/.ssh/config; None leaves the word to ssh_config."""

    user: str | None = None
    port: int | None = None
    identity_files: tuple[str, ...] = ()
    proxy_jump: str | None = None
    config_files: tuple[str, ...] = ()  # empty: ~/.ssh/config
    known_hosts_files: tuple[str, ...] = ()  # empty: as ssh_config says, else the usual files
    connect_timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class MetricsSource:
    """A Prometheus-compatible server that has the values of nodes. Equal sources are asked once for all their nodes."""

    url: str  # without a slash at its end
    selector: str = ""  # label matchers, without braces
    label: str = ""  # which label names a node; "": node, Hostname or instance, as the exporter has it
    match: str = ""  # what that label says, with {name} and {host}; "": the node's name or host
    period_seconds: float = 15.0
    timeout_seconds: float = 10.0
    stale_after_seconds: float = 150.0  # several scrapes a minute apart
    token_file: str = ""
    token_env: str = ""
    user: str = ""
    password_file: str = ""
    password_env: str = ""
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node of the inventory. `name` is unique in the fleet; `host` is what `ssh` would be given."""

    name: str
    host: str = ""
    site: str = ""
    rack: str = ""
    group: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ssh: SshOptions = SshOptions()
    local: bool = False  # this machine: a child process instead of SSH
    power_budget_watts: float | None = None
    rack_budget_watts: float | None = None  # of the whole rack that it stands in
    accelerators: int | None = None  # how many it ought to have
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of its software, by name: those it may have
    source: MetricsSource | None = None  # read from this server instead of by SSH
    xid_source: str = "nvidia"  # whose word counts for what an XID asks for: a source of checks/xids.tsv


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding or a selection is about: an identity, never a row number."""

    scope: Scope
    node: str
    key: str = ""  # accelerator or link key within the node; "" for the node itself

    def __str__(self) -> str:
        return f"{self.node}/{self.key}" if self.key else self.node


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's result: subject + code + state + evidence."""

    subject: Subject
    code: str  # stable, kebab-case: "nvlink-down"
    state: State
    text: str  # one sentence for a person
    evidence: tuple[tuple[str, str], ...] = ()  # (metric or fact, value as shown)
    others: Sequence[Subject] = ()  # where one finding stands for many: the further subjects of which it is true
