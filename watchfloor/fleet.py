"""The state of the whole fleet: reports in, frames out.

Must not do: I/O, checks, drawing. One thread writes (the collectors'); frames go to any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from watchfloor import pci
from watchfloor.columns import Codes, Columns, Count, Floats, Places, Vocabulary
from watchfloor.counters import COUNTERS, CounterLog
from watchfloor.derived import CONSOLE_OWNED, DERIVED
from watchfloor.distinct import distinct
from watchfloor.errors import StreamError
from watchfloor.events import EventLog
from watchfloor.frame import Frame, NodeDetail, View
from watchfloor.history import History
from watchfloor.metrics import CATALOGUE, COLUMNS, Kind
from watchfloor.model import NODE_SCOPES, Missing, NodeSpec, NodeStatus, Phase, Problem, Scope
from watchfloor.rails import Rails
from watchfloor.redact import redact
from watchfloor.report import DETAILS, Cells, Hello, Report, Schema, Table
from watchfloor.tablemap import TableMap
from watchfloor.untold import no_accelerators

STALE_AFTER_PERIODS = 3.5
SUBJECTS_PER_NODE = 1024  # more in one table of one node is a flood, not hardware; and so are more within
GONE_SECONDS = 600.0  # this: what has been gone for longer leaves its row to others, where there are as many
METRICS_PER_TABLE = 512
TEXTS_KEPT = 10_000  # texts of the past that may linger before the vocabulary is renewed
NOTES_PER_NODE = 1024
SAMPLERS_PER_NODE = 64


class Fleet:
    """Implements ports.FleetSink. `now` gives console time in seconds since the epoch."""

    def __init__(self, specs: Sequence[NodeSpec], now: Callable[[], float], period_seconds: float = 1.0) -> None:
        self.specs = list(specs)
        self._node_index = {spec.name: index for index, spec in enumerate(self.specs)}
        self._now = now
        usual = STALE_AFTER_PERIODS * period_seconds
        by_node = [spec.source.stale_after_seconds if spec.source else usual for spec in self.specs]
        self._stale_after_seconds = np.array(by_node)
        self._vocabulary = Vocabulary()
        self._columns = {scope: Columns(scope, COUNTERS[scope], self._count) for scope in NODE_SCOPES}
        self._tables: list[dict[Scope, TableMap]] = [{} for _ in self.specs]
        self._generations = [-1 for _ in self.specs]
        self._heard_at = np.zeros(len(self.specs))  # console time of each node's newest report, 0 never
        self._connected = np.zeros(len(self.specs), np.bool_)
        self._statuses = [NodeStatus() for _ in self.specs]
        self._details = [NodeDetail() for _ in self.specs]
        self._boots = ["" for _ in self.specs]  # boot id of each node's newest conversation
        self._skew: Floats = np.zeros(len(self.specs))  # each node's clock minus the console's, in seconds
        self._history = History()
        self._rails = Rails()
        self._counters = CounterLog()
        self._events = EventLog()
        self._frames = 0
        for index, spec in enumerate(self.specs):
            self._describe(index, spec)

    def _describe(self, node: int, spec: NodeSpec) -> None:
        columns = self._columns[Scope.NODE]
        columns.register.rows_for(node, [""])
        for name, text in (("name", spec.name), ("site", spec.site), ("rack", spec.rack), ("group", spec.group)):
            self._put_node_text(node, name, text)
        if spec.power_budget_watts is not None:
            self._put_node(node, "power_budget", spec.power_budget_watts)
        else:
            columns.put_one_missing(node, "power_budget", Missing.UNSUPPORTED)
        self.status(node, NodeStatus())

    def _put_node(self, node: int, name: str, value: float) -> None:
        self._columns[Scope.NODE].put_one(node, name, value)

    def _put_node_text(self, node: int, name: str, text: str) -> None:
        self._put_node(node, name, self._vocabulary.code(text))

    # -- what the supervisor says (ports.FleetSink)

    def status(self, node: int, status: NodeStatus) -> None:
        """Its text may quote what a login shell, a server or the probe said last: kept without secrets."""
        self._statuses[node] = replace(status, text=redact(status.text)) if status.text else status
        self._connected[node] = status.phase is Phase.LIVE
        self._put_node_text(node, "phase", status.phase.value)
        self._put_node_text(node, "problem", status.problem.value)

    def hello(self, node: int, hello: Hello, received_at: float) -> None:
        """A new conversation: what an earlier probe of this node said of its tables no longer counts.

        Its values stay as old as they are until the first report.
        """
        self._tables[node], self._generations[node] = {}, -1
        self._details[node] = NodeDetail(hello=hello)
        if self._boots[node] not in ("", hello.boot_id):
            for columns in self._columns.values():
                columns.rebooted(columns.register.rows_of(node))
        self._boots[node] = hello.boot_id
        self._skew[node] = hello.at - received_at  # until it is measured
        self._put_node_text(node, "hostname", hello.node)
        self._put_node_text(node, "boot_id", hello.boot_id)

    def schema(self, node: int, schema: Schema) -> None:
        """What the node tells from now on; a full report follows, and until then nothing of it is known any more.

        Raises StreamError (FLOOD) for more subjects than any hardware has, also where they come one after the other:
        partitions that come and go all day are no flood, since those that are long gone make room.
        """
        ours = [(Scope(name), table) for name, table in schema.tables.items() if name in _SCOPES]
        spare = {scope: self._spare(node, scope, table) for scope, table in ours}
        self._tables[node] = {scope: self._map(node, scope, table, spare[scope]) for scope, table in ours}
        self._generations[node] = schema.generation
        for scope in NODE_SCOPES:
            self._forget(node, scope)
        self._count_accelerators(node)

    def _count_accelerators(self, node: int) -> None:
        """How many the node names. That it has none is known once all who could name one have looked."""
        table = self._tables[node].get(Scope.ACCELERATOR)
        named = len(set(table.rows.tolist())) if table else 0
        why = Missing.NO if named else no_accelerators(self._details[node].samplers)
        if why is Missing.NO:
            self._put_node(node, "accelerators", named)
        else:
            self._columns[Scope.NODE].put_one_missing(node, "accelerators", why)

    def _spare(self, node: int, scope: Scope, table: Table) -> list[int]:
        """The rows that must get other owners so that this table fits. Raises StreamError (FLOOD)."""
        columns = self._columns[scope]
        ever = columns.register.keys_of(node).union(table.keys)
        more, keys = max(0, len(ever) - SUBJECTS_PER_NODE), columns.register.roster().keys
        gone = columns.gone(node, self._now() - GONE_SECONDS) if more else []
        named = set(table.keys)
        spare = [row for row in gone if keys[row] not in named][:more]
        if max(len(table.keys), len(ever) - len(spare)) > SUBJECTS_PER_NODE or len(table.metrics) > METRICS_PER_TABLE:
            subjects = max(len(table.keys), len(ever))
            text = f"{subjects} subjects × {len(table.metrics)} metrics in table {scope.value!r}"
            raise StreamError(Problem.FLOOD, text)
        return spare

    def _map(self, node: int, scope: Scope, table: Table, spare: Sequence[int]) -> TableMap:
        if spare:
            self._columns[scope].blank(spare)
            self._history.forget(scope, spare)
            self._counters.forget(scope, spare)
        keys = [""] * len(table.keys) if scope is Scope.NODE else table.keys
        return TableMap(scope, table, self._columns[scope].register.rows_for(node, keys, spare))

    def _forget(self, node: int, scope: Scope) -> None:
        """No cell is current until it is told anew; rows that the node no longer names are lost, never removed."""
        columns, table = self._columns[scope], self._tables[node].get(scope)
        named = table.rows if table else np.empty(0, np.int32)
        rows = np.array([node], np.int32) if scope is Scope.NODE else distinct(named)
        reasons = table.untold[_TOLD[scope]] if table else np.full(len(_TOLD[scope]), Missing.UNSUPPORTED, np.int8)
        columns.put_missing(
            np.repeat(rows, len(reasons)), np.tile(_TOLD[scope], len(rows)), np.tile(reasons, len(rows))
        )
        if scope is not Scope.NODE:
            columns.list_rows(node, rows, self._now())

    def report(self, node: int, report: Report, received_at: float) -> None:
        """Raises StreamError (GARBAGE) where the report doesn't fit the schema."""
        if report.generation != self._generations[node]:
            text = f"a report of schema {report.generation}, but the schema is {self._generations[node]}"
            raise StreamError(Problem.GARBAGE, text)
        for scope, table in self._tables[node].items():
            cells = report.cells.get(scope)
            if cells is not None:
                self._apply(scope, table, cells, received_at)
            if report.full:
                self._columns[scope].put_missing(*table.left_out(cells or Cells()))
        self._heard_at[node] = received_at
        if self._tells_places(node, report):
            self._events.own(node, lambda device: self._owner(node, device))
        for event in report.events:
            self._events.add(node, event, event.at - self._skew[node], self._owner(node, event.device))
        if report.samplers or report.notes or report.details or report.full:
            self._details[node] = _remembered(self._details[node], report)
        if report.samplers:
            self._count_accelerators(node)

    def _tells_places(self, node: int, report: Report) -> bool:
        """Whether it says where an accelerator is: what came before it of that address has found its owner."""
        cells = report.cells.get(Scope.ACCELERATOR)
        if cells is None or not cells.xp:
            return False
        table = self._tables[node].get(Scope.ACCELERATOR)
        return table is not None and table.tells("bus_id", cells.xp)

    def _owner(self, node: int, device: str) -> str:
        """Key of the accelerator at a PCI address, "" where there is none: sources name one device differently."""
        place = pci.slot(device)
        columns, text = self._columns[Scope.ACCELERATOR], self._vocabulary.texts
        for row in columns.register.rows_of(node) if place else ():
            bus_id, parent = (int(columns.last(row, name)) for name in ("bus_id", "partition_of"))
            if bus_id > 0 and parent <= 0 and pci.slot(text[bus_id]) == place:
                return columns.register.roster().keys[row]
        return ""

    def _apply(self, scope: Scope, table: TableMap, cells: Cells, at: float) -> None:
        columns = self._columns[scope]
        try:
            if cells.p and table.fits(cells):
                columns.tell(table.meaning, table.rows, cells.p, cells.v, at)
            elif cells.p:
                columns.put(*table.numbers(cells.p, cells.v), at)
            if cells.xp:
                columns.put(*table.texts(cells.xp, [self._vocabulary.code(text) for text in cells.x]), at)
            if cells.mp:
                columns.put_missing(*table.reasons(cells.mp, cells.mc))
        except (IndexError, ValueError, OverflowError) as error:
            raise StreamError(Problem.GARBAGE, f"cells outside of the {scope.value} table: {error}") from error

    def _count(self, scope: Scope, counts: Sequence[Count], at: float) -> None:
        self._counters.note(scope, counts, at, self._columns[scope].any_above_zero)

    def clock(self, node: int, skew_seconds: float, round_trip_seconds: float) -> None:
        self._skew[node] = skew_seconds
        self._put_node(node, "skew", skew_seconds)
        self._put_node(node, "round_trip", round_trip_seconds)

    # -- what everybody else sees

    def tick(self) -> None:
        """Append one second to the history. Called once a second by the owner of the fleet's thread."""
        live = self._live()
        for scope in NODE_SCOPES:
            columns, names = self._columns[scope], self._history.trended(scope)
            if names:
                kept = self._rails.rows(columns.told("kind"), self._vocabulary.texts) if scope is Scope.LINK else None
                self._history.append(scope, {name: columns.current(name, live, kept) for name in names}, kept)

    def frame(self) -> Frame:
        """The picture of now. It shares with the last one what nobody told anything of in between."""
        self._frames += 1
        if len(self._vocabulary) > TEXTS_KEPT + 2 * self._cells_of_text():
            self._renew_vocabulary()
        live = self._live()
        views = {scope: self._view(scope, live) for scope in NODE_SCOPES}
        views[Scope.NODE].own("age", *self._ages())
        return Frame(
            number=self._frames,
            at=self._now(),
            specs=self.specs,
            node_index=self._node_index,
            statuses=tuple(self._statuses),
            live=live,
            detail=tuple(self._details),
            nodes=views[Scope.NODE],
            accelerators=views[Scope.ACCELERATOR],
            links=views[Scope.LINK],
            services=views[Scope.SERVICE],
            history=self._history,
            counters=self._counters,
            events=self._events,
        )

    def _live(self) -> NDArray[np.bool_]:
        return self._connected & (self._now() - self._heard_at <= self._stale_after_seconds)

    def _ages(self) -> tuple[Floats, Codes]:
        """By node: age of its newest sample in seconds, to the millisecond, and why it has none."""
        heard = self._heard_at > 0
        ages = np.where(heard, np.maximum(0.0, self._now() - self._heard_at).round(3), np.nan)
        return ages, np.where(heard, np.int8(Missing.NO), np.int8(Missing.NOT_YET))

    def _view(self, scope: Scope, live: NDArray[np.bool_]) -> View:
        columns = self._columns[scope]
        pictures, unlisted = columns.pictures(), columns.unlisted()
        return View(scope, columns.register.roster(), pictures, unlisted, live, self._vocabulary.texts)

    def _cells_of_text(self) -> int:
        return sum(columns.register.count * _TEXTS[scope] for scope, columns in self._columns.items())

    def _renew_vocabulary(self) -> None:
        """Leave behind the texts that no row uses any more (users and commands of jobs long gone)."""
        old, new = self._vocabulary, Vocabulary()
        for columns in self._columns.values():
            columns.recode(lambda code: new.code(old.texts[code]))
        self._vocabulary = new


_SCOPES = {scope.value for scope in NODE_SCOPES}
_HELLO = ("hostname", "boot_id")
_TEXTS = {scope: sum(metric.kind is Kind.TEXT for metric in table.values()) for scope, table in CATALOGUE.items()}
# columns that a schema begins anew: not what the console knows or reckons, nor what the hello said
_TOLD: Mapping[Scope, Places] = {
    scope: np.array(
        [
            COLUMNS[scope][name]
            for name in table
            if name not in CONSOLE_OWNED[scope] and name not in DERIVED[scope] and name not in _HELLO
        ],
        np.int16,
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
