"""The live facts that a plan relies on: when one of them is another, what was approved is not what would be done. Pure.

They are what a person looks at before saying yes: that the node wasn't rebooted since, how the scheduler has it, which
jobs are on it in which attempt, and that the board in the slot is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from agents.onnode import jobs_on_node
from watchfloor.change import Step, Value
from watchfloor.frame import Frame
from watchfloor.model import Scope
from watchfloor.snapshot.plan import value_text

GONE = "not there"


def state_of(frame: Frame, steps: Sequence[Step]) -> dict[str, Value]:
    """Facts by name, in the order of the steps."""
    facts: dict[str, Value] = {}
    for target in dict.fromkeys(step.target for step in steps):
        facts.update(_of_node(frame, target.node) if target.node else ())
        if target.scope is Scope.ACCELERATOR:
            facts.update(_of_board(frame, target.node, target.key))
        if target.scope is Scope.JOB:
            facts.update(_of_job(frame, target.key))
    return facts


def moved(frame: Frame, steps: Sequence[Step], state: Mapping[str, Value]) -> list[str]:
    """What is another than the plan has it, a sentence each."""
    now = state_of(frame, steps)
    names = dict.fromkeys([*state, *now])
    return [
        f"{name} was {value_text(state.get(name, GONE))}, and is {value_text(now.get(name, GONE))}"
        for name in names
        if state.get(name) != now.get(name)
    ]


def _of_node(frame: Frame, name: str) -> Iterator[tuple[str, Value]]:
    node = frame.node_index.get(name)
    if node is None:
        yield f"{name}", GONE
        return
    yield f"{name} boot", frame.nodes.text(node, "boot_id")
    scheduler = frame.jobs.scheduler.get(node)
    if scheduler is not None:
        yield f"{name} takes work", scheduler.takes_work
    yield f"{name} jobs", _jobs_on(frame, node)


def _jobs_on(frame: Frame, node: int) -> str:
    jobs = [frame.jobs.rows[row] for row in jobs_on_node(frame, node)]
    told = sorted(f"{job.id} attempt {job.attempt}" for job in jobs)
    return ", ".join(told) or "none"


def _of_board(frame: Frame, name: str, key: str) -> Iterator[tuple[str, Value]]:
    node = frame.node_index.get(name)
    row = frame.accelerators.roster.row(node, key) if node is not None else None
    yield f"{name}/{key}", GONE if row is None else frame.accelerators.text(row, "uuid")


def _of_job(frame: Frame, job_id: str) -> Iterator[tuple[str, Value]]:
    row = frame.jobs.index.get(job_id)
    if row is None:
        yield job_id, GONE
        return
    job = frame.jobs.rows[row]
    yield job_id, f"{job.state}, attempt {job.attempt}, on {', '.join(job.nodes) or 'no node'}"
