"""The objects of Kubernetes' API, as far as they are read: of each the fields that somebody shows. Pure.

What an object holds besides (managed fields, volumes, secrets' names, most of a status) is never decoded.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

import msgspec

Quantity = str | int | float


class Owner(msgspec.Struct, frozen=True, rename="camel"):
    kind: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    controller: bool | None = None


class Meta(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[Owner] | None = None

    @property
    def owner(self) -> Owner | None:
        """The one that controls it. A node that owns its static pods is no owner in the sense of people."""
        for reference in self.owner_references or ():
            if reference.controller and reference.kind != "Node":
                return reference
        return None


class Condition(msgspec.Struct, frozen=True, rename="camel"):
    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


class Resources(msgspec.Struct, frozen=True):
    limits: dict[str, Quantity] | None = None
    requests: dict[str, Quantity] | None = None

    @property
    def asked(self) -> dict[str, Quantity]:
        """Requests, and limits where no request is named."""
        return {**(self.limits or {}), **(self.requests or {})}


class Variable(msgspec.Struct, frozen=True):
    name: str = ""
    value: str | None = None


class Container(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    image: str | None = None
    command: list[str] | None = None
    args: list[str] | None = None
    working_dir: str | None = None
    env: list[Variable] | None = None
    resources: Resources | None = None
    restart_policy: str | None = None  # "Always" of an init container: it runs beside the others


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    resources: Resources | None = None
    node_name: str | None = None
    node_selector: dict[str, str] | None = None
    priority: int | None = None
    priority_class_name: str | None = None
    service_account_name: str | None = None
    active_deadline_seconds: float | None = None
    resource_claims: list[msgspec.Raw] | None = None


class Terminated(msgspec.Struct, frozen=True, rename="camel"):
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    message: str | None = None
    started_at: str | None = None
    finished_at: str | None = None


class Waiting(msgspec.Struct, frozen=True):
    reason: str | None = None
    message: str | None = None


class Running(msgspec.Struct, frozen=True, rename="camel"):
    started_at: str | None = None


class ContainerState(msgspec.Struct, frozen=True):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    ready: bool = False
    restart_count: int = 0
    state: ContainerState | None = None
    last_state: ContainerState | None = None


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = ""
    reason: str | None = None
    message: str | None = None
    start_time: str | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


_NOTHING = Meta()


class Pod(msgspec.Struct, frozen=True):
    metadata: Meta = _NOTHING
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Taint(msgspec.Struct, frozen=True):
    key: str = ""
    value: str | None = None
    effect: str = ""


class NodeSpec(msgspec.Struct, frozen=True):
    unschedulable: bool | None = None
    taints: list[Taint] | None = None


class Address(msgspec.Struct, frozen=True):
    type: str = ""
    address: str = ""


class NodeStatus(msgspec.Struct, frozen=True):
    allocatable: dict[str, Quantity] | None = None
    conditions: list[Condition] | None = None
    addresses: list[Address] | None = None


class Node(msgspec.Struct, frozen=True):
    metadata: Meta = _NOTHING
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class Template(msgspec.Struct, frozen=True):
    metadata: Meta = _NOTHING
    spec: PodSpec = PodSpec()


class BatchJobSpec(msgspec.Struct, frozen=True, rename="camel"):
    parallelism: int | None = None
    suspend: bool | None = None
    active_deadline_seconds: float | None = None
    template: Template = Template()


class BatchJobStatus(msgspec.Struct, frozen=True, rename="camel"):
    start_time: str | None = None
    completion_time: str | None = None
    conditions: list[Condition] | None = None


class BatchJob(msgspec.Struct, frozen=True):
    metadata: Meta = _NOTHING
    spec: BatchJobSpec = BatchJobSpec()
    status: BatchJobStatus = BatchJobStatus()


class Involved(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""


class Event(msgspec.Struct, frozen=True, rename="camel"):
    metadata: Meta = _NOTHING
    involved_object: Involved = Involved()
    reason: str | None = None
    message: str | None = None
    type: str | None = None
    event_time: str | None = None
    last_timestamp: str | None = None


class OnlyMeta(msgspec.Struct, frozen=True):
    metadata: Meta = _NOTHING


class ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continued: str | None = msgspec.field(default=None, name="continue")


class ObjectList(msgspec.Struct, frozen=True):
    """A page of a list; its objects are decoded one by one, so that a bad one costs itself alone."""

    metadata: ListMeta
    items: list[msgspec.Raw] | None = None


class WatchEvent(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class Refusal(msgspec.Struct, frozen=True):
    """The Status object that the server answers with where it refuses."""

    code: int = 0
    reason: str | None = None
    message: str | None = None


Kind = TypeVar("Kind", bound=msgspec.Struct)


def decode(raw: bytes | msgspec.Raw, kind: type[Kind]) -> Kind:
    """Raises msgspec.DecodeError, whose words name the field."""
    return msgspec.json.decode(raw, type=kind)


def seconds(text: str | None) -> float | None:
    """Seconds since the epoch of a time as "2026-11-22T19:36:21Z"; None where there is none that can be read."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


_SUFFIXES = {
    "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "u": 1e-6, "n": 1e-9,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip


def number(quantity: Quantity | None) -> float | None:
    """ "100m" is 0.1, "2Gi" 2147483648, "1e3" 1000; None for what is no quantity."""
    if quantity is None or isinstance(quantity, int | float):
        return quantity
    for length in (2, 1):
        factor = _SUFFIXES.get(quantity[-length:])
        if factor is not None:
            quantity, times = quantity[:-length], factor
            break
    else:
        times = 1.0
    try:
        return float(quantity) * times
    except ValueError:
        return None
