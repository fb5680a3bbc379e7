"""Jobs that wait for what will not come by itself: their scheduler's reason says so."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from watchfloor.checks._jobs import Held, answering, job_words
from watchfloor.checks._tools import report, thresholds
from watchfloor.frame import Frame
from watchfloor.jobs.model import JobState
from watchfloor.model import Finding, Scope, State

_CODE = "job-never-starts"


def check(frame: Frame) -> Iterator[Finding]:
    reasons = _reasons()
    stuck = _stuck.of(frame)
    yield from report(
        frame,
        Scope.JOB,
        np.array(stuck, np.intp),
        _CODE,
        State.WARNING,
        lambda row: (
            f"{job_words(frame, row)} can't start: {frame.jobs.rows[row].reason} "
            f"({reasons[frame.jobs.rows[row].reason.lower()]})"
        ),
        ("waited", "accelerators", "nodes"),
        lambda row: (("dependency", frame.jobs.rows[row].dependency),) if frame.jobs.rows[row].dependency else (),
    )


def _reasons() -> dict[str, str]:
    return {reason.lower(): item.text() for reason, item in thresholds()[_CODE]["reasons"].entries().items()}


def _never(frame: Frame) -> list[int]:
    answer, reasons = answering(frame.jobs), _reasons()
    waiting = (JobState.PENDING, JobState.HELD)
    jobs = enumerate(frame.jobs.rows)
    return [row for row, job in jobs if job.state in waiting and job.reason.lower() in reasons and job.source in answer]


_stuck = Held(_never)
