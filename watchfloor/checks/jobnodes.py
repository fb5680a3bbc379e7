"""Jobs that run where they had better not: on nodes that their scheduler takes out of work, and on what is faulty."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from watchfloor.checks._jobs import Held, answering, job_words, nodes_words
from watchfloor.checks._tools import Evidence, report
from watchfloor.checks.nodes import OF_SILENCE
from watchfloor.frame import Frame, RowSubjects
from watchfloor.jobs.model import SchedulerNode
from watchfloor.model import Finding, Scope, State, Subject

_LEAVING = re.compile(r"drain|down|fail|error|cordon|not.?ready|dead|\*")
_MOST_FACTS = 8

Places = Mapping[int, Sequence[int]]  # job row -> nodes


def check(frame: Frame) -> Iterator[Finding]:
    """On nodes that take no more work, and wait for it to end."""
    drained = _drained.of(frame)
    yield from report(
        frame,
        Scope.JOB,
        np.array(sorted(drained), np.intp),
        "job-on-drained-node",
        State.WARNING,
        lambda row: f"{job_words(frame, row)} runs on {_scheduled(frame, drained[row])}",
        ("elapsed", "time_left"),
        lambda row: tuple((frame.specs[node].name, _seen(frame, node)) for node in drained[row][:_MOST_FACTS]),
    )


def _scheduled(frame: Frame, nodes: Sequence[int]) -> str:
    """`n12, which its scheduler has as mixed+drain: fan failed`."""
    if len(nodes) == 1:
        return f"{frame.specs[nodes[0]].name}, which its scheduler has as {_seen(frame, nodes[0])}"
    return f"{len(nodes)} nodes that its scheduler takes out of work: {nodes_words(frame, nodes)}"


def _seen(frame: Frame, node: int) -> str:
    seen = frame.jobs.scheduler[node]
    return f"{seen.state}: {seen.reason}" if seen.reason else seen.state


def _on_drained(frame: Frame) -> Places:
    jobs, answer = frame.jobs, answering(frame.jobs)
    found: dict[int, list[int]] = {}
    for node, seen in jobs.scheduler.items():
        if _leaves(seen) and jobs.managers.get(node) in answer:
            for job in _jobs_on(frame, node):
                found.setdefault(job, []).append(node)
    return found


def _leaves(seen: SchedulerNode) -> bool:
    """Reserved nodes take no work either, but for that of their reservation."""
    return not seen.takes_work and _LEAVING.search(seen.state) is not None


def _jobs_on(frame: Frame, node: int) -> list[int]:
    """Those whose accelerators are there, and are not over."""
    owners = {frame.jobs.owner_of(row) for row in frame.rows_of(Scope.ACCELERATOR, node).tolist()}
    return sorted(row for row in owners if row >= 0 and frame.jobs.rows[row].state.holds_nodes)


def follow(frame: Frame, found: Sequence[Finding]) -> Iterator[Finding]:
    """On what other checks found to be broken. That a node can't be read says nothing of the job."""
    faults: dict[int, list[Finding]] = {}
    for finding in found:
        if finding.state is State.CRITICAL and finding.code not in OF_SILENCE:
            for row in _hit(frame, finding):
                faults.setdefault(row, []).append(finding)
    yield from report(
        frame,
        Scope.JOB,
        np.array(sorted(faults), np.intp),
        "job-on-faulty-node",
        State.WARNING,
        lambda row: f"{job_words(frame, row)} runs on what is faulty: {_first_of(faults[row])}",
        ("elapsed", "time_left", "util_min"),
        lambda row: _facts(faults[row]),
    )


def _first_of(findings: Sequence[Finding]) -> str:
    more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
    return f"{findings[0].text}{more}"


def _facts(findings: Sequence[Finding]) -> Evidence:
    return tuple((finding.code, str(finding.subject)) for finding in findings[:_MOST_FACTS])


def _hit(frame: Frame, finding: Finding) -> set[int]:
    """Jobs that run on the subject of a finding, or on one of the others that it stands for."""
    others = finding.others.rows.tolist() if isinstance(finding.others, RowSubjects) else ()
    rows = [row for row in (_row(frame, finding.subject), *others) if row is not None]
    if finding.subject.scope is Scope.ACCELERATOR:
        found = {frame.jobs.owner_of(row) for row in rows}
    elif finding.subject.scope is Scope.NODE:
        found = {job for row in rows for job in _jobs_on(frame, row)}
    elif finding.subject.scope is Scope.LINK:
        found = {job for row in rows for job in _jobs_behind(frame, row)}
    else:
        found = set[int]()
    return {row for row in found if row >= 0 and frame.jobs.rows[row].state.holds_nodes}


def _row(frame: Frame, subject: Subject) -> int | None:
    return None if subject.scope is Scope.JOB else frame.row(subject)


def _jobs_behind(frame: Frame, link: int) -> list[int]:
    """Of a link: that of its accelerator; of one that belongs to the node, all that run there."""
    node, key = int(frame.links.node[link]), frame.links.text(link, "accelerator")
    board = frame.accelerators.roster.row(node, key) if key else None
    return _jobs_on(frame, node) if board is None else [frame.jobs.owner_of(board)]


_drained = Held(_on_drained)
