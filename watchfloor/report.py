"""What a node's probe says, line by line, typed. Pure: bytes in, structs out.

The wire is JSON lines, one object a line, `t` naming its kind:

    {"t":"hello", …}    first line: who speaks
    {"t":"schema", …}   which subjects and metrics the positions of later reports mean; again when devices come or go
    {"t":"report", …}   what changed since the last report; where `full`: everything, and cells left out are unsupported
    {"t":"pong", …}     answer to the console's ping
    {"t":"fault", …}    the probe's last word before it ends with an error

A *position* is `subject * len(metrics) + metric` within one table of the schema. The console writes lines too, on
the probe's standard input, after the archive: {"t":"settings","period":1.0,"delay":0.37,"full_every":60} (the first
tick after `delay` seconds: each node's own phase), {"t":"ping","id":1}, {"t":"full"}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from watchfloor.errors import StreamError
from watchfloor.harmless import harmless
from watchfloor.model import Missing, Problem

PROTOCOL_VERSION = 1


class Hello(msgspec.Struct, tag_field="t", tag="hello", frozen=True):
    """Who speaks. `at` is the node's wall clock (seconds since the epoch) when the line was written."""

    version: int
    node: str  # its own host name
    boot_id: str
    at: float
    probe: str  # SHA-256 (hex) of the archive that runs
    python: str = ""
    pid: int = 0
    samplers: list[str] = []
    facts: dict[str, str] = {}  # kernel, os, architecture, cpu_model, user …


_Position = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
# far beyond what any device counts or says: what is longer is no telemetry, and would only cost memory
_Number = Annotated[float, msgspec.Meta(ge=-1e20, le=1e20)]
_Text = Annotated[str, msgspec.Meta(max_length=4096)]
_Key = Annotated[str, msgspec.Meta(max_length=256)]


class Table(msgspec.Struct, frozen=True):
    """The meaning of positions in one scope: `keys` are the subjects (accelerator uuid, link key; "" for the node)."""

    keys: list[_Key]
    metrics: list[_Key]


class Schema(msgspec.Struct, tag_field="t", tag="schema", frozen=True):
    generation: int
    tables: dict[str, Table]  # by scope: "node", "accelerator", "link"


class Cells(msgspec.Struct, frozen=True):
    """Changed cells of one table, as parallel lists."""

    p: list[_Position] = []  # positions of numbers
    v: list[_Number] = []  # their values, in the catalogue's unit
    mp: list[_Position] = []  # positions that are missing
    mc: list[Annotated[int, msgspec.Meta(ge=0, le=7)]] = []  # why: watchfloor.model.Missing
    xp: list[_Position] = []  # positions of texts
    x: list[_Text] = []  # the texts

    def put(self, position: int, value: float | str | Missing) -> None:
        """One cell more."""
        if isinstance(value, Missing):
            self.mp.append(position)
            self.mc.append(int(value))
        elif isinstance(value, str):
            self.xp.append(position)
            self.x.append(value)
        else:
            self.p.append(position)
            self.v.append(value)


PAUSED = "paused"  # it has let go of its driver for a while, as it was asked to: no fault


class SamplerStatus(msgspec.Struct, frozen=True):
    """How one sampler does. `at` is the node's wall clock at its last answer (0: never)."""

    state: str  # "ok", "absent" (nothing here to sample), "failed", "hung", PAUSED
    text: _Text = ""  # "no answer for 12 s, state D"; "libnvidia-ml.so.1 not found"
    at: float = 0.0
    cost: float = 0.0  # seconds that its last answer took
    cpu: float = 0.0  # seconds of CPU that its last answer took
    period: float = 1.0


EVENT_KINDS = (
    "xid", "sxid", "ecc", "reset", "lost", "link-down", "link-up", "link-error", "hang", "oom", "firmware", "thermal",
    "assert", "cable", "disk", "driver", "fabric", "hardware", "health", "left-out", "mce", "memory-lost", "oops",
    "page-fault", "panic", "pcie", "power", "rdma", "recovery", "segfault", "storage",
)  # fmt: skip


class Event(msgspec.Struct, frozen=True):
    """Something that happened on a node: an XID, an ECC error, a link that went down. `at` is the node's wall clock.

    `id` is the same each time the same event is told (boot id and number of its line in the kernel log), "" where
    nobody tells events twice. `device` is how the source names what it concerns: a PCI address with domain and
    function ("0000:05:00.0"), a port ("mlx5_0/1"), an interface, an accelerator's key; "" for the node.
    """

    at: float
    source: str  # "kernel", "nvml", "fabricmanager" …
    kind: str  # one of EVENT_KINDS, unless a newer probe tells it
    text: _Text
    device: _Key = ""
    code: int = -1  # XID or SXid; -1 where the kind has none
    severity: str = "warning"  # "info", "warning", "critical", as the source sees it
    id: _Key = ""
    process: _Key = ""  # "1234 python", where the source names one
    facts: dict[_Key, _Text] = {}  # link, unit, registers … in the source's words


class Report(msgspec.Struct, tag_field="t", tag="report", frozen=True):
    """One tick. `at` is the node's wall clock; `generation` names the schema that the positions refer to."""

    n: int
    generation: int
    at: float
    full: bool = False
    cells: dict[str, Cells] = {}
    samplers: dict[str, SamplerStatus] = {}  # those whose state or text changed; all in a full report
    notes: dict[_Key, _Text] = {}  # note_key: the driver's words where a value is missing
    details: dict[str, msgspec.Raw] = {}  # "processes", "filesystems" …: JSON, kept undecoded until a page asks
    events: list[Event] = []  # in the order in which they were seen


def note_key(metric: str, reason: Missing | int, whose: str | None = None) -> str:
    """Under which Report.notes has the words for why "accelerator.temp_mem" has no value.

    A GPU that is lost says nothing of its neighbours, which lack the same metric for another reason. Where subjects
    lack it for one reason in different words, `whose` is the key of a subject, or how those of its family begin.
    """
    return f"{metric}:{int(reason)}" + ("" if whose is None else f":{whose}")


class Pong(msgspec.Struct, tag_field="t", tag="pong", frozen=True):
    id: int
    at: float  # the node's wall clock


class Fault(msgspec.Struct, tag_field="t", tag="fault", frozen=True):
    text: str


Line = Hello | Schema | Report | Pong | Fault

_decoder = msgspec.json.Decoder(Line)


def decode(line: bytes) -> Line:
    """One line of the wire, its texts harmless.

    Raises StreamError (GARBAGE), with the start of the line, where it isn't the protocol.
    """
    try:
        return _decoder.decode(harmless(line))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        shown = line[:80].decode("utf-8", "replace")
        raise StreamError(Problem.GARBAGE, f"not a line of the probe's protocol: {shown!r}: {error}") from error


class Process(msgspec.Struct, frozen=True):
    """One row of the detail "processes". Memory in bytes; -1 where the driver doesn't tell."""

    pid: int
    user: str
    command: str
    cgroup: str = ""
    started_at: float = 0.0
    cpu_percent: float = 0.0
    memory_bytes: int = -1
    accelerator: str = ""  # key of the accelerator it holds, "" where none
    accelerator_memory_bytes: int = -1
    kind: str = ""  # "compute", "graphics", "mps"
    job: str = ""  # "slurm:4242", "pod:<uid>", from the cgroup, else from SLURM_JOB_ID
    state: str = ""  # R, S, D, Z …
    orphan: bool = False  # its parent is gone, and it is no service
    hangs_in: str = ""  # told to end, and hangs in this function of the kernel, "?" where that isn't told

    @property
    def where_it_hangs(self) -> str:
        """The function of the kernel, "" where it isn't told."""
        return "" if self.hangs_in == "?" else self.hangs_in


_Ordinal = Annotated[int, msgspec.Meta(ge=-1, lt=2**40)]
_Code = Annotated[int, msgspec.Meta(ge=0, le=7)]
_Variables = Annotated[dict[_Key, _Text], msgspec.Meta(max_length=128)]


class Workload(msgspec.Struct, frozen=True):
    """One row of the detail "workloads": what a process of the same report's "processes" belongs to.

    It was read when the process was first seen, and is told again only where a row of the detail is another one.
    Numbers are -1 where nothing tells them. Ranks are those of the launcher nearest to the process: torchrun's RANK
    before Open MPI's, JAX's, PMIx's, PMI's and Slurm's.
    """

    pid: int
    start: int  # ticks since boot: with the pid, which process it is
    environment: _Variables = {}  # the variables of collectors/probe/environment.py, as they are, and no others
    missing: _Code = 0  # watchfloor.model.Missing: why the environment could not be read
    words: _Text = ""  # the same, for people
    rank: _Ordinal = -1
    local_rank: _Ordinal = -1
    world_size: _Ordinal = -1
    restart: _Ordinal = -1  # how often torchrun has started its workers anew, within one attempt of the job
    requeue: _Ordinal = -1  # how often Slurm has queued the job again
    run_ids: _Variables = {}  # "wandb": "team/project/run", "mlflow", "torchelastic", "ray"
    directory: _Text = ""  # its working directory, as the process sees it
    pod: _Text = ""  # "namespace/name", as the node's kubelet calls the pod of its cgroup


class Origin(msgspec.Struct, frozen=True):
    """One row of the detail "origins": what a process on an accelerator was started from, as of when it was first seen.

    Of its working directory, the commit that is checked out there; files may differ from it.
    """

    pid: int
    start: int  # as in Workload
    image: _Text = ""  # of its container
    commit: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{40}|[0-9a-f]{64})?$")] = ""
    checkout: _Text = ""  # the folder that has it: the working directory, or one above
    missing: _Code = 0  # why there is no commit, where there may be one
    words: _Text = ""


class Filesystem(msgspec.Struct, frozen=True):
    mount: str
    device: str
    kind: str
    total_bytes: int
    used_bytes: int


class Disk(msgspec.Struct, frozen=True):
    name: str
    read_bytes_per_second: float
    write_bytes_per_second: float
    busy_percent: float


class Software(msgspec.Struct, frozen=True, order=True):
    """One row of the detail "stack": one version of one thing. The same on equal nodes, so no pids or times in it."""

    layer: str  # one of watchfloor.stack.LAYERS
    name: str  # "nccl", "vbios", "pytorch", "image"
    version: str
    subject: str = ""  # accelerator or link key that it belongs to, "" for the node
    where: str = ""  # what was read: a path, "package metadata"; where there is no version, the words for why
    user: str = ""  # who runs what has it mapped, "" for what is merely installed
    missing: _Code = 0  # watchfloor.model.Missing: why there is no version


class Cost(msgspec.Struct, frozen=True):
    """One row of the detail "costs": what one question to a driver or tool costs. Times in seconds."""

    sampler: str
    call: str
    seconds: float
    cpu: float
    period: float  # seconds between two askings; 0: once


DETAILS: dict[str, type] = {
    "processes": list[Process],
    "workloads": list[Workload],
    "origins": list[Origin],
    "filesystems": list[Filesystem],
    "disks": list[Disk],
    "stack": list[Software],
    "costs": list[Cost],
}


Detail = Process | Workload | Origin | Filesystem | Disk | Software | Cost


def decode_detail(name: str, raw: bytes) -> Sequence[Detail]:
    """A detail of a report. Raises StreamError (GARBAGE); KeyError where the name is unknown."""
    try:
        return msgspec.json.decode(raw, type=DETAILS[name])
    except msgspec.DecodeError as error:
        raise StreamError(Problem.GARBAGE, f"detail {name!r} is not what the protocol says: {error}") from error
