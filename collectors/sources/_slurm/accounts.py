"""Attempts of `sacct --duplicates`: one record each, its steps behind it. As a table, or as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from collectors.sources._slurm import states, steps, values, wire
from collectors.sources._slurm.jobs_text import exit_code
from collectors.sources._slurm.refused import Refused
from watchfloor.jobs.model import Attempt, Step

_DELIMITERS = ("|#", "|")


@dataclass(frozen=True, slots=True)
class Account:
    """What the accounting has of one job: its attempts, the oldest first, and the steps of the last one."""

    attempts: tuple[Attempt, ...] = ()
    steps: tuple[Step, ...] = ()


def of_table(text: str) -> tuple[dict[int, Account], int]:
    """By job id, from `sacct --parsable2` with its header; and how many lines could not be read. Raises Refused."""
    header, _, body = text.partition("\n")
    delimiter = next((mark for mark in _DELIMITERS if mark in header), "")
    names = [name.strip() for name in header.split(delimiter)] if delimiter else []
    key = next((name for name in ("JobIDRaw", "JobID") if name in names), "")
    if not key or "State" not in names:
        raise Refused(f"no table of jobs: its first line is {header[:60]!r}" if header else "the answer is empty")
    found: dict[int, Account] = {}
    unread = 0
    for cells in _rows(body, delimiter, len(names)):
        row = dict(zip(names, cells, strict=False))
        number, dot, step = row.get(key, "").partition(".")
        if len(cells) != len(names) or not number.isdecimal():
            unread += 1
        elif dot:
            _add_step(found, int(number), steps.of_row(step, row, exit_code(row.get("ExitCode"))))
        else:
            _add(found, int(number), _attempt(row))
    return found, unread


def _rows(body: str, delimiter: str, width: int) -> Iterator[list[str]]:
    """Lines as cells; one with too few goes on in the next line, for users write newlines into names."""
    held = ""
    for line in body.splitlines():
        held = f"{held}\n{line}" if held else line
        cells = held.split(delimiter)
        if len(cells) >= width:
            yield cells[:width] if cells[width:] == [""] else cells  # --parsable ends each line with a delimiter
            held = ""
    if held:
        yield held.split(delimiter)


def of_json(raw: bytes) -> dict[int, Account]:
    """By job id, from `sacct --json`, or slurmrestd's jobs of the database. Raises Refused."""
    told, _ = wire.rows(raw, "jobs", wire.AccountTold)
    found: dict[int, Account] = {}
    for job in told:
        if not job.job_id or job.state is None:
            raise Refused("jobs without a state of the accounting: those of squeue are of another shape")
        _add(found, job.job_id, _of_told(job, job.state))
        for one in job.steps:
            _add_step(found, job.job_id, steps.of_told(one))
    return found


def _of_told(job: wire.AccountTold, state: wire.AccountState) -> Attempt:
    code, signal = wire.exit_code(job.exit_code, is_status=False)
    words = states.words(wire.listed(state.current))
    if "FAILED" in words and not code and not signal:
        code = None  # the JSON of 22.05 says 0 of every exit code
    time = job.time or wire.AccountTime()
    return _ended_or_not(
        words, wire.moment(time.start), wire.moment(time.end), wire.text(job.nodes), (code, signal),
        wire.text(state.reason), _listed(job.tres),
    )  # fmt: skip


def _listed(tres: wire.AccountResources | None) -> str:
    """As the table has them: `cpu=192,gres/gpu=16,gres/gpu:h100=16`."""
    told = tres.allocated if tres is not None else []
    named = ((f"{one.type}/{one.name}" if one.name else one.type, wire.whole(one.count)) for one in told)
    return ",".join(f"{name}={count}" for name, count in named if count is not None)


def _attempt(row: Mapping[str, str]) -> Attempt:
    return _ended_or_not(
        states.words(row.get("State", "")), values.moment(row.get("Start")), values.moment(row.get("End")),
        row.get("NodeList", ""), exit_code(row.get("ExitCode")), row.get("Reason", ""), row.get("AllocTRES", ""),
    )  # fmt: skip


def _ended_or_not(
    words: tuple[str, ...],
    started: float | None,
    ended: float | None,
    nodes: str,
    exited: tuple[int | None, int | None],
    reason: str,
    allocated: str,
) -> Attempt:
    held = values.accelerators(allocated)
    state = states.ended_state(words, exited[0])
    over = state.is_over
    return Attempt(
        0,
        state,
        "+".join(words),
        started=started,
        ended=ended if over else None,
        nodes=values.hosts(nodes),
        exit_code=exited[0] if over else None,
        signal=exited[1] if over else None,
        reason="" if over else values.told(reason),  # it says what it waited for, and never why it ended
        accelerators=held.count if held is not None else None,
    )


def _add(found: dict[int, Account], number: int, attempt: Attempt) -> None:
    known = found.get(number, Account()).attempts
    found[number] = Account((*known, replace(attempt, number=len(known) + 1)))


def _add_step(found: dict[int, Account], number: int, step: Step) -> None:
    """Behind the record of its attempt."""
    if number in found:
        found[number] = replace(found[number], steps=steps.in_order([*found[number].steps, step]))
