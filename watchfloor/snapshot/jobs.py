"""The jobs of a frame as JSON-ready data and as a table: what the jobs page shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from watchfloor.errors import ConfigError
from watchfloor.frame import Frame
from watchfloor.jobs.model import Attempt, Job, Reservation, SchedulerNode, SourceState, SourceStatus, Step
from watchfloor.jobs.provenance import Provenance
from watchfloor.jobs.spread import Spread, lagging, spreads
from watchfloor.metrics import CATALOGUE, Kind
from watchfloor.model import MISSING_LABELS, Finding, Missing, Scope, State
from watchfloor.snapshot.selection import unread
from watchfloor.snapshot.words import cells_wide, duration_in_prose, shown
from watchfloor.units import nearest

FORMAT = "watchfloor.jobs/1"
COLUMNS = (
    "name", "title", "user", "account", "queue", "phase", "nodes", "accelerators", "attempt", "util", "util_min",
    "mem", "power", "elapsed", "time_left", "where", "reason",
)  # fmt: skip
_GAP = "  "
_SOON_SECONDS = 86_400.0
_MOST_RESERVATIONS = 2
_LONGEST_NAME = 40  # characters of what users call their jobs; `--json` has all of it

Json = dict[str, object]
Mask = NDArray[np.bool_]


def meant(rows: Sequence[Job], word: str) -> Mask:
    """The jobs that go by this word: of an array all tasks, of which the last has its number as id. Raises ConfigError
    where none does."""
    mask = np.array([word == job.array for job in rows], np.bool_)
    if not mask.any():
        mask = np.array([word in (job.number, job.id, job.id.partition(":")[2], job.name) for job in rows], np.bool_)
    if not mask.any():
        guess = nearest(word, [name for job in rows for name in (job.number, job.name) if name])
        raise ConfigError(f"no job is called {word!r}", f"did you mean {guess!r}?" if guess else "", file="--job")
    return mask


class JobReport:
    """The jobs that `mask` lets through (None: all); those that are over only with `over`."""

    def __init__(self, frame: Frame, mask: Mask | None = None, over: bool = False) -> None:
        jobs = frame.jobs
        shown_rows = np.flatnonzero(mask) if mask is not None else np.arange(len(jobs.rows))
        self._frame = frame
        self._rows = [row for row in shown_rows.tolist() if over or not jobs.rows[row].state.is_over]

    def document(self) -> Json:
        """Times in seconds since the epoch; what isn't known is null, and under `missing` why."""
        jobs = self._frame.jobs
        return {
            "format": FORMAT,
            "at": self._frame.at,
            "sources": [_source(source) for source in jobs.sources],
            "jobs": [self._entry(row) for row in self._rows],
            "nodes": [self._node(node, seen) for node, seen in sorted(jobs.scheduler.items())],
        }

    def _entry(self, row: int) -> Json:
        frame, job = self._frame, self._frame.jobs.rows[row]
        view = frame.jobs.view
        numbers = [name for name, metric in CATALOGUE[Scope.JOB].items() if metric.kind is Kind.GAUGE]
        cells = {name: view.cell(row, name) for name in numbers}
        figures = {name: cell.value for name, cell in cells.items() if cell.missing is Missing.NO}
        missing = {name: MISSING_LABELS[cell.missing] for name, cell in cells.items() if cell.missing is not Missing.NO}
        boards = [frame.subject(Scope.ACCELERATOR, int(at)) for at in frame.jobs.accelerators_of(row)]
        return {
            **_told(job),
            "processes": _provenance(frame.jobs.provenance.get(job.id)),
            "health": State(int(view.states[row])).label,
            "figures": figures,
            "missing": missing,
            "on": [{"node": subject.node, "accelerator": subject.key} for subject in boards],
            "spread": {one.metric: self._ends(one) for one in spreads(frame, row)},
            "stragglers": [{"subject": str(one.subject), "text": one.text} for one in self._lagging.get(row, ())],
        }

    def _ends(self, spread: Spread) -> Json:
        """How far apart its accelerators are in one metric, and which are the first and the last."""
        view = self._frame.accelerators
        ends = {name: self._frame.subject(Scope.ACCELERATOR, row) for name, row in spread.ends.items()}
        on = {
            f"{name}_on": {"node": of.node, "accelerator": of.key, "rank": view.text(spread.ends[name], "rank")}
            for name, of in ends.items()
        }
        return {"lowest": spread.lowest, "median": spread.median, "highest": spread.highest, **on}

    @cached_property
    def _lagging(self) -> Mapping[int, Sequence[Finding]]:
        return lagging(self._frame)

    def _node(self, node: int, seen: SchedulerNode) -> Json:
        return {"node": self._frame.specs[node].name, "scheduler": asdict(seen)}

    def text(self) -> str:
        """An aligned table, then what is to be said of the sources, and which nodes were not read."""
        lines = [[CATALOGUE[Scope.JOB][name].title for name in COLUMNS]]
        lines += [[self._shown(row, name) for name in COLUMNS] for row in self._rows]
        answered = all(source.state is SourceState.OK for source in self._frame.jobs.sources)
        body = _aligned(lines) if self._rows else ["no jobs" if answered else "no jobs are known"]
        notes = [source_words(source, self._frame.at) for source in self._frame.jobs.sources]
        held, where = held_unseen(self._frame)
        unseen = [f"running jobs hold {held} accelerators that are not seen here, {where}"] if held else []
        return "\n".join([*body, *unseen, *notes, *unread(self._frame)]) + "\n"

    def _shown(self, row: int, name: str) -> str:
        text = shown(CATALOGUE[Scope.JOB][name], self._frame.jobs.view.cell(row, name))
        return text if name != "title" or len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def held_unseen(frame: Frame) -> tuple[int, str]:
    """How many accelerators running jobs hold by their schedulers' word of which none is seen, and where those are."""
    jobs = frame.jobs
    held = np.nan_to_num(jobs.view.known("accelerators"))
    unseen = np.flatnonzero(jobs.is_unseen & (held > 0))
    here = jobs.present.intersection(jobs.rows[row].source for row in unseen.tolist())
    where = "on nodes that don't name them" if here else "on nodes that are not in the fleet"
    return int(held[unseen].sum()), f"by the scheduler's word {where}"


def source_words(source: SourceStatus, at: float) -> str:
    """`alpha (slurm): asked 2 s ago`, or what is wrong with it and how old its jobs are."""
    name = source.name if source.name == source.kind else f"{source.name} ({source.kind})"
    if source.state is SourceState.WAITING:
        return f"{name}: no answer yet"
    age = f"{duration_in_prose(max(0.0, at - source.at))} ago" if source.at else "never"
    if source.state is SourceState.OK:
        return "; ".join((f"{name}: asked {age}", *_of_queues(source, at)))
    advice = f" ({source.advice})" if source.advice else ""
    return f"{name}: last answer {age}: {source.text}{advice}"  # the age first: a narrow screen cuts the end


def _of_queues(source: SourceStatus, at: float) -> Iterator[str]:
    """What keeps work from nodes: queues that aren't up, reservations that hold or begin within a day."""
    yield from (f"queue {queue.name} is {queue.state}" for queue in source.queues if queue.state not in ("up", ""))
    soon = [one for one in source.reservations if one.begins_before(at + _SOON_SECONDS) and not one.is_over(at)]
    for one in soon[:_MOST_RESERVATIONS]:
        yield f"{one.name} reserves {one.nodes or 'nodes'} {_reserved_when(one, at)}"
    if len(soon) > _MOST_RESERVATIONS:
        yield f"{len(soon) - _MOST_RESERVATIONS} more reservations"


def _reserved_when(one: Reservation, at: float) -> str:
    if one.start is not None and one.start > at:
        return f"in {duration_in_prose(one.start - at)}"
    return "without an end" if one.end is None else f"for {duration_in_prose(one.end - at)} more"


def _told(job: Job) -> Json:
    """All that its source tells."""
    found = {name: value for name, value in asdict(job).items() if name not in ("attempts", "allocations", "steps")}
    return {
        **found,
        "state": job.state.value,
        "nodes": list(job.nodes),
        "allocations": [asdict(allocation) for allocation in job.allocations],
        "attempts": [_attempt(attempt) for attempt in job.attempts],
        "steps": [_attempt(step) for step in job.steps],
    }


def _provenance(told: Provenance | None) -> Json:
    """What its processes on the fleet's nodes say of where they come from; empty where none of them says it."""
    return asdict(told or Provenance())


def _attempt(attempt: Attempt | Step) -> Json:
    return {**asdict(attempt), "state": attempt.state.value}


def _source(source: SourceStatus) -> Json:
    return {**asdict(source), "state": source.state.value, "at": source.at or None}


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(cells_wide, column)) for column in zip(*lines, strict=True)]
    return [_GAP.join(_cells(line, widths)).rstrip() for line in lines]


def _cells(line: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    table = CATALOGUE[Scope.JOB]
    for name, text, width in zip(COLUMNS, line, widths, strict=True):
        gap = " " * (width - cells_wide(text))
        yield text + gap if table[name].kind is Kind.TEXT else gap + text
