"""One job in full as text: what it is, its attempts and steps, its accelerators one by one, who lags and why."""

from __future__ import annotations

from collections.abc import Iterator

from watchfloor.frame import Frame
from watchfloor.hosts import folded
from watchfloor.jobs.model import Attempt, Job, Step
from watchfloor.jobs.provenance import Provenance
from watchfloor.jobs.spread import lagging, spreads
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Missing, Scope
from watchfloor.snapshot.words import duration_in_prose, in_prose, shown

_BOARD = CATALOGUE[Scope.ACCELERATOR]
_COLUMNS = ("rank", "state", "util", "clock_sm", "temp", "power", "mem", "throttle")
_FIGURES = (
    "util", "util_mean", "spread", "idle", "silent", "energy", "gpu_time", "cost", "waited", "elapsed", "time_left",
)  # fmt: skip


def detail(frame: Frame, row: int) -> str:
    parts = [_what(frame, row), _tries(frame.jobs.rows[row]), _steps(frame.jobs.rows[row]), _spread(frame, row)]
    parts += [_boards(frame, row), _lagging(frame, row)]
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


def _what(frame: Frame, row: int) -> Iterator[str]:
    job, view, table = frame.jobs.rows[row], frame.jobs.view, CATALOGUE[Scope.JOB]
    yield f"job {job.number} {job.name}".rstrip() + (f" of {job.user}" if job.user else "") + f": {job.state.value}"
    told = frame.jobs.provenance.get(job.id) or Provenance()
    facts = {
        "id": job.id, "account": job.account, "queue": job.queue, "where": view.text(row, "where"),
        "reason": job.reason, "depends on": job.dependency, "command": job.command,
        "image": ", ".join(told.images) or job.image, "commit": ", ".join(told.commits),
        "directory": ", ".join(told.directories) or job.working_directory, "comment": job.comment,
        **told.runs, **told.labels,
    }  # fmt: skip
    yield from (f"  {name:<11} {text}" for name, text in facts.items() if text)
    cells = ((name, view.cell(row, name)) for name in _FIGURES)
    known = ((name, cell) for name, cell in cells if cell.missing is Missing.NO)
    yield from (f"  {name:<11} {shown(table[name], cell)}" for name, cell in known)


def _tries(job: Job) -> Iterator[str]:
    if job.attempts:
        yield "attempts"
    for attempt in job.attempts:
        yield f"  {attempt.number}  {_ending(attempt)}" + (f"  on {folded(attempt.nodes)}" if attempt.nodes else "")


def _steps(job: Job) -> Iterator[str]:
    if job.steps:
        yield "steps"
    for step in job.steps:
        yield f"  {step_words(job, step)}"


def step_words(job: Job, step: Step) -> str:
    """`4242.0 torchrun: running, 16 tasks on gpu[001-002]`."""
    name = f" {step.name}" if step.name and step.name != step.number else ""
    tasks = f", {step.tasks} task{'s' if step.tasks != 1 else ''}" if step.tasks is not None else ""
    where = f" on {folded(step.nodes)}" if step.nodes else ""
    return f"{job.number}.{step.number}{name}: {_ending(step)}{tasks}{where}"


def _ending(part: Attempt | Step) -> str:
    lasted = f" after {duration_in_prose(part.ended - part.started)}" if part.ended and part.started else ""
    code = f", exit code {part.exit_code}" if part.exit_code else f", signal {part.signal}" if part.signal else ""
    reason, state = (part.reason, part.ended_as) if isinstance(part, Attempt) else ("", part.state.value)
    return f"{state}{lasted}{code}{f': {reason}' if reason else ''}"


def _spread(frame: Frame, row: int) -> Iterator[str]:
    found = spreads(frame, row)
    if found:
        yield "its accelerators, beside one another"
    for one in found:
        low, mid, high = (in_prose(_BOARD[one.metric], value) for value in (one.lowest, one.median, one.highest))
        ends = f"lowest {called(frame, one.lowest_on)}, highest {called(frame, one.highest_on)}"
        yield f"  {_BOARD[one.metric].title:<8} {low} to {high}, median {mid}" + (f"  ({ends})" if low != high else "")


def called(frame: Frame, board: int) -> str:
    """`gpu3 of n12, rank 11`."""
    view = frame.accelerators
    rank = view.text(board, "rank")
    name = view.text(board, "name") or str(view.keys[board])
    return f"{name} of {frame.specs[int(view.node[board])].name}" + (f", rank {rank}" if rank else "")


def _boards(frame: Frame, row: int) -> Iterator[str]:
    view = frame.accelerators
    rows = sorted(frame.jobs.accelerators_of(row).tolist(), key=lambda board: _place(frame, board))
    lines = [["ACCELERATOR", *(_BOARD[name].title for name in _COLUMNS)]]
    for board in rows:
        name = f"{frame.specs[int(view.node[board])].name}/{view.text(board, 'name') or view.keys[board]}"
        lines.append([name, *(shown(_BOARD[metric], view.cell(board, metric)) for metric in _COLUMNS)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines if rows else ():
        yield "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()


def _place(frame: Frame, board: int) -> tuple[float, str, float]:
    """Ranks in their order; where none is told, and of equal ones, by node and number."""
    view = frame.accelerators
    first = view.text(board, "rank").partition(",")[0].partition("-")[0]  # 3, 0-3, 0-3,8
    number = float(view.last("index")[board])
    rank = float(first) if first.isdecimal() else float("inf")
    return rank, frame.specs[int(view.node[board])].name, board if number != number else number


def _lagging(frame: Frame, row: int) -> Iterator[str]:
    found = lagging(frame).get(row, [])
    if found:
        yield "stragglers"
    yield from (f"  {finding.text}" for finding in found)
