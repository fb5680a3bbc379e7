"""What a plan does to others: jobs, users, GPU-hours, capacity, and when it would cost least. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agents.onnode import jobs_on_node
from watchfloor.change import Impact, JobHit, Risk, Step
from watchfloor.frame import Frame
from watchfloor.jobs.model import Job
from watchfloor.model import Scope, State
from watchfloor.snapshot.words import duration


def impact_of(frame: Frame, steps: Sequence[Step], at: float) -> Impact:
    """`at`: console time in seconds, from which losses are counted."""
    out = {step.target.node for step in steps if step.risk >= Risk.TAKES_OUT and step.target.node}
    hits = list({hit.job: hit for step in steps for hit in _hits(frame, step, at)}.values())
    boards = [row for node in out for row in frame.rows_of(Scope.ACCELERATOR, frame.node_index[node]).tolist()]
    return Impact(
        jobs=tuple(hits),
        nodes=tuple(sorted(out)),
        accelerators=len(boards),
        capacity_left=capacity_left(frame, frozenset(out)),
        cheapest=_cheapest(frame, hits, at),
    )


def capacity_left(frame: Frame, out: frozenset[str]) -> float | None:
    """The share of all accelerators that is healthy and takes work, without these nodes; None where there are none."""
    view = frame.accelerators
    if not view.count:
        return None
    away = {frame.node_index[name] for name in out if name in frame.node_index} | nodes_out(frame)
    stays = frame.live.copy()
    stays[sorted(away)] = False
    healthy = stays[view.node[: view.count]] & (view.states < State.CRITICAL)
    return float(healthy.sum()) / view.count


def nodes_out(frame: Frame) -> set[int]:
    """Indices of nodes to which their scheduler gives no work."""
    return {node for node, told in frame.jobs.scheduler.items() if not told.takes_work}


def jobs_at(frame: Frame, step: Step) -> set[int]:
    """Rows of the jobs that are on the target of a step, or that it is."""
    target = step.target
    if target.scope is Scope.JOB:
        row = frame.jobs.index.get(target.key)
        return set() if row is None else {row}
    node = frame.node_index.get(target.node)
    if node is None:
        return set()
    if target.scope is not Scope.ACCELERATOR:
        return jobs_on_node(frame, node)
    board = frame.accelerators.roster.row(node, target.key)
    return set() if board is None else {frame.jobs.owner_of(board)} - {-1}


def _hits(frame: Frame, step: Step, at: float) -> Iterator[JobHit]:
    if not step.harms:
        return
    for row in sorted(jobs_at(frame, step)):
        job = frame.jobs.rows[row]
        boards = len(frame.jobs.accelerators_of(row))
        lost = None if job.started is None else boards * max(0.0, at - job.started) / 3600.0
        yield JobHit(job.id, step.harms, job.user, job.name, boards, lost, "start" if lost is not None else "")


def _cheapest(frame: Frame, hits: Sequence[JobHit], at: float) -> str:
    """When the last of the jobs that are harmed must be over, as far as they have time limits."""
    jobs = [frame.jobs.rows[frame.jobs.index[hit.job]] for hit in hits]
    if not jobs:
        return "now"
    ends = [_ends(job) for job in jobs]
    if any(end is None for end in ends):
        return ""
    last = max(zip(ends, jobs, strict=True), key=lambda pair: pair[0] or 0.0)
    seconds = max(0.0, (last[0] or at) - at)
    return f"in {duration(seconds)} at the latest, when job {last[1].number} reaches its time limit"


def _ends(job: Job) -> float | None:
    if job.started is None or job.time_limit_seconds is None:
        return None
    return job.started + job.time_limit_seconds
