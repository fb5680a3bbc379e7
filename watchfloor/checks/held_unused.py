"""Held and not used: jobs that have more accelerators than they run anything on. By accelerator, not by node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._idleness import Idleness
from watchfloor.checks._jobs import boards_words, job_words
from watchfloor.checks._tools import Evidence, current, limit, report
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State

_CODE = "job-holds-unused"
_MOST_FACTS = 16


def check(frame: Frame) -> Iterator[Finding]:
    unused = _unused(frame)
    minutes = limit(_CODE, "time", Unit.SECONDS) / 60
    counts = {row: int((frame.jobs.owners == row).sum()) for row in unused}
    yield from report(
        frame,
        Scope.JOB,
        np.array(sorted(unused), np.intp),
        _CODE,
        State.WARNING,
        lambda row: (
            f"{job_words(frame, row)} has used {counts[row] - len(unused[row])} of the {counts[row]} accelerators that "
            f"it holds for {minutes:.0f} min: nothing runs on {boards_words(frame, unused[row])}"
        ),
        ("elapsed", "util", "util_min", "gpu_time"),
        lambda row: _facts(frame, unused[row]),
    )


def _facts(frame: Frame, rows: Sequence[int]) -> Evidence:
    """Each with the memory that it holds all the same."""
    view = frame.accelerators
    memory = view.known("mem_used")
    told = ((row, f"{memory[row] / 2.0**30:,.1f} GiB held" if memory[row] == memory[row] else "") for row in rows)
    return tuple((str(frame.subject(Scope.ACCELERATOR, row)), text) for row, text in list(told)[:_MOST_FACTS])


def _unused(frame: Frame) -> Mapping[int, list[int]]:
    """Job row -> its accelerators on which nothing ran for so long. Jobs that began later are given time."""
    owners = frame.jobs.owners
    idle = current(frame.accelerators, "util", frame.accelerators.last("util") == 0)
    idle = idle[idle < len(owners)]
    idle = idle[owners[idle] >= 0]
    if not idle.size:
        return {}
    idle = idle[_old_enough(frame)[owners[idle]]]
    idle = idle[_idleness.of(frame, idle)] if idle.size else idle
    found: dict[int, list[int]] = {}
    for row in idle.tolist():
        found.setdefault(int(owners[row]), []).append(row)
    return found


def _old_enough(frame: Frame) -> NDArray[np.bool_]:
    """By job: it runs, for longer than the time that counts. What no scheduler tells of holds nothing of anybody's."""
    elapsed = frame.jobs.view.last("elapsed")
    with np.errstate(invalid="ignore"):
        return frame.jobs.holding & (elapsed >= limit(_CODE, "time", Unit.SECONDS))


_idleness = Idleness(limit(_CODE, "time", Unit.SECONDS))
