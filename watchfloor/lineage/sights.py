"""What a frame shows of jobs, their accelerators, findings and runs, for the watch of lineage. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from watchfloor.frame import Frame
from watchfloor.lineage.jobwords import Names
from watchfloor.lineage.watch import Watch
from watchfloor.model import Scope, Subject

SIGHT_SECONDS = 2.0
_PARTS = (Scope.ACCELERATOR, Scope.LINK, Scope.SERVICE)


class Sights:
    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._at = 0.0  # console time of the last sight
        self._held: tuple[NDArray[np.int32] | None, Mapping[str, list[Subject]]] = (None, {})

    def take(self, frame: Frame) -> None:
        """Take a sight of this frame where one is due."""
        if abs(frame.at - self._at) < SIGHT_SECONDS:
            return
        self._at = frame.at
        held = self._held_in(frame)
        records = frame.records.by_key.values()
        self._watch.update(frame.at, frame.jobs.rows, held, records, _words(frame), _names(frame))

    def _held_in(self, frame: Frame) -> Mapping[str, list[Subject]]:
        """Job id -> its accelerators; made anew when they have changed."""
        owners = frame.jobs.owners
        if self._held[0] is not owners:
            held: dict[str, list[Subject]] = {}
            for row in np.flatnonzero(owners >= 0).tolist():
                job = frame.jobs.rows[int(owners[row])].id
                held.setdefault(job, []).append(frame.subject(Scope.ACCELERATOR, row))
            self._held = owners, held
        return self._held[1]


def _names(frame: Frame) -> Names:
    """Nodes by the fleet's names, their parts by those that the boards have: n2/gpu3."""

    def short(subject: Subject) -> str:
        row = frame.row(subject) if subject.scope in _PARTS else None
        name = frame.view(subject.scope).text(row, "name") if row is not None else ""
        return f"{subject.node}/{name}" if name else str(subject)

    return Names({told.name: frame.specs[node].name for node, told in frame.jobs.scheduler.items()}, short)


def _words(frame: Frame) -> Mapping[str, Mapping[str, str]]:
    """By job: the runs of experiment trackers that its processes name."""
    view = frame.accelerators
    found: dict[str, Mapping[str, str]] = {}
    for row in np.flatnonzero(view.last("run") > 0).tolist():
        job = frame.jobs.job_of(row)
        if job is not None and job.id not in found:
            runs = (run.partition(":") for run in view.text(row, "run").split(","))
            found[job.id] = {name: run for name, _, run in runs}
    return found
