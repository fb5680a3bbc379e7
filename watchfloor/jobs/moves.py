"""Which accelerators belong to another job than before: rows of jobs shift with every answer, their ids don't. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from watchfloor.jobs.model import Job

_NOBODY = -1


class Moves:
    """Remembers whose each accelerator was when it was asked last."""

    def __init__(self) -> None:
        self._seen: tuple[object, object] = (None, None)  # the very jobs and owners of the last time
        self._numbers: dict[str, int] = {}  # job id -> a number that stays
        self._next = 0
        self._of_jobs = np.empty(0, np.int64)  # by job row: its number
        self._whose = np.empty(0, np.int64)  # by accelerator row: the number of its job

    def rows(self, jobs: Sequence[Job], owners: NDArray[np.int32]) -> NDArray[np.intp]:
        """The accelerator rows whose job is another one. `owners`: as in watchfloor.jobs.view.Jobs."""
        if self._seen[0] is jobs and self._seen[1] is owners:
            return np.empty(0, np.intp)
        if self._seen[0] is not jobs:
            self._of_jobs = np.array([self._number(job.id) for job in jobs], np.int64)
            self._numbers = dict(zip((job.id for job in jobs), self._of_jobs.tolist(), strict=True))
        self._seen, numbers = (jobs, owners), self._of_jobs
        whose = np.where(owners >= 0, numbers[owners], _NOBODY) if len(jobs) else np.full(len(owners), _NOBODY)
        before = np.full(len(whose), _NOBODY)
        shared = min(len(before), len(self._whose))
        before[:shared] = self._whose[:shared]
        self._whose = whose
        return np.flatnonzero(whose != before)

    def _number(self, job_id: str) -> int:
        number = self._numbers.get(job_id)
        if number is None:
            number = self._numbers[job_id] = self._next
            self._next += 1
        return number
