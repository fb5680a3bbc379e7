"""What Ray's dashboard tells, as far as it is read: jobs, actors and tasks with accelerators, nodes. Pure.

Times are milliseconds since the epoch; what is not there yet is null. Fields that no one shows are never decoded.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

Row = TypeVar("Row")


class Version(msgspec.Struct, frozen=True):
    ray_version: str = ""


class Driver(msgspec.Struct, frozen=True):
    id: str = ""
    node_ip_address: str = ""
    pid: str | int | None = None


class RayJob(msgspec.Struct, frozen=True):
    type: str = ""  # SUBMISSION, or DRIVER: a script that joined the cluster by itself
    job_id: str | None = None  # null until its driver has started
    submission_id: str | None = None
    driver_info: Driver | None = None
    status: str = ""
    entrypoint: str | None = None
    message: str | None = None
    error_type: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    metadata: dict[str, str] | None = None
    driver_node_id: str | None = None
    driver_exit_code: int | None = None


class Actor(msgspec.Struct, frozen=True):
    actor_id: str = ""
    class_name: str | None = None
    state: str = ""
    job_id: str = ""
    node_id: str | None = None
    pid: int | None = None
    required_resources: dict[str, float] | None = None


class Task(msgspec.Struct, frozen=True):
    task_id: str = ""
    state: str = ""
    type: str | None = None
    job_id: str = ""
    node_id: str | None = None
    worker_pid: int | None = None
    required_resources: dict[str, float] | None = None


class Bundle(msgspec.Struct, frozen=True):
    node_id: str | None = None
    unit_resources: dict[str, float] | None = None


class PlacementGroup(msgspec.Struct, frozen=True):
    """A reservation: its bundles hold what they name, whether or not anything runs in them."""

    placement_group_id: str = ""
    creator_job_id: str = ""
    state: str = ""
    bundles: list[Bundle] | None = None


class RayNode(msgspec.Struct, frozen=True):
    node_id: str = ""
    node_ip: str = ""
    node_name: str | None = None
    state: str = ""
    state_message: str | None = None
    resources_total: dict[str, float | str] | None = None  # memory is a text such as "15.903 GiB"
    end_time_ms: float | str | None = None


class _Rows(msgspec.Struct, Generic[Row], frozen=True):
    result: list[Row]
    total: int = 0
    partial_failure_warning: str | None = None


class _Data(msgspec.Struct, Generic[Row], frozen=True):
    result: _Rows[Row]


class State(msgspec.Struct, Generic[Row], frozen=True):
    """An answer of the state API (/api/v0/…): its rows lie two levels deep."""

    result: bool = False
    msg: str = ""
    data: _Data[Row] | None = None

    @property
    def rows(self) -> list[Row]:
        return self.data.result.result if self.data else []


class _Raylet(msgspec.Struct, frozen=True, rename="camel"):
    node_id: str = ""


class _Summary(msgspec.Struct, frozen=True):
    hostname: str = ""
    ip: str = ""
    raylet: _Raylet = _Raylet()


class _Summaries(msgspec.Struct, frozen=True):
    summary: list[_Summary]


class Summary(msgspec.Struct, frozen=True):
    """The dashboard's own page of nodes; it alone knows hostnames."""

    data: _Summaries

    @property
    def hostnames(self) -> dict[str, str]:
        """Node id -> hostname."""
        return {one.raylet.node_id: one.hostname for one in self.data.summary if one.raylet.node_id}
