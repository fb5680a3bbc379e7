"""The state of the whole fleet: reports in, frames out.

Must not do: I/O, checks, drawing. One thread writes (the collectors'); frames go to any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Codes, Columns, Floats, Rows, Vocabulary
from watchfloor.errors import StreamError
from watchfloor.frame import Frame, NodeDetail, View
from watchfloor.history import CounterLog, History
from watchfloor.metrics import CATALOGUE, COLUMNS, Kind
from watchfloor.model import Missing, NodeSpec, NodeStatus, Phase, Problem, Scope
from watchfloor.report import DETAILS, Cells, Hello, Report, Schema, Table
from watchfloor.tablemap import CONSOLE_OWNED, TableMap

STALE_AFTER_PERIODS = 3.5
SUBJECTS_PER_NODE = 1024  # more in one table of one node, now or over time, is a flood, not hardware
METRICS_PER_TABLE = 512
TEXTS_KEPT = 10_000  # texts of the past that may linger before the vocabulary is renewed
NOTES_PER_NODE = 1024
SAMPLERS_PER_NODE = 64


class Fleet:
    """Implements ports.FleetSink. `now` gives console time in seconds since the epoch."""

    def __init__(self, specs: Sequence[NodeSpec], now: Callable[[], float], period_seconds: float = 1.0) -> None:
        self.specs = list(specs)
        self._now = now
        self._stale_after_seconds = STALE_AFTER_PERIODS * period_seconds
        self._vocabulary = Vocabulary()
        self._columns = {scope: Columns(scope) for scope in Scope}
        self._tables: list[dict[str, TableMap]] = [{} for _ in self.specs]
        self._generations = [-1 for _ in self.specs]
        self._heard_at = np.zeros(len(self.specs))  # console time of each node's newest report, 0 never
        self._connected = np.zeros(len(self.specs), np.bool_)
        self._statuses = [NodeStatus() for _ in self.specs]
        self._details = [NodeDetail() for _ in self.specs]
        self._history = History()
        self._counters = CounterLog()
        self._frames = 0
        for index, spec in enumerate(self.specs):
            self._describe(index, spec)

    def _describe(self, node: int, spec: NodeSpec) -> None:
        columns = self._columns[Scope.NODE]
        columns.row_for(node, "")
        for name, text in (("name", spec.name), ("site", spec.site), ("rack", spec.rack), ("group", spec.group)):
            self._put_node_text(node, name, text)
        if spec.power_budget_watts is not None:
            columns.put_one(node, "power_budget", spec.power_budget_watts)
        else:
            columns.missing[node, COLUMNS[Scope.NODE]["power_budget"]] = Missing.UNSUPPORTED
        self.status(node, NodeStatus())

    def _put_node_text(self, node: int, name: str, text: str) -> None:
        self._columns[Scope.NODE].put_one(node, name, self._vocabulary.code(text))

    # -- what the supervisor says (ports.FleetSink)

    def status(self, node: int, status: NodeStatus) -> None:
        self._statuses[node] = status
        self._connected[node] = status.phase is Phase.LIVE
        self._put_node_text(node, "phase", status.phase.value)
        self._put_node_text(node, "problem", status.problem.value)

    def hello(self, node: int, hello: Hello, received_at: float) -> None:
        """A new conversation: what an earlier probe of this node said of its tables no longer counts.

        Its values stay as old as they are until the first report.
        """
        self._tables[node], self._generations[node] = {}, -1
        self._details[node] = NodeDetail(hello=hello)
        self._put_node_text(node, "hostname", hello.node)
        self._put_node_text(node, "boot_id", hello.boot_id)

    def schema(self, node: int, schema: Schema) -> None:
        """What the node tells from now on; a full report follows, and until then nothing of it is known any more.

        Raises StreamError (FLOOD) for more subjects than any hardware has, also where they come one after the other.
        """
        ours = [(Scope(name), table) for name, table in schema.tables.items() if name in _SCOPES]
        for scope, table in ours:
            new = sum(not self._columns[scope].has(node, key) for key in set(table.keys))
            subjects = max(len(table.keys), len(self._columns[scope].rows_of(node)) + new)
            if subjects > SUBJECTS_PER_NODE or len(table.metrics) > METRICS_PER_TABLE:
                text = f"{subjects} subjects × {len(table.metrics)} metrics in table {scope.value!r}"
                raise StreamError(Problem.FLOOD, text)
        self._tables[node] = {scope.value: self._map(node, scope, table) for scope, table in ours}
        self._generations[node] = schema.generation
        for scope in Scope:
            self._forget(node, scope)
        accelerators = self._tables[node].get(Scope.ACCELERATOR.value)
        self._columns[Scope.NODE].put_one(node, "accelerators", len(set(accelerators.rows)) if accelerators else 0)

    def _map(self, node: int, scope: Scope, table: Table) -> TableMap:
        keys = [""] * len(table.keys) if scope is Scope.NODE else table.keys
        return TableMap(scope, table, [self._columns[scope].row_for(node, key) for key in keys])

    def _forget(self, node: int, scope: Scope) -> None:
        """No cell is current until it is told anew; rows that the node no longer names are lost, never removed."""
        columns, table = self._columns[scope], self._tables[node].get(scope.value)
        told, owned = _TOLD[scope], set(table.rows) if table else set()
        reasons = table.untold[told] if table else np.int8(Missing.UNSUPPORTED)
        for row in columns.rows_of(node):
            if scope is Scope.NODE or row in owned:
                columns.missing[row, told] = reasons
            else:
                columns.missing[row] = Missing.LOST

    def report(self, node: int, report: Report, received_at: float) -> None:
        """Raises StreamError (GARBAGE) where the report doesn't fit the schema."""
        if report.generation != self._generations[node]:
            text = f"a report of schema {report.generation}, but the schema is {self._generations[node]}"
            raise StreamError(Problem.GARBAGE, text)
        for name, cells in report.cells.items():
            table = self._tables[node].get(name)
            if table is not None:
                self._apply(Scope(name), table, cells, received_at)
        self._heard_at[node] = received_at
        if report.samplers or report.notes or report.details or report.full:
            self._details[node] = _remembered(self._details[node], report)

    def _apply(self, scope: Scope, table: TableMap, cells: Cells, at: float) -> None:
        columns = self._columns[scope]
        try:
            if cells.p:
                where, values = table.numbers(cells.p, cells.v)
                self._note_counters(columns, table, where, values, at)
                columns.put(where, values)
            if cells.xp:
                columns.put(*table.texts(cells.xp, [self._vocabulary.code(text) for text in cells.x]))
            if cells.mp:
                columns.put_missing(*table.reasons(cells.mp, cells.mc))
        except (IndexError, ValueError, OverflowError) as error:
            raise StreamError(Problem.GARBAGE, f"cells outside of the {scope.value} table: {error}") from error

    def _note_counters(self, columns: Columns, table: TableMap, cells: Rows, values: Floats, at: float) -> None:
        counting = table.counters(cells)
        if counting is None or not counting.any():
            return
        before = columns.values.reshape(-1)[cells[counting]]
        for cell, was, now in zip(cells[counting].tolist(), before.tolist(), values[counting].tolist(), strict=True):
            if was == was and was != now:
                row, column = divmod(cell, columns.width)
                self._counters.note(columns.scope, _NAMES[columns.scope][column], row, at, was, now)

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
        """The picture of now. About 1 ms per 5,000 accelerators: a copy of the columns."""
        self._frames += 1
        if len(self._vocabulary) > TEXTS_KEPT + 2 * self._cells_of_text():
            self._renew_vocabulary()
        live = self._live()
        self._put_ages()
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
        return self._connected & (self._now() - self._heard_at <= self._stale_after_seconds)

    def _put_ages(self) -> None:
        columns, heard = self._columns[Scope.NODE], self._heard_at
        at = COLUMNS[Scope.NODE]["age"]
        columns.values[: columns.count, at] = np.where(heard > 0, np.maximum(0.0, self._now() - heard), np.nan)
        columns.missing[: columns.count, at] = np.where(heard > 0, Missing.NO, Missing.NOT_YET)

    def _view(self, scope: Scope, live: NDArray[np.bool_]) -> View:
        columns, count = self._columns[scope], self._columns[scope].count
        values, missing = columns.values[:count].copy(), columns.missing[:count].copy()
        node = columns.node[:count].copy()
        _derive_share(scope, values, missing)
        silent = np.flatnonzero(~live[node])
        if silent.size:
            _mark_stale(scope, missing, silent)
        return View(scope, columns.keys, node, values, missing, self._vocabulary.texts)

    def _cells_of_text(self) -> int:
        return sum(columns.count * len(_TEXTS[scope]) for scope, columns in self._columns.items())

    def _renew_vocabulary(self) -> None:
        """Leave behind the texts that no row uses any more (users and commands of jobs long gone)."""
        old, new = self._vocabulary, Vocabulary()
        for scope, columns in self._columns.items():
            cells = columns.values[: columns.count, _TEXTS[scope]]
            known = ~np.isnan(cells)
            cells[known] = [new.code(old.texts[int(code)]) for code in cells[known].tolist()]
            columns.values[: columns.count, _TEXTS[scope]] = cells
        self._vocabulary = new


_SCOPES = {scope.value for scope in Scope}
_HELLO = ("hostname", "boot_id")
_NAMES: Mapping[Scope, list[str]] = {scope: list(table) for scope, table in CATALOGUE.items()}
_TEXTS: Mapping[Scope, list[int]] = {
    scope: [COLUMNS[scope][name] for name, metric in table.items() if metric.kind is Kind.TEXT]
    for scope, table in CATALOGUE.items()
}
_CONSOLE_OWNED = np.flatnonzero(CONSOLE_OWNED[Scope.NODE])
# columns that a schema begins anew: not what the console knows, nor what the hello said
_TOLD: Mapping[Scope, NDArray[np.intp]] = {
    scope: np.array(
        [
            COLUMNS[scope][name]
            for name in table
            if not CONSOLE_OWNED[scope][COLUMNS[scope][name]] and name not in _HELLO
        ]
    )
    for scope, table in CATALOGUE.items()
}


def _remembered(old: NodeDetail, report: Report) -> NodeDetail:
    """A full report says everything that is to be said; another adds to what is known."""
    if report.full:
        notes, samplers = dict(report.notes), dict(report.samplers)
    else:
        notes, samplers = {**old.notes, **report.notes}, {**old.samplers, **report.samplers}
    if len(notes) > NOTES_PER_NODE or len(samplers) > SAMPLERS_PER_NODE:
        raise StreamError(Problem.FLOOD, f"{len(notes)} notes and {len(samplers)} samplers from one node")
    fresh = {name: bytes(raw) for name, raw in report.details.items() if name in DETAILS}
    return replace(old, samplers=samplers, notes=notes, details={**old.details, **fresh} if fresh else old.details)


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


def _mark_stale(scope: Scope, missing: Codes, silent: NDArray[np.intp]) -> None:
    """Every value that was current becomes stale; the reason of one that was missing already stays."""
    before = missing[silent]
    after = np.where(before == Missing.NO, np.int8(Missing.STALE), before)
    if scope is Scope.NODE:
        after[:, _CONSOLE_OWNED] = before[:, _CONSOLE_OWNED]
    missing[silent] = after
