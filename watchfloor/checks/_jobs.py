"""What checks of jobs share: jobs and their accelerators in a sentence, and what holds until a source answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from watchfloor.checks._tools import named
from watchfloor.frame import Frame
from watchfloor.hosts import folded
from watchfloor.jobs.model import SourceState
from watchfloor.jobs.view import Jobs
from watchfloor.model import Missing, Scope

_MOST_NAMED = 8

T = TypeVar("T")


def job_words(frame: Frame, row: int) -> str:
    """`job 4242 of alice (64 accelerators)`."""
    job, held = frame.jobs.rows[row], frame.jobs.view.cell(row, "accelerators")
    owner = f" of {job.user}" if job.user else ""
    many = held.missing is Missing.NO and isinstance(held.value, float) and held.value > 1
    return f"job {job.number}{owner}{f' ({held.value:.0f} accelerators)' if many else ''}"


def boards_words(frame: Frame, rows: Sequence[int]) -> str:
    """`gpu5, gpu6 of n12; gpu0 of n13`; of many the first, and how many more."""
    view, by_node = frame.accelerators, dict[int, list[int]]()
    for row in rows[:_MOST_NAMED]:
        by_node.setdefault(int(view.node[row]), []).append(row)
    told = [
        f"{', '.join(view.text(row, 'name') or str(view.keys[row]) for row in mine)} of {frame.specs[node].name}"
        for node, mine in by_node.items()
    ]
    more = f" and {len(rows) - _MOST_NAMED} more" if len(rows) > _MOST_NAMED else ""
    return "; ".join(told) + more


def nodes_words(frame: Frame, nodes: Sequence[int]) -> str:
    return folded([named(frame, Scope.NODE, node) for node in nodes])


def answering(jobs: Jobs) -> frozenset[str]:
    """Sources whose last question had an answer: what the others tell may be over."""
    return frozenset(source.name for source in jobs.sources if source.state is SourceState.OK)


class Held(Generic[T]):
    """Made once for as long as jobs, nodes and who runs where stay what they are."""

    def __init__(self, make: Callable[[Frame], T]) -> None:
        self._make = make
        self._of: tuple[object, ...] = ()
        self._made: T | None = None

    def of(self, frame: Frame) -> T:
        jobs = frame.jobs
        now = (jobs.rows, jobs.owners, jobs.scheduler, answering(jobs))
        same = len(self._of) == len(now) and all(a is b for a, b in zip(self._of[:-1], now[:-1], strict=True))
        if self._made is None or not same or self._of[-1] != now[-1]:
            self._of, self._made = now, self._make(frame)
        return self._made
