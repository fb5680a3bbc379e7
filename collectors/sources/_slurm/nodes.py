"""Nodes as Slurm sees them: of `scontrol show node`, as JSON or text, and of sinfo's JSON before 23.02. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from collectors.sources._slurm import oneline, states, values, wire
from collectors.sources._slurm.refused import Refused
from watchfloor.jobs.model import SchedulerNode

# "Not responding [root@2026-11-22T17:59:25]"
_REASON = re.compile(r"\sReason=(.*?)\s*\[[^\s@\[\]]+@([^\]\s]+)\]")


def of_json(raw: bytes) -> list[SchedulerNode]:
    """Raises Refused: sinfo of 23.02 and newer sums nodes up, and has no list of them."""
    told, _ = wire.rows(raw, "nodes", wire.NodeTold)
    if any(not node.name for node in told):
        raise Refused("nodes without a name")
    return [_of_told(node) for node in told]


def _of_told(told: wire.NodeTold) -> SchedulerNode:
    partitions = wire.listed(told.partitions)
    return _node(
        told.name,
        (wire.text(told.hostname), wire.text(told.address)),
        states.node_words(wire.listed(told.state), wire.listed(told.state_flags)),
        (wire.text(told.gres), wire.text(told.gres_used)),
        (wire.text(told.tres), wire.text(told.tres_used)),
        wire.text(told.reason),
        wire.moment(told.reason_changed_at),
        partitions if len(partitions) != 1 else partitions[0].split(","),
        wire.text(told.comment),
    )


def of_text(text: str) -> list[SchedulerNode]:
    """Raises Refused where it isn't the output of `scontrol show node`."""
    return [_of_record(record) for record in oneline.records(text, "NodeName")]


def _of_record(record: str) -> SchedulerNode:
    told = oneline.fields(record)
    reason = _REASON.search(record)
    return _node(
        told["NodeName"],
        (told.get("NodeHostName", ""), told.get("NodeAddr", "")),
        states.node_words(told.get("State", "")),
        (told.get("Gres", ""), told.get("GresUsed")),
        (told.get("CfgTRES", ""), told.get("AllocTRES")),
        reason[1] if reason else told.get("Reason", ""),
        values.moment(reason[2]) if reason else None,
        told.get("Partitions", "").split(","),
        told.get("Comment", ""),
    )


def _node(
    name: str,
    others: tuple[str, str],
    state: tuple[str, ...],
    gres: tuple[str, str | None],
    tres: tuple[str, str | None],
    reason: str,
    since: float | None,
    partitions: Iterable[str],
    comment: str,
) -> SchedulerNode:
    all_of_it = values.accelerators(gres[0])
    return SchedulerNode(
        name,
        states.node_state(state),
        hostname=values.first(other for other in others if other != name),
        takes_work=states.takes_work(state),
        reason=values.redacted(reason),
        accelerators=all_of_it.count if all_of_it else 0,
        accelerators_used=_used(all_of_it, gres[1], tres),
        queues=tuple(part for part in partitions if part),
        since=since,
        comment=values.told(comment),
    )


def _used(all_of_it: values.Resource | None, gres: str | None, tres: tuple[str, str | None]) -> int | None:
    """Of the resources in use; where those aren't told, of the trackable ones, if accelerators are among them."""
    if all_of_it is None:
        return 0
    used = values.accelerators(gres)
    if used is None and values.accelerators(tres[0]) is not None and tres[1] is not None:
        used = values.accelerators(tres[1]) or values.Resource(0)
    return used.count if used else None
