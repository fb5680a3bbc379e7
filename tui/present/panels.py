"""The lists of the node page: processes, and everything that is known or not known, with its reason."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

from rich.cells import cell_len

from tui.present.details import processes, workloads
from tui.present.format import SHORT_REASONS, Text, age, exact, number
from tui.present.listing import Listing
from tui.present.rows import Column, without
from tui.present.style import UNICODE, Glyphs, Token
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Unit
from watchfloor.model import Missing, Scope
from watchfloor.report import PAUSED, Process, SamplerStatus, Workload
from watchfloor.vendors import sources

_PROCESS_COLUMNS = (
    Column("pid", "PID", 8, "right", fixed=True),
    Column("user", "USER", 10),
    Column("accelerator", "ACCEL", 6),
    Column("held", "HOLDS", 7, "right"),
    Column("memory", "MEM", 7, "right"),
    Column("cpu", "CPU%", 6, "right"),
    Column("state", "S", 1),
    Column("age", "AGE", 5, "right"),
    Column("job", "JOB", 12),
    Column("rank", "RANK", 4, "right"),
    Column("command", "COMMAND", 20, flexible=True),
    Column("run", "RUN", 14, flexible=True),
)


# what a narrow screen leaves out first: a command that can't be read is worth least of all
_LESS = ("rank", "run", "job", "age", "memory")
_NAME_MOST = 12  # cells


def process_list(frame: Frame, node: int, room: int = 1000) -> Listing:
    """Those that hold accelerators first, in the order of these; columns as `room` cells have space for them."""
    names = _names(frame, node)
    places = {key: place for place, key in enumerate([*names, ""])}
    listed = processes(frame.detail[node].details)
    works = workloads(frame.detail[node].details)
    rows: list[tuple[Hashable, Sequence[Text]]] = []
    for process in sorted(listed, key=lambda process: places.get(process.accelerator, len(names))):
        held, memory = _bytes(process.accelerator_memory_bytes), _bytes(process.memory_bytes)
        started = age(max(0.0, frame.at - process.started_at)) if process.started_at else "-"
        work = works.get(process.pid)
        cells: list[Text] = [
            (str(process.pid), Token.TEXT),
            (process.user, Token.TEXT),
            (names.get(process.accelerator, process.accelerator) or "-", Token.TEXT),
            held,
            memory,
            (f"{process.cpu_percent:.0f}", Token.TEXT),
            (process.state, Token.WARNING if process.state in ("D", "Z") else Token.DIM),
            (started, Token.TEXT),
            (process.job or "-", Token.TEXT if process.job else Token.DIM),
            _rank(work),
            _command(process),
            _runs(work),
        ]
        rows.append(((process.pid, process.accelerator), cells))
    every = _process_columns(names.values())
    columns = without(every, room, _LESS)
    kept = [every.index(column) for column in columns]
    return Listing(columns, [(identity, [cells[at] for at in kept]) for identity, cells in rows])


def _process_columns(names: Iterable[str]) -> Sequence[Column]:
    """With room for the names of these accelerators: `neuron15` is no longer than it must be, and not cut."""
    longest = min(_NAME_MOST, max(map(cell_len, names), default=0))
    return [
        replace(column, width=max(column.width, longest)) if column.name == "accelerator" else column
        for column in _PROCESS_COLUMNS
    ]


def _rank(work: Workload | None) -> Text:
    """The rank; where the environment could not be read, the short word for why."""
    if work is None or (work.rank < 0 and not work.missing):
        return "-", Token.DIM
    return (str(work.rank), Token.TEXT) if work.rank >= 0 else (SHORT_REASONS[Missing(work.missing)], Token.DIM)


def _runs(work: Workload | None) -> Text:
    """The run ids alone: the metric `run` has them with team and project."""
    runs = [f"{tracker}:{run.rpartition('/')[2]}" for tracker, run in work.run_ids.items()] if work else []
    return (" ".join(runs), Token.TEXT) if runs else ("-", Token.DIM)


def _command(process: Process) -> Text:
    """What it runs; first, what is the matter with it."""
    if process.hangs_in:
        where = f", hangs in {process.where_it_hangs}" if process.where_it_hangs else ""
        return f"can't be killed{where}: {process.command}", Token.CRITICAL
    if process.orphan and process.accelerator:
        return f"without a parent: {process.command}", Token.WARNING
    return process.command, Token.TEXT


def _bytes(count: int) -> Text:
    return (number(count, Unit.BYTES), Token.TEXT) if count >= 0 else ("-", Token.DIM)


def _names(frame: Frame, node: int) -> Mapping[str, str]:
    """Short name of each accelerator of a node, by its key."""
    boards = frame.accelerators
    return {boards.keys[row]: boards.text(row, "name") for row in map(int, frame.rows_of(Scope.ACCELERATOR, node))}


_METRIC_COLUMNS = (
    Column("metric", "METRIC", 21, fixed=True),
    Column("value", "VALUE", 26),
    Column("help", "MEANS", 24, flexible=True),
    Column("source", "SOURCE", 34, flexible=True),
)


def everything_list(frame: Frame, node: int, board: int | None, glyphs: Glyphs = UNICODE) -> Listing:
    """Every metric of one accelerator (a row of the frame) and of its node: value or reason, meaning, source, note."""
    rows: list[tuple[Hashable, Sequence[Text]]] = []
    if board is not None:
        name = frame.accelerators.text(board, "name") or frame.accelerators.keys[board]
        rows += _section(frame, node, Scope.ACCELERATOR, board, name, glyphs)
    rows += _section(frame, node, Scope.NODE, node, frame.specs[node].name, glyphs)
    return Listing(_METRIC_COLUMNS, [*rows, *_samplers(frame, node)])


def _samplers(frame: Frame, node: int) -> list[tuple[Hashable, Sequence[Text]]]:
    """How each sampler does; those that found nothing to read on this node last, with what they looked for."""
    nothing: Text = ("", Token.DIM)
    samplers = sorted(frame.detail[node].samplers.items(), key=lambda item: item[1].state == "absent")
    found: list[tuple[Hashable, Sequence[Text]]] = [
        (("sampler", name), [(name, Token.TEXT), *_standing(status), nothing]) for name, status in samplers
    ]
    title: Text = ("samplers", Token.TITLE)
    return [(("sampler", ""), [title, nothing, nothing, nothing]), *found] if found else []


def _standing(status: SamplerStatus) -> tuple[Text, Text]:
    """Its state; what its last answer took, or why there is none."""
    if status.state == "ok":
        took = f"every {age(status.period)}, its last answer took {age(status.cost)}"
        return ("ok", Token.OK), (took, Token.DIM)
    if status.state == "absent":
        return ("not here", Token.DIM), (status.text, Token.DIM)
    token = Token.WARNING if status.state == PAUSED else Token.CRITICAL
    return (status.state, token), (status.text, token)


def _section(
    frame: Frame, node: int, scope: Scope, row: int, name: str, glyphs: Glyphs
) -> list[tuple[Hashable, Sequence[Text]]]:
    nothing: Text = ("", Token.DIM)
    title: Text = (f"{scope.value} {name}", Token.TITLE)
    found: list[tuple[Hashable, Sequence[Text]]] = [((scope, ""), [title, nothing, nothing, nothing])]
    view = frame.view(scope)
    vendor = view.text(row, "vendor").lower() if scope is Scope.ACCELERATOR else "linux"
    for metric in CATALOGUE[scope].values():
        cell = view.cell(row, metric.name)
        told = sources(metric)
        source = told.get(vendor) or next(iter(metric.sources.values()), "")
        note = frame.detail[node].note(f"{scope.value}.{metric.name}", cell.missing, view.keys[row])
        said: Text = (f"said: {note}", Token.WARNING) if note else (source, Token.DIM)
        shown = exact(cell, metric, glyphs)
        found.append(((scope, metric.name), [(metric.name, Token.TEXT), shown, (metric.help, Token.DIM), said]))
    return found
