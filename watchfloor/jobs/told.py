"""The jobs of all sources as columns, one row a job. Made when a source has answered; what moves on by itself (how long
a job has run) is reckoned from these columns by whoever asks. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from watchfloor import hosts
from watchfloor.columns import Floats, Picture
from watchfloor.jobs.model import Job, JobState
from watchfloor.model import Missing

_TEXTS = {
    "name": lambda job: job.number,
    "id": lambda job: job.id,
    "title": lambda job: job.name,
    "user": lambda job: job.user,
    "account": lambda job: job.account,
    "queue": lambda job: job.queue,
    "qos": lambda job: job.qos,
    "source": lambda job: job.source,
    "kind": lambda job: job.kind,
    "phase": lambda job: job.state.value,
    "reason": lambda job: job.reason,
    "where": lambda job: hosts.folded(job.nodes) if job.allocations else "",
}


_FIXED = ("nodes", "accelerators", "attempt", "priority")
_UNTOLD, _TOLD = np.int8(Missing.UNSUPPORTED), np.int8(Missing.NO)
_CLUSTERED = ("slurm", "ray")  # ids of these kinds may begin with the name of a cluster


def _accelerators(job: Job) -> int | None:
    """What it holds; before it holds anything, what it asks for."""
    counts = [
        allocation.count if allocation.count is not None else len(allocation.indices or allocation.uuids) or None
        for allocation in job.allocations
    ]
    known = [count for count in counts if count is not None]
    return sum(known) if known else job.accelerators_wanted


_NUMBERS = {
    "submitted": lambda job: job.submitted,
    "started": lambda job: job.started,
    "ended": lambda job: job.ended,
    "suspended": lambda job: job.suspended,
    "suspended_seconds": lambda job: job.suspended_seconds,
    "limit": lambda job: job.time_limit_seconds,
    "priority": lambda job: job.priority,
    "attempt": lambda job: job.attempt,
    "nodes": lambda job: len(job.nodes) or job.nodes_wanted,
    "accelerators": _accelerators,
}


class Told:
    """`jobs` in the order of their rows; `codes` by text column into `texts`; `numbers` by name, NaN where not told."""

    def __init__(self, jobs: Sequence[Job], before: Told | None = None) -> None:
        """`before`: jobs whose rows come first, as they are."""
        first = before.jobs if before else []
        self.jobs = [*first, *jobs]
        self.rows: Mapping[str, int] = {job.id: row for row, job in enumerate(self.jobs)}
        self.pods: Mapping[str, int] = {
            **(before.pods if before else {}),
            **{held.pod: len(first) + row for row, job in enumerate(jobs) for held in job.allocations if held.pod},
        }
        codes = {text: code for code, text in enumerate(before.texts if before else [""])}
        told = {
            name: np.array([codes.setdefault(of(job), len(codes)) for job in jobs], np.int32)
            for name, of in _TEXTS.items()
        }
        numbers = {name: np.array([_number(of(job)) for job in jobs], np.float64) for name, of in _NUMBERS.items()}
        holding = np.array([job.state.holds_nodes for job in jobs], np.bool_)
        waiting = np.array([job.state in (JobState.PENDING, JobState.HELD) for job in jobs], np.bool_)
        self.texts: list[str] = list(codes)
        self.codes: Mapping[str, NDArray[np.int32]] = _behind(before.codes if before else {}, told)
        self.numbers: Mapping[str, Floats] = _behind(before.numbers if before else {}, numbers)
        self.holding = np.concatenate([before.holding, holding]) if before else holding
        self.waiting = np.concatenate([before.waiting, waiting]) if before else waiting

    @cached_property
    def fixed(self) -> Mapping[str, Picture]:
        """Columns that are the same in every frame."""
        reasons = {name: np.where(np.isnan(self.numbers[name]), _UNTOLD, _TOLD) for name in _FIXED}
        return {name: Picture(self.numbers[name], reasons[name]) for name in _FIXED}

    @cached_property
    def ids(self) -> Sequence[str]:
        return list(self.rows)

    @cached_property
    def keys(self) -> Sequence[tuple[str, int]]:
        """Of each attempt: the job's id and its number."""
        return [(job.id, job.attempt) for job in self.jobs]

    def with_more(self, jobs: Sequence[Job]) -> Told:
        """These jobs, and more behind them."""
        return Told(jobs, self)

    def row(self, name: str) -> int | None:
        """The row of what a process's cgroup says: "slurm:4242", "pod:<uid>"."""
        found = self.rows.get(name)
        return found if found is not None or not name.startswith("pod:") else self.pods.get(name[4:])

    def alike(self, name: str) -> Sequence[str]:
        """The ids that begin with a cluster's name and are this one without it: "slurm:alpha/4242" of "slurm:4242"."""
        return self._alike.get(name, ())

    @cached_property
    def _alike(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for job_id in self.rows:
            kind, _, number = job_id.partition(":")
            if kind in _CLUSTERED and "/" in number:
                found.setdefault(f"{kind}:{number.rpartition('/')[2]}", []).append(job_id)
        return found


def _behind(before: Mapping[str, NDArray[Any]], more: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: np.concatenate([before[name], column]) if name in before else column for name, column in more.items()}


def _number(value: float | None) -> float:
    return np.nan if value is None else value
