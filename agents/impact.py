"""What a plan does to others: jobs, users, GPU-hours, capacity, and when it would cost least. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from agents.action import Saved, Scene
from agents.onnode import jobs_on_node
from watchfloor.change import Impact, JobHit, Risk, Step
from watchfloor.frame import Frame
from watchfloor.jobs.model import Job
from watchfloor.model import Missing, Scope, State
from watchfloor.snapshot.words import duration
from watchfloor.view import Cell

_LONGEST_NAME = 80  # characters: of a path the end tells more
_REGULAR = 3  # checkpoints, from which on it can be said when the next one comes


def impact_of(scene: Scene, steps: Sequence[Step], at: float) -> Impact:
    """`at`: console time in seconds, up to which losses are counted."""
    frame = scene.frame
    out = {step.target.node for step in steps if step.risk >= Risk.TAKES_OUT and step.target.node}
    hits = list({hit.job: hit for step in steps for hit in _hits(scene, step, at)}.values())
    counts = [accelerators_at(frame, frame.node_index[node]) for node in out]
    known = [count for count in counts if count is not None]
    return Impact(
        jobs=tuple(hits),
        nodes=tuple(sorted(out)),
        accelerators=sum(known) if len(known) == len(counts) else None,
        capacity_left=capacity_left(frame, frozenset(out)),
        cheapest=_cheapest(scene, hits, at),
    )


def capacity_left(frame: Frame, out: frozenset[str]) -> float | None:
    """The share of all accelerators that is healthy and takes work, without these nodes; None where there are none, or
    boards are `untold`.

    Those of nodes that were never heard are as many as their scheduler says, and not known to be healthy.
    """
    view = frame.accelerators
    if not view.count or untold(frame):
        return None
    unheard = (accelerators_at(frame, node) or 0 for node in range(len(frame.specs)) if not _boards(frame, node))
    away = {frame.node_index[name] for name in out if name in frame.node_index} | nodes_out(frame)
    stays = frame.live.copy()
    stays[sorted(away)] = False
    healthy = stays[view.node[: view.count]] & (view.states < State.CRITICAL)
    return float(healthy.sum()) / (view.count + sum(unheard))


def untold(frame: Frame) -> list[str]:
    """Nodes of whose boards nobody has told yet, for their driver was let go of for a while: how many there are, and
    whether they are well, will be known in a moment."""
    paused = (node for node, detail in enumerate(frame.detail) if frame.live[node] and detail.is_paused)
    return [frame.specs[node].name for node in paused if not _boards(frame, node)]


def accelerators_at(frame: Frame, node: int) -> int | None:
    """How many a node has: as its probe tells, else as its scheduler does; None where neither has."""
    if boards := _boards(frame, node):
        return boards
    told = frame.jobs.scheduler.get(node)
    if told is not None and told.accelerators:
        return told.accelerators
    return _number(frame.nodes.cell(node, "accelerators"))


def held_by(frame: Frame, job: int) -> int:
    """How many accelerators a job holds: those that are seen, or as its scheduler counts where that is more."""
    told = _number(frame.view(Scope.JOB).cell(job, "accelerators"))
    return max(len(frame.jobs.accelerators_of(job)), told or 0)


def _number(cell: Cell) -> int | None:
    value = cell.value
    return int(value) if cell.missing is Missing.NO and isinstance(value, int | float) else None


def _boards(frame: Frame, node: int) -> int:
    return len(frame.rows_of(Scope.ACCELERATOR, node))


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


def _hits(scene: Scene, step: Step, at: float) -> Iterator[JobHit]:
    if not step.harms:
        return
    frame = scene.frame
    for row in sorted(jobs_at(frame, step)):
        job = frame.jobs.rows[row]
        boards = held_by(frame, row)
        since, told = _counted_from(job, scene.saved(job.id))
        lost = None if since is None else boards * max(0.0, at - since) / 3600.0
        yield JobHit(job.id, step.harms, job.user, job.name, boards, lost, told)


def _counted_from(job: Job, saved: Saved) -> tuple[float | None, str]:
    """From when on work is lost, and what that is."""
    if job.started is None:
        return None, ""
    made = [one for one in saved.made if one.at >= job.started]
    if made:
        return made[-1].at, f"the checkpoint at {_moment(made[-1].at)} ({made[-1].name[-_LONGEST_NAME:]})"
    return job.started, f"its start: {saved.trouble or 'no checkpoint is known'}"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


# -- when it would cost least


def _cheapest(scene: Scene, hits: Sequence[JobHit], at: float) -> str:
    """When the last of the jobs that are harmed must be over; of a single one, after its next checkpoint, if that comes
    sooner. Jobs without a time limit say nothing of their end."""
    frame = scene.frame
    jobs = [frame.jobs.rows[frame.jobs.index[hit.job]] for hit in hits]
    if not jobs:
        return "now: no job is on it"
    found = [_all_over(jobs), _saved_next(scene, jobs[0], at) if len(jobs) == 1 else None]
    moments = [moment for moment in found if moment is not None]
    if not moments:
        endless = next((job for job in jobs if _ends(job) is None), jobs[0])
        return f"nobody knows when: job {endless.number} has no time limit, and when it saves its work is not known"
    when, why = min(moments)
    return f"in {duration(max(0.0, when - at))} ({_moment(when)}), {why}"


def _all_over(jobs: Sequence[Job]) -> tuple[float, str] | None:
    ends = [(end, job.number) for job in jobs if (end := _ends(job)) is not None]
    if len(ends) < len(jobs):
        return None
    when, number = max(ends)
    return when, f"when job {number} reaches its time limit at the latest"


def _saved_next(scene: Scene, job: Job, at: float) -> tuple[float, str] | None:
    """Where its checkpoints come regularly."""
    made = [one.at for one in scene.saved(job.id).made]
    if len(made) < _REGULAR:
        return None
    gaps = [after - before for before, after in pairwise(made[-_REGULAR:])]
    when = made[-1] + max(gaps)
    if min(gaps) <= 0 or max(gaps) > 2 * min(gaps) or when < at:
        return None
    return when, f"after the next checkpoint of job {job.number}, which makes one every {duration(max(gaps))}"


def _ends(job: Job) -> float | None:
    if job.started is None or job.time_limit_seconds is None:
        return None
    return job.started + job.time_limit_seconds
