"""The Slurm of a demo: what squeue, scontrol and sacct would say there. Pure functions of the machine and the time.

A job that an incident ends is queued again and begins anew when the incident is over, as the boards show it, too. Pods
are none of Slurm's. What changes something there is in `scheduler_control`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence

from collectors.simulator.floor import NodePlan
from collectors.simulator.machine import Machine
from collectors.simulator.order import Ended, Order
from collectors.simulator.process_environment import directory
from collectors.simulator.story import Span, Try
from collectors.simulator.work import EPOCH_BEFORE_START, USERS, Job, Slot
from watchfloor.hosts import folded

VERSION = "slurm 24.05.4"
PARTITION, ACCOUNT = "gpu", "floor"
_FIRST_ID, _IDS_OF_A_SLOT, _SHIFT_SECONDS = 40_000, 97, 137.0  # as Slot.job has them
_KEPT_SECONDS = 300.0  # that a job is told of after its end: MinJobAge
_COLUMNS = "JobIDRaw|State|ExitCode|Start|End|NodeList|Reason|AllocTRES"


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
    if line in _CONSTANT:
        return _CONSTANT[line]
    if "show" in words and "--oneliner" in words:
        return _shown(machine, words[-2], words[-1], began_at)
    if line.startswith("squeue"):
        queue = list(_queue(machine, began_at)) if "--json" in words else None
        return "" if queue is None else json.dumps({"jobs": queue, "errors": []})  # its jobs have no steps
    if line.startswith("scontrol") and line.endswith("--json show node"):
        return json.dumps({"nodes": [_node(machine, plan) for plan in machine.floor.nodes], "errors": []})
    return _accounting(machine, words, began_at) if words[:1] == ["sacct"] else None


_CONSTANT = {"squeue --version": f"{VERSION}\n", "scontrol ping": "Slurmctld(primary) at demo is UP\n"}


def _accounting(machine: Machine, words: Sequence[str], began_at: float) -> str:
    ids = next((word.partition("=")[2] for word in words if word.startswith("--jobs=")), "")
    return "\n".join([_COLUMNS, *_accounts(machine, ids.split(","), began_at)]) + "\n"


def job_of(machine: Machine, number: str) -> tuple[Job, Try] | None:
    """A job that Slurm still has, by its number, and its newest attempt."""
    for slot in machine.floor.slots:
        for job in _asked(slot, [number], machine.time):
            attempts = _attempts(machine, job)
            if attempts and _kept(attempts[-1], machine.time):
                return job, attempts[-1]
    return None


def _attempts(machine: Machine, job: Job) -> list[Try]:
    return machine.story.tries(job, machine.names(job.slot), machine.time)


def _kept(last: Try, t: float) -> bool:
    return last.end is None or t - last.end < _KEPT_SECONDS


def _queue(machine: Machine, began_at: float) -> Iterator[Mapping[str, object]]:
    for slot in machine.floor.slots:
        job = None if slot.kind.pod else slot.job(machine.time)
        if job is not None and _kept(_attempts(machine, job)[-1], machine.time):
            yield _job(machine, job, began_at)


def _job(machine: Machine, job: Job, began_at: float) -> Mapping[str, object]:
    attempts, plans = _attempts(machine, job), [machine.floor.nodes[index] for index in job.slot.nodes]
    last, held = attempts[-1], machine.story.held(job.id, machine.time)
    runs, known = last.state == "RUNNING", last.start <= machine.time
    return {
        "job_id": job.id,
        "job_state": [last.state],
        "state_reason": _reason(machine, job, last),
        "name": job.kind.name,
        "user_name": job.user,
        "account": ACCOUNT,
        "partition": PARTITION,
        "priority": 0 if held else job.priority,
        "submit_time": int(began_at + job.started - 300),
        "start_time": int(began_at + last.start) if known else 0,
        "end_time": int(began_at + last.end) if last.end is not None else 0,
        "time_limit": int(job.kind.lasts / 60),
        "restart_cnt": _restarts(attempts),
        "nodes": ",".join(plan.name for plan in plans) if runs else "",
        "node_count": len(plans),
        "gres_detail": [_gres(plan, job.slot.boards) for plan in plans] if runs else [],
        "tres_req_str": f"node={len(plans)},gres/gpu={len(plans) * len(job.slot.boards)}",
        "comment": f"dataset=s3://floor/{job.kind.name}-tokens checkpoint=/scratch/{job.user}/{job.kind.name}/latest",
        "command": job.kind.command,
        "current_working_directory": directory(job),
    }


def _restarts(attempts: Sequence[Try]) -> int:
    return len(attempts) - 1


def _reason(machine: Machine, job: Job, last: Try) -> str:
    """Why it waits."""
    if last.state != "PENDING":
        return "None"
    if machine.story.held(job.id, machine.time):
        return "JobHeldUser"
    return (
        "ReqNodeNotAvail"
        if any(machine.story.drained(name, machine.time) for name in machine.names(job.slot))
        else "BeginTime"
    )


def _gres(plan: NodePlan, boards: Sequence[int]) -> str:
    return f"gpu:{plan.shape.name}:{len(boards)}(IDX:{','.join(map(str, boards))})"


def _node(machine: Machine, plan: NodePlan) -> Mapping[str, object]:
    state, reason, since = _state(machine, plan)
    return {
        "name": plan.name,
        "hostname": plan.name,
        "state": state,
        "reason": reason,
        "comment": machine.story.comments.get(plan.name, ""),
        "gres": f"gpu:{plan.shape.name}:{plan.shape.boards}" if plan.shape.boards else "",
        "partitions": [PARTITION],
        "reason_changed_at": int(time.time() - machine.time + since) if since else 0,
    }


def _state(machine: Machine, plan: NodePlan) -> tuple[list[str], str, float]:
    """In Slurm's words; why; and since when (0 where that isn't told)."""
    drain = machine.story.drained(plan.name, machine.time) or Span(0.0, 0.0)
    flags = ["DRAIN"] if drain.end else []
    if machine.story.is_down(plan.index, machine.time):
        return ["DOWN", *flags, "NOT_RESPONDING"], drain.text or "Not responding", drain.start
    busy = any(machine.running(slot, machine.time)[0] for slot in machine.floor.slots_on(plan.index))
    return ["MIXED" if busy else "IDLE", *flags], drain.text, drain.start


# -- records of scontrol


def _shown(machine: Machine, kind: str, name: str, began_at: float) -> str | None:
    if kind == "show":
        return {"partition": _partition(machine), "reservation": "No reservations in the system\n"}.get(name)
    if kind == "node":
        plan = next((plan for plan in machine.floor.nodes if plan.name == name), None)
        return None if plan is None else _node_record(machine, plan, began_at)
    found = job_of(machine, name) if kind == "job" else None
    return None if found is None else _job_record(machine, found[0], began_at)


def _partition(machine: Machine) -> str:
    nodes = [plan for plan in machine.floor.nodes if plan.shape.boards]
    boards = sum(plan.shape.boards for plan in nodes)
    return (
        f"PartitionName={PARTITION} Default=YES MaxTime=UNLIMITED Nodes={folded([plan.name for plan in nodes])} "
        f"State=UP TotalNodes={len(nodes)} TRES=node={len(nodes)},gres/gpu={boards}\n"
    )


def _node_record(machine: Machine, plan: NodePlan, began_at: float) -> str:
    state, reason, since = _state(machine, plan)
    comment = machine.story.comments.get(plan.name, "")
    parts = [
        f"NodeName={plan.name}",
        f"NodeHostName={plan.name}",
        f"State={'+'.join(state)}",
        f"Partitions={PARTITION}",
    ]
    parts += [f"Comment={comment}"] if comment else []
    parts += [f"Reason={reason} [slurm@{_moment(began_at + since)}]"] if reason else []
    return " ".join(parts) + "\n"


def _job_record(machine: Machine, job: Job, began_at: float) -> str:
    told = _job(machine, job, began_at)
    state = told["job_state"]
    assert isinstance(state, list)
    parts = [f"JobId={job.id}", f"JobName={job.kind.name}", f"UserId={job.user}({USERS[job.user]})",
             f"Priority={told['priority']}", f"JobState={state[0]}", f"Reason={told['state_reason']}",
             f"Restarts={told['restart_cnt']}", f"StartTime={_moment(began_at + job.started)}",
             f"Partition={PARTITION}", f"NodeList={told['nodes'] or '(null)'}"]  # fmt: skip
    return " ".join(parts) + "\n"


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))


def _accounts(machine: Machine, ids: Sequence[str], began_at: float) -> Iterator[str]:
    for job in (job for slot in machine.floor.slots for job in _asked(slot, ids, machine.time)):
        nodes = ",".join(machine.floor.nodes[index].name for index in job.slot.nodes)
        held = f"node={len(job.slot.nodes)},gres/gpu={len(job.slot.nodes) * len(job.slot.boards)}"
        for one in _attempts(machine, job):
            end = "Unknown" if one.end is None else str(int(began_at + one.end))
            if one.start < math.inf:
                yield f"{job.id}|{one.state}|0:0|{int(began_at + one.start)}|{end}|{nodes}|None|{held}"


def _asked(slot: Slot, ids: Sequence[str], t: float) -> Iterator[Job]:
    """The jobs of a place that are among these."""
    shift = EPOCH_BEFORE_START + slot.number * _SHIFT_SECONDS
    turn = int((t + shift) // slot.kind.lasts)
    for number in (turn - 1, turn):
        job_id = _FIRST_ID + slot.number * _IDS_OF_A_SLOT + number
        if str(job_id) in ids and not slot.kind.pod:
            yield Job(job_id, slot, number * slot.kind.lasts - shift)


def told(order: Order) -> Ended:
    """What one of its commands says, with its exit code."""
    text = answer(order.machine, order.argv, order.wall - order.machine.time)
    if text is not None:
        return Ended(out=text)
    return Ended(1, err=f"{order.argv[0]}: error: not known to the demo's Slurm: {' '.join(order.argv[1:])}\n")
