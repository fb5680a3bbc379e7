"""What runs on accelerators though no scheduler has put it there: remains of jobs that are over, and what is nobody's.

A scheduler counts as managing a node where it tells of the node. Slurm and Kubernetes give nodes away; a Ray of its own
on them doesn't. What a source does not let this console see (Slurm's PrivateData) is no orphan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._jobs import Held, answering, job_words
from watchfloor.checks._lasting import Lasting
from watchfloor.checks._tools import Evidence, Rows, limit, named, report
from watchfloor.distinct import among
from watchfloor.frame import Frame
from watchfloor.jobs.attribution import BY_CGROUP, NO_SCHEDULER
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State
from watchfloor.snapshot.words import duration_in_prose

_AT = Scope.ACCELERATOR
_MANAGERS = ("slurm", "kubernetes")
_METRICS = ("user", "job", "command", "processes", "mem_used", "util")

_Text = Callable[[Frame, int], str]


def check(frame: Frame) -> Iterator[Finding]:
    suspects = _suspects.of(frame)
    yield from _told(frame, "orphan-process", _lasting_orphans, suspects.orphans, _orphan)
    yield from _told(frame, "unscheduled-process", _lasting_strangers, suspects.strangers, _stranger)


@dataclass(frozen=True, slots=True)
class _Suspects:
    """Rows of accelerators."""

    orphans: Rows
    strangers: Rows


def _told(frame: Frame, code: str, lasting: Lasting, suspects: Rows, text: _Text) -> Iterator[Finding]:
    rows = suspects[frame.live[frame.accelerators.node[suspects]]] if suspects.size else suspects
    rows = lasting.for_long(frame, rows, limit(code, "time", Unit.SECONDS))
    words = duration_in_prose(limit(code, "time", Unit.SECONDS))
    yield from report(
        frame,
        _AT,
        rows,
        code,
        State.WARNING,
        lambda row: f"{text(frame, row)}, for {words} or longer{_taken_from(frame, row)}",
        _METRICS,
        lambda row: _facts(frame, row),
    )


def _orphan(frame: Frame, row: int) -> str:
    """`gpu3 of n12 is in use by what is left of job 4242 of alice, which slurm says is over (cancelled 3 min ago)`."""
    job = frame.jobs.job_of(row)
    owner = int(frame.jobs.owners[row])
    board = named(frame, _AT, row)
    if job is None or job.source == BY_CGROUP:
        return f"{board} is in use by {job_words(frame, owner)}, of which the scheduler of its node knows nothing"
    ago = f" {duration_in_prose(max(0.0, frame.at - job.ended))} ago" if job.ended is not None else ""
    return f"{board} is in use by what is left of {job_words(frame, owner)}: {job.source} says {job.state.value}{ago}"


def _stranger(frame: Frame, row: int) -> str:
    view = frame.accelerators
    program = frame.jobs.rows[int(frame.jobs.owners[row])].name
    return f"{view.text(row, 'user') or 'somebody'} runs {program} on {named(frame, _AT, row)} past its scheduler"


def _taken_from(frame: Frame, row: int) -> str:
    given = frame.jobs.given_to(row)
    if given < 0 or given == int(frame.jobs.owners[row]):
        return ""
    return f"; the scheduler has given it to {job_words(frame, given)}"


def _facts(frame: Frame, row: int) -> Evidence:
    given, seen = frame.jobs.given_to(row), frame.jobs.scheduler.get(int(frame.accelerators.node[row]))
    facts = [("given to", frame.jobs.rows[given].id)] if given >= 0 else []
    return (*facts, *([("node, by its scheduler", seen.state)] if seen is not None else []))


def _suspected(frame: Frame) -> _Suspects:
    jobs = frame.jobs
    kinds = {source.name: source.kind for source in jobs.sources}
    answer = answering(jobs)
    managed = {
        node: kinds.get(name, "")
        for node, name in jobs.managers.items()
        if name in answer and kinds.get(name) in _MANAGERS
    }
    over = np.array([job.state.is_over and job.source in answer for job in jobs.rows], np.bool_)
    unknown = np.array([job.source == BY_CGROUP and job.kind == "slurm" for job in jobs.rows], np.bool_)
    nobodys = np.array([job.source == NO_SCHEDULER for job in jobs.rows], np.bool_)
    rows = np.flatnonzero(jobs.owners >= 0)
    owners, nodes = jobs.owners[rows], frame.accelerators.node[rows]
    seen_whole = among(nodes, [node for node, kind in managed.items() if kind == "slurm" and _sees_all(frame, node)])
    works = among(nodes, [node for node in managed if jobs.scheduler[node].takes_work])
    return _Suspects(rows[over[owners] | (unknown[owners] & seen_whole)], rows[nobodys[owners] & works])


def _sees_all(frame: Frame, node: int) -> bool:
    """Whether the jobs that are told account for all accelerators of a node that its scheduler has given away."""
    used = frame.jobs.scheduler[node].accelerators_used
    rows: NDArray[np.intp] = frame.rows_of(_AT, node)
    return used is not None and used <= sum(frame.jobs.given_to(row) >= 0 for row in rows.tolist())


_suspects = Held(_suspected)
_lasting_orphans, _lasting_strangers = Lasting(), Lasting()
