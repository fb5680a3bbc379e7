"""Jobs of `squeue --json`, of `scontrol show job --json`, and of slurmrestd, which prints the same. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from collectors.sources._slurm import states, values, wire
from collectors.sources._slurm.record import Record, job_of
from collectors.sources._slurm.refused import Refused
from watchfloor.jobs.model import Allocation, Job

_MIB = 2**20


def jobs(raw: bytes, source: str, cluster: str = "") -> tuple[list[Job], str]:
    """Every job, and the version of the Slurm that told them. Raises Refused where it isn't that."""
    told, version = wire.rows(raw, "jobs", wire.JobTold)
    if any(not job.job_id or not job.job_state for job in told):
        raise Refused("jobs without an id or a state: those of the accounting (sacct) are of another shape")
    return [job_of(_record(job), source, cluster) for job in told], version


def _record(told: wire.JobTold) -> Record:
    code, signal = wire.exit_code(told.exit_code, is_status=True)
    limit = wire.plain(told.time_limit)
    nodes = values.hosts(wire.text(told.nodes))
    return Record(
        told.job_id,
        name=wire.text(told.name),
        user=wire.text(told.user_name) or wire.text(told.user_id),
        account=wire.text(told.account),
        partition=wire.text(told.partition),
        qos=wire.text(told.qos),
        state=states.words(wire.listed(told.job_state)),
        reason=wire.text(told.state_description) or wire.text(told.state_reason),
        submitted=wire.moment(told.submit_time),
        started=wire.moment(told.start_time),
        ended=wire.moment(told.end_time),
        suspended=wire.moment(told.suspend_time),
        ran_seconds=wire.plain(told.pre_sus_time),
        limit_seconds=None if limit is None else limit * 60,
        priority=wire.plain(told.priority),
        array_id=wire.whole(told.array_job_id) or None,
        array_task=wire.whole(told.array_task_id),
        array_tasks=wire.text(told.array_task_string),
        array_limit=wire.whole(told.array_max_tasks) or None,
        restarts=wire.whole(told.restart_cnt) or 0,
        exit_code=code,
        signal=signal,
        dependency=wire.text(told.dependency),
        nodes=nodes,
        held=_held(told, nodes),
        node_count=wire.whole(told.node_count),
        tasks=wire.whole(told.tasks),
        wanted=wire.text(told.tres_req_str),
        allocated=wire.text(told.tres_alloc_str),
        per_job=wire.text(told.tres_per_job),
        per_node=wire.text(told.tres_per_node),
        per_task=wire.text(told.tres_per_task),
        comment=wire.text(told.comment),
        command=wire.text(told.command),
        working_directory=wire.text(told.current_working_directory),
        image=wire.text(told.container),
        labels=_labels(told),
    )


def _held(told: wire.JobTold, nodes: tuple[str, ...]) -> dict[str, Allocation]:
    """By node. Texts of generic resources come one a node, in the order of the allocation."""
    each = dict(_each_node(told.job_resources, nodes))
    order = tuple(each) if len(each) == len(nodes) else nodes
    details = told.gres_detail or []
    a_core = _cpus_of_a_core(told, each.values())
    found = {}
    for place, node in enumerate(order):
        one = each.get(node)
        own = values.accelerators(details[place]) if len(details) == len(order) else None
        memory = None if one is None else wire.plain(one.memory_allocated) or wire.plain(one.memory)
        found[node] = Allocation(
            node,
            count=own.count if own else None,
            indices=own.indices if own else None,
            cpus=None if one is None else _cpus(one, a_core),
            memory_bytes=None if memory is None else int(memory * _MIB),
        )
    return found


def _cpus(held: wire.Held, a_core: int) -> int | None:
    return held.cores * a_core or None if held.cpus is None else wire.whole(held.cpus)


def _cpus_of_a_core(told: wire.JobTold, held: Collection[wire.Held]) -> int:
    """22.05 names the cores of each node, and counts CPUs (threads) of the whole job.

    0 where that doesn't come out even: its nodes have several kinds of cores.
    """
    cores, cpus = sum(one.cores for one in held if one.cpus is None), wire.whole(told.cpus) or 0
    return cpus // cores if cores and cpus % cores == 0 else 0


def _each_node(told: object, nodes: tuple[str, ...]) -> Iterable[tuple[str, wire.Held]]:
    """In three shapes: a dict by position (21.08), a list with `nodename` (22.05), a list with `name` (24.05)."""
    if not isinstance(told, wire.Resources):
        return
    if isinstance(told.allocated_nodes, dict):
        for place, one in told.allocated_nodes.items():
            if place.isdecimal() and int(place) < len(nodes):
                yield nodes[int(place)], one
        return
    listed = told.nodes.allocation if isinstance(told.nodes, wire.HeldNodes) else told.allocated_nodes or []
    for one in listed:
        if one.nodename or one.name:
            yield one.nodename or one.name, one


def _labels(told: wire.JobTold) -> dict[str, str]:
    component = wire.whole(told.het_job_id)
    return {
        "reservation": wire.text(told.resv_name),
        "features": wire.text(told.features),
        "licenses": wire.text(told.licenses),
        "wckey": wire.text(told.wckey),
        "cluster": wire.text(told.cluster),
        "batch host": wire.text(told.batch_host),
        "failed node": wire.text(told.failed_node),
        "output": values.redacted(wire.text(told.standard_output)),
        "component": f"{component}+{wire.whole(told.het_job_offset) or 0}" if component else "",
        "admin comment": values.redacted(wire.text(told.admin_comment)),
        "system comment": values.redacted(wire.text(told.system_comment)),
    }
