"""The live facts that a plan relies on: when one of them is another, what was approved is not what would be done. Pure.

They are what a person looks at before saying yes: that the node wasn't rebooted since, how the scheduler has it, which
jobs are on it in which attempt, and that the board in the slot is the same. What nobody has told yet, as in the first
moments of a console, is no other fact: it is waited for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agents.onnode import jobs_on_node
from watchfloor.change import Step, Value
from watchfloor.frame import Frame
from watchfloor.jobs.model import SourceState
from watchfloor.model import Scope
from watchfloor.snapshot.plan import value_text

GONE = "not there"


@dataclass(frozen=True, slots=True)
class _Fact:
    """`read` False: nobody has told it yet, or for a while: it may well be as it was."""

    name: str
    value: Value
    read: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """What is another than a plan has it, a sentence each, and the names of what can't be told just now."""

    moved: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def state_of(frame: Frame, steps: Sequence[Step]) -> dict[str, Value]:
    """Facts by name, in the order of the steps."""
    return {fact.name: fact.value for fact in _facts(frame, steps) if fact.read or fact.value != GONE}


def change(frame: Frame, steps: Sequence[Step], state: Mapping[str, Value]) -> Change:
    """`state`: as the plan has it."""
    now = {fact.name: fact for fact in _facts(frame, steps)}
    moved, unread = [], []
    for name in dict.fromkeys([*state, *now]):
        was, fact = state.get(name), now.get(name)
        found = fact.value if fact is not None else None
        if was == found or (was is None and fact is not None and not fact.read):
            continue
        if fact is not None and not fact.read:
            unread.append(name)
        else:
            moved.append(f"{name} was {_told(was)}, and is {_told(found)}")
    return Change(tuple(moved), tuple(unread))


def _told(value: Value | None) -> str:
    return value_text(GONE if value is None else value)


def _facts(frame: Frame, steps: Sequence[Step]) -> Iterator[_Fact]:
    for target in dict.fromkeys(step.target for step in steps):
        if target.node:
            yield from _of_node(frame, target.node)
        if target.scope is Scope.ACCELERATOR:
            yield _of_board(frame, target.node, target.key)
        if target.scope is Scope.JOB:
            yield _of_job(frame, target.key)


def _of_node(frame: Frame, name: str) -> Iterator[_Fact]:
    node = frame.node_index.get(name)
    if node is None:
        yield _Fact(name, GONE)
        return
    boot, heard = frame.nodes.text(node, "boot_id"), _is_heard(frame)
    yield _Fact(f"{name} boot", boot, boot != "")
    scheduler = frame.jobs.scheduler.get(node)
    if scheduler is not None:
        yield _Fact(f"{name} takes work", scheduler.takes_work)
    elif not heard:
        yield _Fact(f"{name} takes work", GONE, False)
    yield _Fact(f"{name} jobs", _jobs_on(frame, node), heard and boot != "")


def _is_heard(frame: Frame) -> bool:
    """Whether every source of jobs that has been asked has answered. Where there is none, that is so, too."""
    return all(source.state is SourceState.OK for source in frame.jobs.sources)


def _jobs_on(frame: Frame, node: int) -> str:
    jobs = [frame.jobs.rows[row] for row in jobs_on_node(frame, node)]
    told = sorted(f"{job.id} attempt {job.attempt}" for job in jobs)
    return ", ".join(told) or "none"


def _of_board(frame: Frame, name: str, key: str) -> _Fact:
    node = frame.node_index.get(name)
    row = frame.accelerators.roster.row(node, key) if node is not None else None
    if row is not None:
        return _Fact(f"{name}/{key}", frame.accelerators.text(row, "uuid"))
    silent = node is not None and (not len(frame.rows_of(Scope.ACCELERATOR, node)) or frame.detail[node].is_paused)
    return _Fact(f"{name}/{key}", GONE, not silent)


def _of_job(frame: Frame, job_id: str) -> _Fact:
    row = frame.jobs.index.get(job_id)
    if row is None:
        return _Fact(job_id, GONE, _is_heard(frame))
    job = frame.jobs.rows[row]
    return _Fact(job_id, f"{job.state}, attempt {job.attempt}, on {', '.join(job.nodes) or 'no node'}")
