"""The Slurm of a demo: what squeue, scontrol and sacct would say there. Pure functions of the machine and the time.

A job that an incident ends is queued again and begins anew when the incident is over, as the boards show it, too. Pods
are none of Slurm's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from collectors.simulator.faults import Incident
from collectors.simulator.floor import NodePlan
from collectors.simulator.machine import Machine
from collectors.simulator.process_environment import directory
from collectors.simulator.work import EPOCH_BEFORE_START, GAP_SECONDS, Job, Slot

VERSION = "slurm 24.05.4"
PARTITION, ACCOUNT = "gpu", "floor"
_FIRST_ID, _IDS_OF_A_SLOT, _SHIFT_SECONDS = 40_000, 97, 137.0  # as Slot.job has them
_STEP = 0.5  # seconds: how exactly the end of a job within an incident is known
_COLUMNS = "JobIDRaw|State|ExitCode|Start|End|NodeList|Reason"


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt of a job, in seconds after the start of the demo; `end` is None while it runs."""

    start: float
    end: float | None
    state: str
    reason: str = "None"


def bare(words: Sequence[str]) -> Sequence[str]:
    """A command without the `env` and `timeout` before it."""
    rest = list(words)
    if rest[:1] == ["env"]:
        rest = rest[1:]
        while rest and "=" in rest[0]:
            rest = rest[1:]
    return rest[4:] if rest[:2] == ["timeout", "-k"] else rest


def answer(machine: Machine, words: Sequence[str], began_at: float) -> str | None:
    """Its output; None for what is none of Slurm's commands."""
    line = " ".join(words)
    if line == "squeue --version":
        return f"{VERSION}\n"
    if line == "scontrol ping":
        return "Slurmctld(primary) at demo is UP\n"
    if line.startswith("squeue"):
        queue = list(_queue(machine, began_at)) if "--json" in words else None
        return "" if queue is None else json.dumps({"jobs": queue, "errors": []})  # its jobs have no steps
    if line.startswith("scontrol") and line.endswith("--json show node"):
        return json.dumps({"nodes": [_node(machine, plan) for plan in machine.floor.nodes], "errors": []})
    if words[:1] == ["sacct"]:
        ids = next((word.partition("=")[2] for word in words if word.startswith("--jobs=")), "")
        return "\n".join([_COLUMNS, *_accounts(machine, ids.split(","), began_at)]) + "\n"
    return None


def tries(machine: Machine, job: Job, t: float) -> list[Try]:
    """The attempts of a job until `t`, the last of which may not have begun yet."""
    found, start = list[Try](), job.started
    over = job.started + job.kind.lasts - GAP_SECONDS
    for killed, again, incident in sorted(_kills(machine, job.slot, t), key=lambda kill: kill[:2]):
        if start <= killed < min(t, over):
            found.append(Try(start, killed, "NODE_FAIL", f"{incident.node.name} failed"))
            start = again
    if t >= over:
        return [*found, Try(start, over, "COMPLETED")] if start < over else found
    return [*found, Try(start, None, "RUNNING" if start <= t else "PENDING")]


def _kills(machine: Machine, slot: Slot, t: float) -> Iterator[tuple[float, float, Incident]]:
    """(when it ended the jobs of a place, when they begin anew, incident)."""
    for incident in machine.all_incidents:
        if incident.node.index not in slot.nodes:
            continue
        steps = (number * _STEP for number in range(int(incident.lasts / _STEP)))
        after = next((since for since in steps if incident.pace(since) == 0.0), None)
        for number in range(incident.begun(t) if after is not None else 0):
            struck = incident.first + number * incident.every
            yield struck + (after or 0.0), struck + incident.lasts, incident


def _queue(machine: Machine, began_at: float) -> Iterator[Mapping[str, object]]:
    t = machine.time
    for slot in machine.floor.slots:
        job = None if slot.kind.pod else slot.job(t)
        if job is not None:
            yield _job(machine, job, tries(machine, job, t), began_at)


def _job(machine: Machine, job: Job, attempts: Sequence[Try], began_at: float) -> Mapping[str, object]:
    last, plans = attempts[-1], [machine.floor.nodes[index] for index in job.slot.nodes]
    runs = last.state == "RUNNING"
    return {
        "job_id": job.id,
        "job_state": [last.state],
        "state_reason": "None" if runs else "BeginTime",
        "name": job.kind.name,
        "user_name": job.user,
        "account": ACCOUNT,
        "partition": PARTITION,
        "submit_time": int(began_at + job.started - 300),
        "start_time": int(began_at + last.start),
        "time_limit": int(job.kind.lasts / 60),
        "restart_cnt": len(attempts) - 1,
        "nodes": ",".join(plan.name for plan in plans) if runs else "",
        "node_count": len(plans),
        "gres_detail": [_gres(plan, job.slot.boards) for plan in plans] if runs else [],
        "tres_req_str": f"node={len(plans)},gres/gpu={len(plans) * len(job.slot.boards)}",
        "comment": f"dataset=s3://floor/{job.kind.name}-tokens checkpoint=/scratch/{job.user}/{job.kind.name}/latest",
        "command": job.kind.command,
        "current_working_directory": directory(job),
    }


def _gres(plan: NodePlan, boards: Sequence[int]) -> str:
    return f"gpu:{plan.shape.name}:{len(boards)}(IDX:{','.join(map(str, boards))})"


def _node(machine: Machine, plan: NodePlan) -> Mapping[str, object]:
    down = any(incident.node is plan and incident.faults_at(machine.time).down for incident in machine.all_incidents)
    busy = any(machine.running(slot, machine.time)[0] for slot in machine.floor.slots_on(plan.index))
    return {
        "name": plan.name,
        "hostname": plan.name,
        "state": ["DOWN", "NOT_RESPONDING"] if down else ["MIXED" if busy else "IDLE"],
        "reason": "Not responding" if down else "",
        "gres": f"gpu:{plan.shape.name}:{plan.shape.boards}" if plan.shape.boards else "",
        "partitions": [PARTITION],
    }


def _accounts(machine: Machine, ids: Sequence[str], began_at: float) -> Iterator[str]:
    for job in (job for slot in machine.floor.slots for job in _asked(slot, ids, machine.time)):
        nodes = ",".join(machine.floor.nodes[index].name for index in job.slot.nodes)
        for one in tries(machine, job, machine.time):
            end = "Unknown" if one.end is None else str(int(began_at + one.end))
            yield f"{job.id}|{one.state}|0:0|{int(began_at + one.start)}|{end}|{nodes}|{one.reason}"


def _asked(slot: Slot, ids: Sequence[str], t: float) -> Iterator[Job]:
    """The jobs of a place that are among these."""
    shift = EPOCH_BEFORE_START + slot.number * _SHIFT_SECONDS
    turn = int((t + shift) // slot.kind.lasts)
    for number in (turn - 1, turn):
        job_id = _FIRST_ID + slot.number * _IDS_OF_A_SLOT + number
        if str(job_id) in ids and not slot.kind.pod:
            yield Job(job_id, slot, number * slot.kind.lasts - shift)
