"""Partitions and reservations of `scontrol show`, as text: every generation writes it alike. Pure."""

from __future__ import annotations

from collectors.sources._slurm import oneline, values
from watchfloor.jobs.model import Queue, Reservation


def queues(text: str) -> tuple[Queue, ...]:
    """Raises Refused where it isn't the output of `scontrol show partition`."""
    return tuple(_queue(oneline.fields(record)) for record in oneline.records(text, "PartitionName"))


def _queue(told: dict[str, str]) -> Queue:
    held = values.accelerators(told.get("TRES"))
    return Queue(
        told["PartitionName"],
        told.get("State", "").lower(),
        values.redacted(told.get("Nodes")),
        told.get("Default") == "YES",
        values.duration(told.get("MaxTime")),
        held.count if held is not None else None,
    )


def reservations(text: str) -> tuple[Reservation, ...]:
    """Raises Refused where it isn't the output of `scontrol show reservation`."""
    return tuple(_reservation(oneline.fields(record)) for record in oneline.records(text, "ReservationName"))


def _reservation(told: dict[str, str]) -> Reservation:
    return Reservation(
        told["ReservationName"],
        values.redacted(told.get("Nodes")),
        values.moment(told.get("StartTime")),
        values.moment(told.get("EndTime")),
        values.redacted(told.get("PartitionName")),
        values.redacted(told.get("Users")),
        values.redacted(told.get("Accounts")),
        values.redacted(told.get("Flags")),
    )
