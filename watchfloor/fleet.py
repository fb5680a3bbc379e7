"""The state of the whole fleet: reports in, frames out.

Must not do: I/O, checks, drawing. One thread writes (the collectors'); frames go to any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Codes, Columns, Floats, Vocabulary
from watchfloor.errors import StreamError
from watchfloor.frame import Frame, NodeDetail, View
from watchfloor.history import COUNTERS, CounterLog, History
from watchfloor.metrics import CATALOGUE, COLUMNS
from watchfloor.model import Missing, NodeSpec, NodeStatus, Phase, Problem, Scope
from watchfloor.report import Cells, Hello, Report, Schema, Table

STALE_AFTER_PERIODS = 3.5
SUBJECTS_PER_NODE = 4096  # more in one table of one node is a flood, not hardware


@dataclass(slots=True)
class _Mapping:
    """Where the positions of one table of one node lie: flat cells of the scope's columns, -1 where not in the catalogue."""

    cells: NDArray[np.int32]
    rows: list[int]


@dataclass(slots=True)
class _Node:
    tables: dict[str, _Mapping]
    generation: int = -1
    heard_at: float = 0.0  # console time of the newest report
    period: float = 1.0


class Fleet:
    """Implements ports.FleetSink. `now` gives console time in seconds since the epoch."""

    def __init__(self, specs: Sequence[NodeSpec], now: Callable[[], float], period_seconds: float = 1.0) -> None:
        self.specs = list(specs)
        self._now = now
        self._period = period_seconds
        self._vocabulary = Vocabulary()
        self._columns = {scope: Columns(scope) for scope in Scope}
        self._nodes = [_Node({}, period=period_seconds) for _ in self.specs]
        self._statuses = [NodeStatus() for _ in self.specs]
        self._details = [NodeDetail() for _ in self.specs]
        self._history = History()
        self._counters = CounterLog()
        self._frames = 0
        self._columns[Scope.NODE].rows_for_nodes(len(self.specs))
        for index, spec in enumerate(self.specs):
            self._describe(index, spec)

    def _describe(self, node: int, spec: NodeSpec) -> None:
        texts = {"name": spec.name, "site": spec.site, "rack": spec.rack, "group": spec.group}
        for name, text in texts.items():
            self._put_node_text(node, name, text)
        self._put_node_text(node, "phase", Phase.WAITING.value)
        self._put_node_text(node, "problem", Problem.NONE.value)
        if spec.power_budget_watts is not None:
            self._columns[Scope.NODE].put_one(node, "power_budget", spec.power_budget_watts)

    def _put_node_text(self, node: int, name: str, text: str) -> None:
        self._columns[Scope.NODE].put_one(node, name, self._vocabulary.code(text))

    # -- what the supervisor says (ports.FleetSink)

    def status(self, node: int, status: NodeStatus) -> None:
        self._statuses[node] = status
        self._put_node_text(node, "phase", status.phase.value)
        self._put_node_text(node, "problem", status.problem.value)

    def hello(self, node: int, hello: Hello, received_at: float) -> None:
        """A new conversation: what an earlier probe of this node said of its tables no longer counts."""
        state = self._nodes[node]
        state.tables, state.generation, state.heard_at = {}, -1, received_at
        self._details[node] = NodeDetail(hello=hello)
        self._put_node_text(node, "hostname", hello.node)
        self._put_node_text(node, "boot_id", hello.boot_id)

    def schema(self, node: int, schema: Schema) -> None:
        """Raises StreamError (FLOOD) for more subjects than any hardware has."""
        state = self._nodes[node]
        for name, table in schema.tables.items():
            if len(table.keys) > SUBJECTS_PER_NODE or len(table.metrics) > 512:
                raise StreamError(
                    Problem.FLOOD, f"{len(table.keys)} subjects × {len(table.metrics)} metrics in table {name!r}"
                )
        known = {scope.value for scope in Scope}
        state.tables = {
            name: self._mapping(node, Scope(name), table) for name, table in schema.tables.items() if name in known
        }
        state.generation = schema.generation
        for scope in (Scope.ACCELERATOR, Scope.LINK):
            mapping = state.tables.get(scope.value)
            self._mark_lost(node, scope, set(mapping.rows) if mapping else set())
        present = state.tables.get(Scope.ACCELERATOR.value)
        self._columns[Scope.NODE].put_one(node, "accelerators", len(present.rows) if present else 0)

    def _mapping(self, node: int, scope: Scope, table: Table) -> _Mapping:
        columns = self._columns[scope]
        rows = [node] * len(table.keys) if scope is Scope.NODE else columns.rows_for(node, table.keys)
        at = np.array([COLUMNS[scope].get(name, -1) for name in table.metrics], np.int64)
        cells = np.array(rows, np.int64)[:, None] * columns.width + at[None, :]
        cells[:, at < 0] = -1
        return _Mapping(cells.reshape(-1).astype(np.int32), rows)

    def _mark_lost(self, node: int, scope: Scope, present: set[int]) -> None:
        columns = self._columns[scope]
        for row in columns.rows_of(node).values():
            if row not in present:
                columns.missing[row] = Missing.LOST

    def report(self, node: int, report: Report, received_at: float) -> None:
        state = self._nodes[node]
        if report.generation != state.generation:
            raise StreamError(
                Problem.GARBAGE, f"report of schema {report.generation}, but the schema is {state.generation}"
            )
        for name, cells in report.cells.items():
            mapping = state.tables.get(name)
            if mapping is not None:
                self._apply(Scope(name), mapping, cells, received_at)
        state.heard_at = received_at
        if report.samplers or report.notes or report.details:
            self._remember(node, report)

    def _remember(self, node: int, report: Report) -> None:
        old = self._details[node]
        self._details[node] = replace(
            old,
            samplers={**old.samplers, **report.samplers} if report.samplers else old.samplers,
            notes=dict(report.notes) if report.full else {**old.notes, **report.notes} if report.notes else old.notes,
            details={**old.details, **{name: bytes(raw) for name, raw in report.details.items()}}
            if report.details
            else old.details,
        )

    def _apply(self, scope: Scope, mapping: _Mapping, cells: Cells, at: float) -> None:
        columns = self._columns[scope]
        try:
            if cells.p:
                self._apply_values(scope, _picked(mapping.cells, cells.p), np.array(cells.v, np.float64), at)
            if cells.xp:
                codes = np.array([self._vocabulary.code(text) for text in cells.x], np.float64)
                columns.put(*_kept(_picked(mapping.cells, cells.xp), codes))
            if cells.mp:
                columns.put_missing(*_kept(_picked(mapping.cells, cells.mp), np.array(cells.mc, np.int8)))
        except (IndexError, ValueError, OverflowError) as error:
            raise StreamError(Problem.GARBAGE, f"cells outside of the {scope.value} table: {error}") from error

    def _apply_values(self, scope: Scope, cells: NDArray[np.int32], values: Floats, at: float) -> None:
        cells, values = _kept(cells, values)
        self._note_counters(scope, cells, values, at)
        self._columns[scope].put(cells, values)

    def _note_counters(self, scope: Scope, cells: NDArray[np.int32], values: Floats, at: float) -> None:
        columns = self._columns[scope]
        counting = _COUNTING[scope][cells % columns.width]
        if not counting.any():
            return
        for cell, now in zip(cells[counting].tolist(), values[counting].tolist(), strict=True):
            before = float(columns.values.reshape(-1)[cell])
            if before == before and before != now:
                row, column = divmod(cell, columns.width)
                self._counters.note(scope, _NAMES[scope][column], row, at, before, now)

    def clock(self, node: int, skew_seconds: float, round_trip_seconds: float) -> None:
        self._columns[Scope.NODE].put_one(node, "skew", skew_seconds)
        self._columns[Scope.NODE].put_one(node, "round_trip", round_trip_seconds)

    # -- what everybody else sees

    def tick(self) -> None:
        """Append one second to the history. Called once a second by the owner of the fleet's thread."""
        live = self._live()
        for scope in Scope:
            columns, names = self._columns[scope], self._history.trended(scope)
            if names:
                self._history.append(scope, {name: _current(columns, name, live) for name in names})

    def frame(self) -> Frame:
        """The picture of now. About 1 ms per 10,000 accelerators: a copy of the columns."""
        self._frames += 1
        if len(self._vocabulary) > 10_000 + 4 * self._cells_of_text():
            self._renew_vocabulary()
        live = self._live()
        self._age()
        views = {scope: self._view(scope, live) for scope in Scope}
        return Frame(
            number=self._frames,
            at=self._now(),
            specs=self.specs,
            statuses=tuple(self._statuses),
            live=live,
            detail=tuple(self._details),
            nodes=views[Scope.NODE],
            accelerators=views[Scope.ACCELERATOR],
            links=views[Scope.LINK],
            history=self._history,
            counters=self._counters,
        )

    def _live(self) -> NDArray[np.bool_]:
        now = self._now()
        return np.array(
            [
                status.phase is Phase.LIVE and now - node.heard_at <= STALE_AFTER_PERIODS * node.period
                for node, status in zip(self._nodes, self._statuses, strict=True)
            ],
            np.bool_,
        )

    def _age(self) -> None:
        now, columns = self._now(), self._columns[Scope.NODE]
        heard = np.array([node.heard_at for node in self._nodes])
        at = COLUMNS[Scope.NODE]["age"]
        columns.values[: columns.count, at] = np.where(heard > 0, np.maximum(0.0, now - heard), np.nan)
        columns.missing[: columns.count, at] = np.where(heard > 0, Missing.NO, Missing.NOT_YET)

    def _view(self, scope: Scope, live: NDArray[np.bool_]) -> View:
        columns = self._columns[scope]
        count = columns.count
        values, missing = columns.values[:count].copy(), columns.missing[:count].copy()
        node = columns.node[:count].copy()
        _derive_share(scope, values, missing)
        stale = ~live[node] if count else np.empty(0, np.bool_)
        if stale.any():
            _mark_stale(scope, missing, stale)
        return View(scope, columns.keys, node, values, missing, self._vocabulary.texts)

    def _cells_of_text(self) -> int:
        return sum(columns.count * len(_TEXTS[scope]) for scope, columns in self._columns.items())

    def _renew_vocabulary(self) -> None:
        """Leave behind the texts that no row uses any more (users and commands of jobs long gone)."""
        old, new = self._vocabulary, Vocabulary()
        for scope, columns in self._columns.items():
            cells = columns.values[: columns.count, _TEXTS[scope]]
            flat = cells.reshape(-1)
            known = flat == flat
            flat[known] = [new.code(old.texts[int(code)]) for code in flat[known]]
            columns.values[: columns.count, _TEXTS[scope]] = flat.reshape(cells.shape)
        self._vocabulary = new


_NAMES: Mapping[Scope, list[str]] = {scope: list(table) for scope, table in CATALOGUE.items()}
_COUNTING: Mapping[Scope, NDArray[np.bool_]] = {
    scope: np.array([name in COUNTERS[scope] for name in names]) for scope, names in _NAMES.items()
}
_TEXTS: Mapping[Scope, list[int]] = {
    scope: [COLUMNS[scope][name] for name, metric in table.items() if metric.kind.value == "text"]
    for scope, table in CATALOGUE.items()
}
# what the console itself knows of a node doesn't grow stale with the node's silence
_CONSOLE_OWNED = [
    COLUMNS[Scope.NODE][name]
    for name, metric in CATALOGUE[Scope.NODE].items()
    if "console" in metric.sources and name != "mem"
]


def _picked(cells: NDArray[np.int32], positions: list[int]) -> NDArray[np.int32]:
    at = np.array(positions, np.int64)
    if at.size and int(at.min()) < 0:
        raise IndexError(f"position {int(at.min())}")
    return cells[at]


def _kept(cells: NDArray[np.int32], values: NDArray) -> tuple[NDArray[np.int32], NDArray]:
    """Without the cells of metrics that this console's catalogue doesn't have (a newer probe)."""
    if len(cells) != len(values):
        raise ValueError(f"{len(cells)} positions but {len(values)} values")
    keep = cells >= 0
    return (cells, values) if keep.all() else (cells[keep], values[keep])


def _current(columns: Columns, name: str, live: NDArray[np.bool_]) -> Floats:
    """One metric over all rows, NaN where it is missing or its node is silent."""
    at = COLUMNS[columns.scope][name]
    known = (columns.missing[: columns.count, at] == Missing.NO) & live[columns.node[: columns.count]]
    return np.where(known, columns.values[: columns.count, at], np.nan)


def _derive_share(scope: Scope, values: Floats, missing: Codes) -> None:
    """`mem` from its two parts; missing for the reason of the part that is missing."""
    if "mem" not in COLUMNS[scope]:
        return
    share, used, total = (COLUMNS[scope][name] for name in ("mem", "mem_used", "mem_total"))
    with np.errstate(invalid="ignore", divide="ignore"):
        values[:, share] = 100 * values[:, used] / values[:, total]
    missing[:, share] = np.where(missing[:, used] != Missing.NO, missing[:, used], missing[:, total])


def _mark_stale(scope: Scope, missing: Codes, stale: NDArray[np.bool_]) -> None:
    """Every value that was current becomes stale; the reason of one that was missing already stays."""
    kept = missing[:, _CONSOLE_OWNED].copy() if scope is Scope.NODE else None
    missing[(missing == Missing.NO) & stale[:, None]] = Missing.STALE
    if kept is not None:
        missing[:, _CONSOLE_OWNED] = kept
