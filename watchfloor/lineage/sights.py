"""What a frame shows of jobs, their accelerators, findings and origins, for the watch of lineage. Pure.

What did not change since the last sight is told as the very same object: the watch passes over it unread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from watchfloor.distinct import among
from watchfloor.frame import Frame
from watchfloor.jobs.moves import Moves
from watchfloor.jobs.provenance import Provenance
from watchfloor.lineage.jobwords import Names
from watchfloor.lineage.watch import Watch
from watchfloor.model import Scope, Subject

SIGHT_SECONDS = 2.0
_PARTS = (Scope.ACCELERATOR, Scope.LINK, Scope.SERVICE)

Words = Mapping[str, Mapping[str, str]]  # by job


class Sights:
    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._at = 0.0  # console time of the last sight
        self._last: Frame | None = None
        self._moves = Moves()
        self._holder: dict[int, str] = {}  # accelerator row -> the job that holds it
        self._held: Mapping[str, list[Subject]] = {}
        self._runs: tuple[tuple[object, ...], Words] = ((), {})
        self._words: tuple[tuple[object, ...], Words] = ((), {})

    def take(self, frame: Frame) -> None:
        """Take a sight of this frame where one is due, or where the last one left something for the next."""
        self._last = frame
        if abs(frame.at - self._at) >= SIGHT_SECONDS or self._watch.is_behind:
            self._take(frame)

    @property
    def names(self) -> Names:
        """How the last frame calls things."""
        return Names() if self._last is None else _names(self._last)

    def take_last(self) -> None:
        """The last frame was the last: what came between two sights counts, too, and all that still waits."""
        if self._last is None:
            return
        if self._last.at != self._at:
            self._take(self._last)
        while self._watch.is_behind:
            self._take(self._last)

    def _take(self, frame: Frame) -> None:
        self._at = frame.at
        records = frame.records.by_key.values()
        held, words = self._held_in(frame), self._words_of(frame)
        self._watch.update(frame.at, frame.jobs.rows, held, records, words, _names(frame))

    def _held_in(self, frame: Frame) -> Mapping[str, Sequence[Subject]]:
        """Job id -> its accelerators; made anew for the jobs that have got or lost some."""
        jobs, owners = frame.jobs.rows, frame.jobs.owners
        rows = self._moves.rows(jobs, owners)
        if not rows.size:
            return self._held
        moved = rows.tolist()
        concerned = {self._holder.pop(row) for row in moved if row in self._holder}
        holders = {row: jobs[owner].id for row, owner in zip(moved, owners[rows].tolist(), strict=True) if owner >= 0}
        concerned.update(holders.values())
        self._holder.update(holders)
        held: dict[str, list[Subject]] = {job: subjects for job, subjects in self._held.items() if job not in concerned}
        places = np.array([frame.jobs.index[job] for job in concerned if job in frame.jobs.index], np.int32)
        for row in np.flatnonzero(among(owners, places)).tolist():
            held.setdefault(self._holder[row], []).append(frame.subject(Scope.ACCELERATOR, row))
        self._held = held
        return held

    def _words_of(self, frame: Frame) -> Words:
        """By job: what its processes were started from, and the runs of trackers that they name."""
        runs, provenance = self._runs_in(frame), frame.jobs.provenance
        seen = (runs, provenance)
        if not _same(seen, self._words[0]):
            before = self._words[1]
            found = {job: {**runs.get(job, {}), **_said(told)} for job, told in provenance.items()}
            found = {**{job: dict(said) for job, said in runs.items() if job not in found}, **found}
            self._words = seen, {job: _kept(before.get(job), said) for job, said in found.items()}
        return self._words[1]

    def _runs_in(self, frame: Frame) -> Words:
        """By job: the runs that the metric `run` names, as a metrics server tells it, too."""
        view, owners = frame.accelerators, frame.jobs.owners
        seen = (owners, frame.jobs.rows, view.told("run"))
        if not _same(seen, self._runs[0]):
            rows = np.flatnonzero((view.last("run")[: len(owners)] > 0) & (owners[: view.count] >= 0))
            first = dict(zip(reversed(owners[rows].tolist()), reversed(rows.tolist()), strict=True))
            found = {frame.jobs.rows[job].id: _runs(view.text(row, "run")) for job, row in first.items()}
            self._runs = seen, found if found != self._runs[1] else self._runs[1]
        return self._runs[1]


def _same(some: Sequence[object], others: Sequence[object]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))


def _kept(before: Mapping[str, str] | None, now: Mapping[str, str]) -> Mapping[str, str]:
    return before if before is not None and before == now else now


def _runs(text: str) -> dict[str, str]:
    runs = (run.partition(":") for run in text.split(","))
    return {name: run for name, _, run in runs}


def _said(told: Provenance) -> dict[str, str]:
    """As words of lineage: `image`, `image 2` … name things that were used; the rest are facts."""
    found = dict(told.runs)
    for name, values in (("image", told.images), ("commit", told.commits), ("working directory", told.directories)):
        for number, value in enumerate(values, 1):
            found[name if number == 1 else f"{name} {number}"] = value
    return {**told.labels, **found}


def _names(frame: Frame) -> Names:
    """Nodes by the fleet's names, their parts by those that the boards have (n2/gpu3), jobs by their numbers; "" for a
    part or a job that this frame doesn't know: what it was called before stays."""

    def short(subject: Subject) -> str:
        if subject.scope is Scope.JOB:
            row = frame.row(subject)
            return f"job {frame.jobs.rows[row].number}" if row is not None else ""
        if subject.scope not in _PARTS:
            return str(subject)
        row = frame.row(subject)
        name = frame.view(subject.scope).text(row, "name") if row is not None else ""
        return f"{subject.node}/{name}" if name else ""

    return Names({told.name: frame.specs[node].name for node, told in frame.jobs.scheduler.items()}, short)
