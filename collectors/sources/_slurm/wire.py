"""The JSON of Slurm 21.08 to 25.05 (data parsers v0.0.37 to v0.0.43), typed, lenient, and read in one pass. Pure.

Each generation wraps values in its own way: a number is 5, null, or {"set", "infinite", "number"}; a state is a word or
a list; an exit code is a raw wait status, or an object. Fields that aren't named here are skipped unread, which is most
of them. The cores of each socket make nine tenths of squeue's answer, and stay as they are written.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from collectors.sources._slurm.record import number
from collectors.sources._slurm.refused import NoAnswer, Refused

_OPENING = 60  # characters of what is no JSON, in the message


class Wrapped(msgspec.Struct):
    set: bool = True
    infinite: bool = False
    number: float | None = None


Number = float | str | None | Wrapped
Words = str | list[str] | None
Text = str | int | None


class Signal(msgspec.Struct):
    id: Number = None
    signal_id: Number = None
    name: Text = None


class Exit(msgspec.Struct):
    """An exit code as an object; `set` and `number` are there where it is a wrapped wait status."""

    return_code: Number = None
    signal: Signal | None = None
    set: bool = True
    number: float | None = None


class Cpus(msgspec.Struct):
    count: Number = None


class Memory(msgspec.Struct):
    allocated: Number = None


class Held(msgspec.Struct):
    """What a job holds on one node. Memory is in MiB."""

    nodename: str = ""
    name: str = ""
    cpus: float | Cpus | None = None
    memory: float | Memory | None = None
    memory_allocated: Number = None
    sockets: msgspec.Raw = msgspec.Raw()

    @property
    def cores(self) -> int:
        """How many 22.05 names, each as "allocated" or "allocated_and_in_use"."""
        return bytes(self.sockets).count(b'"allocated')


class HeldNodes(msgspec.Struct):
    text: str = msgspec.field(name="list", default="")
    allocation: list[Held] = []


class Resources(msgspec.Struct):
    nodes: str | HeldNodes | None = None
    allocated_nodes: list[Held] | dict[str, Held] | None = None


class JobTold(msgspec.Struct):
    job_id: int = 0
    job_state: Words = None
    state_reason: Text = None
    state_description: Text = None
    name: Text = None
    user_name: Text = None
    user_id: int | None = None
    account: Text = None
    partition: Text = None
    qos: Text = None
    submit_time: Number = None
    start_time: Number = None
    end_time: Number = None
    suspend_time: Number = None
    pre_sus_time: Number = None
    time_limit: Number = None
    priority: Number = None
    array_job_id: Number = None
    array_task_id: Number = None
    array_task_string: Text = None
    array_max_tasks: Number = None
    restart_cnt: Number = None
    exit_code: float | Exit | None = None
    dependency: Text = None
    nodes: Text = None
    node_count: Number = None
    tasks: Number = None
    cpus: Number = None
    gres_detail: list[str | None] | None = None
    job_resources: Resources | list[object] | None = None
    tres_req_str: Text = None
    tres_alloc_str: Text = None
    tres_per_job: Text = None
    tres_per_node: Text = None
    tres_per_task: Text = None
    comment: Text = None
    admin_comment: Text = None
    system_comment: Text = None
    command: Text = None
    current_working_directory: Text = None
    container: Text = None
    resv_name: Text = None
    features: Text = None
    licenses: Text = None
    wckey: Text = None
    cluster: Text = None
    batch_host: Text = None
    failed_node: Text = None
    standard_output: Text = None
    het_job_id: Number = None
    het_job_offset: Number = None


class NodeTold(msgspec.Struct):
    name: str = ""
    hostname: Text = None
    address: Text = None
    state: Words = None
    state_flags: Words = None
    gres: Text = None
    gres_used: Text = None
    tres: Text = None
    tres_used: Text = None
    reason: Text = None
    reason_changed_at: Number = None
    comment: Text = None
    partitions: Words = None


class AccountArray(msgspec.Struct):
    job_id: Number = None
    task_id: Number = None


class AccountTime(msgspec.Struct):
    start: Number = None
    end: Number = None


class AccountState(msgspec.Struct):
    current: Words = None
    reason: Text = None


class StepTasks(msgspec.Struct):
    count: Number = None


class StepNodes(msgspec.Struct):
    range: Text = None


class AccountStep(msgspec.Struct):
    step: dict[str, object] = {}
    state: Words = None
    time: AccountTime | None = None
    tasks: StepTasks | None = None
    nodes: StepNodes | None = None
    exit_code: float | Exit | None = None


class AccountResource(msgspec.Struct):
    type: Text = None
    name: Text = None
    count: Number = None


class AccountResources(msgspec.Struct):
    allocated: list[AccountResource] = []


class AccountTold(msgspec.Struct):
    """A job of the accounting database: one attempt."""

    job_id: int = 0
    array: AccountArray | None = None
    state: AccountState | None = None
    time: AccountTime | None = None
    exit_code: float | Exit | None = None
    nodes: Text = None
    tres: AccountResources | None = None
    steps: list[AccountStep] = []


class Release(msgspec.Struct):
    release: str = ""


class Meta(msgspec.Struct):
    new: Release | None = msgspec.field(name="slurm", default=None)
    old: Release | None = msgspec.field(name="Slurm", default=None)


class Trouble(msgspec.Struct):
    error: Text = None
    description: Text = None


class Answer(msgspec.Struct):
    """The lists stay undecoded: `rows` decodes the one that is wanted."""

    meta: Meta | None = None
    errors: list[Trouble] | None = None
    jobs: msgspec.Raw = msgspec.Raw()
    nodes: msgspec.Raw = msgspec.Raw()

    @property
    def version(self) -> str:
        found = self.meta and (self.meta.new or self.meta.old)
        return found.release if found else ""


T = TypeVar("T")


def rows(raw: bytes, field: str, kind: type[T]) -> tuple[list[T], str]:
    """The list `field` of an answer, and the version that it is of. Raises Refused; NoAnswer for an error in it."""
    if not raw.strip():
        raise Refused("the answer is empty")
    answer = _decoded(raw, Answer)
    found: msgspec.Raw = getattr(answer, field)
    for trouble in answer.errors or ():
        raise NoAnswer(f"Slurm says: {trouble.error or trouble.description or 'an error'}")
    if not bytes(found):
        raise Refused(f"there is no list of {field} in this JSON")
    # row by row: decoding all of them at once would hold up every other thread for a tenth of a second
    return [_decoded(row, kind) for row in _decoded(found, list[msgspec.Raw])], answer.version


def _decoded(raw: bytes | msgspec.Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise Refused(f"JSON of a shape that isn't known: {error}") from error
    except UnicodeDecodeError:  # users write names and comments in other encodings
        return _decoded(bytes(raw).decode("utf-8", "replace").encode(), kind)
    except msgspec.DecodeError as error:
        opening = bytes(raw)[:_OPENING].decode("utf-8", "replace").strip()
        raise Refused(f"it is no JSON, it begins with {opening!r}") from error


def plain(value: Number | Cpus | Memory) -> float | None:
    """A number of any generation; None where it isn't set, or infinite."""
    if isinstance(value, Wrapped):
        return number(value.number) if value.set and not value.infinite else None
    if isinstance(value, Cpus):
        return plain(value.count)
    if isinstance(value, Memory):
        return plain(value.allocated)
    if isinstance(value, str):
        return float(value) if value.isdecimal() else None
    return number(value)


def whole(value: Number | Cpus | Memory) -> int | None:
    found = plain(value)
    return None if found is None else int(found)


def moment(value: Number) -> float | None:
    """A time; Slurm's 0 is none."""
    return plain(value) or None


def text(value: Text) -> str:
    return "" if value is None else str(value)


def listed(value: Words) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def exit_code(value: float | Exit | None, is_status: bool) -> tuple[int | None, int | None]:
    """Exit code and signal. `is_status`: a bare number is a wait status, as slurmctld has it."""
    if isinstance(value, Exit):
        if value.number is not None and value.return_code is None:
            return exit_code(value.number if value.set else None, is_status)
        killed = None if value.signal is None else (whole(value.signal.id) or whole(value.signal.signal_id))
        return whole(value.return_code), killed or None
    bare = whole(value)
    if bare is None or not is_status:
        return bare, None
    return bare >> 8 & 0xFF, (bare & 0x7F) or None
