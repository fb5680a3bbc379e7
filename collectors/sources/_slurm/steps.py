"""Steps of jobs: those that run, of `squeue --steps`; of jobs that are over, the accounting's. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from collectors.sources._slurm import states, values, wire
from watchfloor.jobs.model import JobState, Step

# 4242.0, of an array's task 4200_7.batch, of a component 4300+1.0
_STEP = re.compile(r"(\d+(?:_\d+)?(?:\+\d+)?)\.(\w+)")
_CELLS = 5


def running(text: str) -> dict[str, tuple[Step, ...]]:
    """By what people call the job. The name, which users write, comes last; what isn't a step is left out."""
    found: dict[str, list[Step]] = {}
    for line in text.splitlines():
        cells = line.split("|", _CELLS - 1)
        match = _STEP.fullmatch(cells[0].strip())
        if match is not None and len(cells) == _CELLS:
            found.setdefault(match[1], []).append(_running(match[2], *cells[1:]))
    return {job: in_order(steps) for job, steps in found.items()}


def _running(number: str, tasks: str, started: str, nodes: str, name: str) -> Step:
    return Step(
        number,
        values.redacted(name),
        JobState.RUNNING,
        tasks=int(tasks) if tasks.isdecimal() else None,
        nodes=values.hosts(nodes),
        started=values.moment(started),
    )


def of_row(number: str, row: Mapping[str, str], exited: tuple[int | None, int | None]) -> Step:
    """A line of sacct's table."""
    tasks = row.get("NTasks", "")
    ended = values.moment(row.get("End"))
    return _ended(
        number, "", row.get("State", ""), int(tasks) if tasks.isdecimal() else None, row.get("NodeList", ""),
        values.moment(row.get("Start")), ended, exited,
    )  # fmt: skip


def of_told(told: wire.AccountStep) -> Step:
    """A step in sacct's JSON."""
    time = told.time or wire.AccountTime()
    name = told.step.get("name")
    return _ended(
        _number(told.step),
        name if isinstance(name, str) else "",
        "+".join(wire.listed(told.state)),
        wire.whole(told.tasks.count) if told.tasks else None,
        wire.text(told.nodes.range) if told.nodes else "",
        wire.moment(time.start),
        wire.moment(time.end),
        wire.exit_code(told.exit_code, is_status=False),
    )


def _number(step: Mapping[str, object]) -> str:
    """Of {"id": "batch"} (22.05), {"id": "4747.batch"} (24.05), {"id": {"step_id": …}} in between: its name then."""
    told = step.get("id")
    return str(told).rpartition(".")[2] if isinstance(told, str | int) else str(step.get("name", ""))


def _ended(
    number: str,
    name: str,
    state: str,
    tasks: int | None,
    nodes: str,
    started: float | None,
    ended: float | None,
    exited: tuple[int | None, int | None],
) -> Step:
    stands = states.job_state(states.words(state))
    code, signal = exited if stands.is_over else (None, None)
    return Step(
        number, values.redacted(name), stands, tasks, values.hosts(nodes), started,
        ended if stands.is_over else None, code, signal,
    )  # fmt: skip


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Those that users started, by their numbers; behind them Slurm's own: the batch script and the shell around it."""
    return tuple(sorted(steps, key=lambda step: (not step.number.isdecimal(), len(step.number), step.number)))
