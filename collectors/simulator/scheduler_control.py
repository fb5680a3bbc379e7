"""What changes something in the demo's Slurm: `scontrol update`, `requeue`, `hold`, `release`, and `scancel`.

Words and exit codes are those of the real commands, as far as an operator meets them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from collectors.simulator.order import Ended, Order
from collectors.simulator.record import SLURM, Kind
from collectors.simulator.scheduler import job_of
from collectors.simulator.story import Try
from collectors.simulator.work import Job


def control(order: Order) -> Ended | None:
    """What scontrol does; None for what changes nothing."""
    words = [word for word in order.argv[1:] if not word.startswith("-")]
    if words[:1] == ["update"]:
        return _update(order, words[1:])
    change = _OF_JOBS.get(words[0]) if words else None
    return None if change is None else _each(order, words[1:], change)


def cancel(order: Order) -> Ended:
    return _each(order, [word for word in order.argv[1:] if not word.startswith("-")], _cancelled)


# -- nodes


def _update(order: Order, words: Sequence[str]) -> Ended:
    told = dict(word.split("=", 1) for word in words if "=" in word)
    name, state = told.pop("NodeName", ""), told.get("State", "").upper()
    if name not in {plan.name for plan in order.machine.floor.nodes}:
        return Ended(1, err="slurm_update error: Invalid node name specified\n")
    if "Comment" in told:
        order.note(Kind.COMMENT, name, told["Comment"], node=SLURM)
    if state == "DRAIN":
        if not told.get("Reason"):
            return Ended(1, err="You must specify a reason when DOWNING a node. Request denied\n")
        order.note(Kind.DRAIN, name, told["Reason"], node=SLURM)
    elif state == "RESUME":
        order.note(Kind.RESUME, name, node=SLURM)
    elif state:
        return Ended(1, err="Invalid node state specified\n")
    return Ended()


# -- jobs


def _each(order: Order, numbers: Sequence[str], change: Callable[[Order, Job, Try], str]) -> Ended:
    for number in numbers:
        found = job_of(order.machine, number)
        why = change(order, *found) if found is not None else "Invalid job id specified"
        if why:
            return Ended(1, err=f"{why}\n")
    return Ended()


def _requeued(order: Order, job: Job, last: Try) -> str:
    if last.state != "RUNNING":
        return "Job/step already completing or completed" if last.end is not None else "Job is pending execution"
    order.note(Kind.REQUEUE, str(job.id), node=SLURM)
    return ""


def _requeued_and_held(order: Order, job: Job, last: Try) -> str:
    why = _requeued(order, job, last)
    if not why:
        order.note(Kind.HOLD, str(job.id), node=SLURM)
    return why


def _held(order: Order, job: Job, last: Try) -> str:
    if last.state != "PENDING":
        return "Job is no longer pending execution"
    order.note(Kind.HOLD, str(job.id), node=SLURM)
    return ""


def _released(order: Order, job: Job, last: Try) -> str:
    if last.state != "PENDING":
        return "Job is no longer pending execution"
    order.note(Kind.RELEASE, str(job.id), node=SLURM)
    return ""


def _cancelled(order: Order, job: Job, last: Try) -> str:
    if last.end is not None:
        return f"scancel: error: Kill job error on job id {job.id}: Job/step already completing or completed"
    order.note(Kind.CANCEL, str(job.id), node=SLURM)
    return ""


_OF_JOBS: Mapping[str, Callable[[Order, Job, Try], str]] = {
    "requeue": _requeued,
    "requeuehold": _requeued_and_held,
    "hold": _held,
    "release": _released,
}
