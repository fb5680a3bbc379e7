"""What the processes of jobs were started from, as their nodes tell: image, commit, directory, runs of trackers. Pure.

A node's processes are looked at where its probe tells other ones than before: what a process was started from never
changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import is_
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from watchfloor.distinct import distinct
from watchfloor.errors import StreamError
from watchfloor.frame import Frame, NodeDetail
from watchfloor.jobs.model import Job
from watchfloor.jobs.moves import Moves
from watchfloor.report import Detail, Origin, Process, Workload, decode_detail

MOST_OF_A_KIND = 8  # images, commits or directories of one job that are told
_DETAILS = ("workloads", "origins")  # other processes are told by others of these
_NOTHING = b"[]"
# variables that say what people call the work, and by which name they are shown
_LABELS = {
    "MLFLOW_EXPERIMENT_NAME": "mlflow experiment",
    "MLFLOW_EXPERIMENT_ID": "mlflow experiment id",
    "WANDB_PROJECT": "wandb project",
    "WANDB_ENTITY": "wandb entity",
    "SLURM_CLUSTER_NAME": "cluster",
    "POD_NAMESPACE": "pod namespace",
    "POD_NAME": "pod",
}

T = TypeVar("T", bound=Detail)


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the processes of one job say; of each kind what most of them say comes first. Empty where nobody says it.

    `runs`: tracker ("wandb", "mlflow", "torchelastic", "ray") -> its run. `labels` are redacted by the probe.
    """

    images: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    runs: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.images or self.commits or self.directories or self.runs or self.labels)


@dataclass(frozen=True, slots=True)
class _Told:
    """One process: the accelerator that it holds, and what it was started from."""

    accelerator: str
    workload: Workload | None
    origin: Origin | None


@dataclass(slots=True)
class _Node:
    raw: tuple[bytes, ...] = ()
    told: tuple[_Told, ...] = ()
    by_job: Mapping[str, list[_Told]] = field(default_factory=dict)


class ProvenanceFinder:
    """Remembers what was decoded and whose it was: a frame costs what changed."""

    def __init__(self) -> None:
        self._details: Sequence[NodeDetail] = ()  # of the last frame
        self._nodes: dict[int, _Node] = {}
        self._of_job: dict[str, set[int]] = {}  # nodes that tell of it
        self._moves = Moves()
        self._found: Mapping[str, Provenance] = {}

    def find(self, frame: Frame, jobs: Sequence[Job], owners: NDArray[np.int32]) -> Mapping[str, Provenance]:
        """By job id; the same object as long as nothing of it changed. `owners`: as in watchfloor.jobs.view.Jobs."""
        moved = frame.accelerators.node[self._moves.rows(jobs, owners)]
        nodes = {*self._changed(frame), *distinct(moved).tolist()}
        concerned = {job for node in nodes for job in self._group(frame, node, jobs, owners)}
        if not concerned:
            return self._found
        made = {job: _made(self._told_of(job)) for job in sorted(concerned)}
        kept = {job: found for job, found in self._found.items() if job not in made}
        news = {job: _kept(self._found.get(job), one) for job, one in made.items() if one}
        if len(kept) + len(news) != len(self._found) or any(
            self._found.get(job) is not one for job, one in news.items()
        ):
            self._found = {**kept, **news}
        return self._found

    def _changed(self, frame: Frame) -> list[int]:
        """The nodes whose processes are others than before."""
        before = self._details if len(self._details) == len(frame.detail) else [None] * len(frame.detail)
        others = [node for node, same in enumerate(map(is_, frame.detail, before)) if not same]
        self._details = frame.detail
        return [node for node in others if self._look_at(frame, node)]

    def _look_at(self, frame: Frame, node: int) -> bool:
        details = frame.detail[node].details
        raw = tuple(details.get(name, _NOTHING) for name in _DETAILS)
        known = self._nodes.setdefault(node, _Node())
        same, known.raw = raw == known.raw, raw
        if not same:
            known.told = tuple(_told(details))
        return not same

    def _group(self, frame: Frame, node: int, jobs: Sequence[Job], owners: NDArray[np.int32]) -> set[str]:
        """Give a node's processes to their jobs; the jobs that have lost or got some."""
        known = self._nodes.setdefault(node, _Node())
        if not known.told and not known.by_job:
            return set()
        before, found = known.by_job, dict[str, list[_Told]]()
        for told in known.told:
            row = frame.accelerators.roster.row(node, told.accelerator)
            owner = int(owners[row]) if row is not None and row < len(owners) else -1
            if owner >= 0:
                found.setdefault(jobs[owner].id, []).append(told)
        known.by_job = found
        for job in before.keys() - found.keys():
            self._of_job[job].discard(node)
        for job in found:
            self._of_job.setdefault(job, set()).add(node)
        return {*before, *found}

    def _told_of(self, job: str) -> list[_Told]:
        nodes = self._of_job.get(job, set())
        if not nodes:
            self._of_job.pop(job, None)
        return [told for node in sorted(nodes) for told in self._nodes[node].by_job[job]]


def _told(details: Mapping[str, bytes]) -> Iterator[_Told]:
    """Processes on accelerators of which something is told."""
    workloads = {one.pid: one for one in _read(details, "workloads", Workload)}
    origins = {one.pid: one for one in _read(details, "origins", Origin)}
    if not workloads and not origins:
        return
    for process in _read(details, "processes", Process):
        work, origin = workloads.get(process.pid), origins.get(process.pid)
        if work is not None and origin is not None and work.start != origin.start:
            origin = None  # another process had this pid before
        if process.accelerator and (work is not None or origin is not None):
            yield _Told(process.accelerator, work, origin)


def _read(details: Mapping[str, bytes], name: str, kind: type[T]) -> list[T]:
    """What isn't as the protocol says shows as nothing."""
    try:
        return [one for one in decode_detail(name, details.get(name, _NOTHING)) if isinstance(one, kind)]
    except (StreamError, msgspec.DecodeError):
        return []


def _made(told: Sequence[_Told]) -> Provenance:
    works = [one.workload for one in told if one.workload is not None]
    origins = [one.origin for one in told if one.origin is not None]
    runs = {tracker: run for work in reversed(works) for tracker, run in work.run_ids.items()}
    labels = {
        label: work.environment[name]
        for work in reversed(works)
        for name, label in _LABELS.items()
        if work.environment.get(name)
    }
    return Provenance(
        _most(origin.image for origin in origins),
        _most(origin.commit for origin in origins),
        _most(work.directory for work in works),
        runs,
        labels,
    )


def _most(values: Iterable[str]) -> tuple[str, ...]:
    counted = Counter(value for value in values if value)
    return tuple(value for value, _ in counted.most_common(MOST_OF_A_KIND))


def _kept(before: Provenance | None, now: Provenance) -> Provenance:
    """One object while it is one."""
    return before if before is not None and before == now else now
