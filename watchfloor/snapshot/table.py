"""The table of `snapshot --table`: aligned, as wide as the terminal allows, numbers to the right.

On a terminal the widest text columns give way first and then the last columns go; a pipe gets everything in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from watchfloor.errors import ConfigError
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Kind, Metric
from watchfloor.model import Missing, Scope, State
from watchfloor.snapshot import hanging, letting_go
from watchfloor.snapshot.selection import Selection, unread
from watchfloor.snapshot.words import cells_wide, legend, shown
from watchfloor.units import nearest

DEFAULT_COLUMNS: dict[Scope, tuple[str, ...]] = {
    Scope.ACCELERATOR: (
        "node", "name", "state", "model", "util", "mem_used", "mem_total", "temp", "power",
        "power_limit", "user", "job",
    ),
    Scope.NODE: ("node", "state", "phase", "problem", "age", "accelerators", "cpu", "load1", "mem", "uptime", "kernel"),
    Scope.LINK: ("node", "name", "state", "kind", "up", "speed", "rx", "tx", "peer"),
    Scope.SERVICE: ("node", "name", "state", "kind", "up", "running", "waiting", "kv_cache", "token_rate"),
}  # fmt: skip

_NODE_WORDS = {"node": "name", "site": "site", "rack": "rack", "group": "group"}
_NARROWEST = 8
_GAP = "  "
_SGR = {State.CRITICAL: "31", State.WARNING: "33", State.UNKNOWN: "2"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: a metric of the rows' own scope, or one of the node that they belong to."""

    metric: Metric
    of_node: bool
    cells: tuple[str, ...] = ()
    width: int = 0

    @property
    def title(self) -> str:
        return self.metric.title

    @property
    def is_text(self) -> bool:
        return self.metric.kind in (Kind.TEXT, Kind.STATE, Kind.BITS)


def table(selection: Selection, names: Sequence[str] = (), width: int | None = None, colour: bool = False) -> str:
    """The rows of the selection's scope, then a line for each node that could not be read, whose driver was let go of,
    or of which a sampler hangs.

    Raises ConfigError for a column that the catalogue doesn't have.
    """
    frame, scope = selection.frame, selection.scope
    rows = selection.indices(scope)
    columns = [_filled(frame, scope, resolve(scope, name), rows) for name in names or DEFAULT_COLUMNS[scope]]
    fitted = _fit(columns, width)
    states = frame.view(scope).states
    lines = [_line([column.title for column in fitted], fitted)]
    for at, row in enumerate(rows):
        line = _line([column.cells[at] for column in fitted], fitted)
        lines.append(_painted(line, State(int(states[row]))) if colour else line)
    return "\n".join([*lines, *_footer(selection, columns, fitted, rows)])


def resolve(scope: Scope, name: str) -> Column:
    """A column by the name that queries use: `temp`, `rack`, `node.cpu`. Raises ConfigError with the nearest name."""
    inner, node = CATALOGUE[scope], CATALOGUE[Scope.NODE]
    if scope is not Scope.NODE and name in inner:
        return Column(inner[name], of_node=False)
    bare = _NODE_WORDS.get(name, name.removeprefix("node."))
    if bare in node and (scope is Scope.NODE or name in _NODE_WORDS or name.startswith("node.")):
        return Column(node[bare], of_node=scope is not Scope.NODE)
    known = [*inner, *_NODE_WORDS, *(f"node.{word}" for word in node)]
    near = nearest(name, known)
    advice = f"did you mean {near}?" if near else "`watchfloor metrics` lists the names"
    raise ConfigError(f"no column {name!r} for a table of {scope.value}s", advice, file="--columns")


def _filled(frame: Frame, scope: Scope, column: Column, rows: Sequence[int]) -> Column:
    view, nodes = frame.view(scope), frame.view(scope).node
    source, name = (frame.nodes if column.of_node else view), column.metric.name
    cells = [source.cell(int(nodes[row]) if column.of_node else row, name) for row in rows]
    texts = tuple(shown(column.metric, cell) for cell in cells)
    if source is frame.nodes and name == "problem":  # a node whose driver hangs is in trouble, however well it is read
        texts = tuple(text or hanging.in_a_word(frame, int(nodes[row])) for text, row in zip(texts, rows, strict=True))
    return replace(column, cells=texts, width=max(cells_wide(text) for text in (column.title, *texts)))


def _fit(columns: list[Column], width: int | None) -> list[Column]:
    """Columns that fit the width: texts shrink, the widest first, then columns go from the right."""
    if width is None:
        return columns
    fitted = list(columns)
    while (excess := _total(fitted) - width) > 0:
        texts = [at for at, column in enumerate(fitted) if column.is_text and column.width > _NARROWEST]
        if texts:
            at = max(texts, key=lambda index: fitted[index].width)
            fitted[at] = replace(fitted[at], width=max(_NARROWEST, fitted[at].width - excess))
        elif len(fitted) > 1:
            fitted.pop()
        else:
            break
    return fitted


def _total(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)


def _line(cells: Sequence[str], columns: Sequence[Column]) -> str:
    padded = (_padded(cell, column) for cell, column in zip(cells, columns, strict=True))
    return _GAP.join(padded).rstrip()


def _padded(cell: str, column: Column) -> str:
    wide = cells_wide(cell)
    if wide > column.width:
        cell, wide = cell[: column.width - 1] + "…", column.width
    space = " " * (column.width - wide)
    return cell + space if column.is_text else space + cell


def _painted(line: str, state: State) -> str:
    code = _SGR.get(state)
    return f"\x1b[{code}m{line}\x1b[0m" if code else line


def _footer(selection: Selection, columns: list[Column], fitted: list[Column], rows: list[int]) -> list[str]:
    frame = selection.frame
    lines = unread(frame) + letting_go.lines(frame) + hanging.lines(frame)
    hidden = [column.metric.name for column in columns[len(fitted) :]]
    if hidden:
        lines.append(f"not shown, the terminal is too narrow: {', '.join(hidden)}")
    explained = legend(_reasons(frame, selection.scope, columns, rows))
    return ["", *lines, *([explained] if explained else [])] if lines or explained else []


def _reasons(frame: Frame, scope: Scope, columns: list[Column], rows: list[int]) -> set[Missing]:
    view = frame.view(scope)
    return {Missing(int(code)) for column in columns if not column.of_node
            for code in view.reasons(column.metric.name)[rows]}  # fmt: skip
