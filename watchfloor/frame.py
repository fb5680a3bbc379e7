"""A frame: the immutable picture of the fleet at one tick. All that screens, checks and queries ever see.

Arrays of a frame belong to it alone and are never written after it was made. Columns are cut out of the picture when
they are first asked for, and kept: most readers want a handful.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Codes, Floats, Rows
from watchfloor.history import CounterLog, History
from watchfloor.metrics import CATALOGUE, COLUMNS, Kind
from watchfloor.model import Finding, Missing, NodeSpec, NodeStatus, Scope, State, Subject
from watchfloor.report import Hello, SamplerStatus


@dataclass(frozen=True, slots=True)
class Cell:
    """One value as a screen sees it: `value` is the last known (None: never), `missing` says whether it is current."""

    value: float | str | None
    missing: Missing = Missing.NO


class View:
    """One scope of a frame: `count` rows, every metric of the catalogue a column."""

    def __init__(
        self, scope: Scope, keys: Sequence[str], node: Rows, values: Floats, missing: Codes, texts: Sequence[str]
    ) -> None:
        self.scope = scope
        self.count = len(values)
        self.keys = keys  # may be longer than count: rows that a later frame has
        self.node = node  # index of each row's node
        self.values = values  # [row, column], last known
        self.missing = missing  # [row, column], watchfloor.model.Missing
        self.texts = texts  # text of each code
        self._numbers: dict[str, Floats] = {}
        self._codes: dict[str, NDArray[np.intp]] = {}

    def known(self, name: str) -> Floats:
        """Current values of one numeric metric (codes where it is a text), NaN where missing. Raises KeyError."""
        column = self._numbers.get(name)
        if column is None:
            at = COLUMNS[self.scope][name]
            column = self._numbers[name] = np.where(self.missing[:, at] == Missing.NO, self.values[:, at], np.nan)
        return column

    def codes(self, name: str) -> NDArray[np.intp]:
        """Current codes of one text metric (the text is `texts[code]`), -1 where missing. Raises KeyError."""
        codes = self._codes.get(name)
        if codes is None:
            codes = self._codes[name] = np.nan_to_num(self.known(name), nan=-1.0).astype(np.intp)
        return codes

    def last(self, name: str) -> Floats:
        """Last known values of one metric, however old; NaN where there never was one."""
        return self.values[:, COLUMNS[self.scope][name]]

    def reasons(self, name: str) -> Codes:
        return self.missing[:, COLUMNS[self.scope][name]]

    def cell(self, row: int, name: str) -> Cell:
        at = COLUMNS[self.scope][name]
        value, missing = float(self.values[row, at]), Missing(int(self.missing[row, at]))
        if value != value:
            return Cell(None, missing if missing is not Missing.NO else Missing.NOT_YET)
        if CATALOGUE[self.scope][name].kind is Kind.TEXT:
            return Cell(self.texts[int(value)], missing)
        return Cell(value, missing)

    def text(self, row: int, name: str) -> str:
        """The last known text of a text metric, "" where there never was one."""
        value = self.values[row, COLUMNS[self.scope][name]]
        return self.texts[int(value)] if value == value else ""

    @cached_property
    def states(self) -> NDArray[np.int8]:
        """watchfloor.model.State of each row."""
        return np.nan_to_num(self.last("state"), nan=State.UNKNOWN).astype(np.int8)


@dataclass(frozen=True, slots=True)
class NodeDetail:
    """What is known of one node beyond the columns. Replaced as a whole, so a frame may hold on to it."""

    hello: Hello | None = None
    samplers: Mapping[str, SamplerStatus] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)  # "accelerator.temp_mem" -> the driver's words
    details: Mapping[str, bytes] = field(default_factory=dict)  # watchfloor.report.decode_detail reads one


@dataclass(frozen=True)
class Frame:
    """The fleet at `at` (console time, seconds since the epoch). Row i of `nodes` is node i of `specs`."""

    number: int
    at: float
    specs: Sequence[NodeSpec]
    statuses: Sequence[NodeStatus]
    live: NDArray[np.bool_]  # by node: its values are current
    detail: Sequence[NodeDetail]
    nodes: View
    accelerators: View
    links: View
    history: History
    counters: CounterLog
    findings: tuple[Finding, ...] = ()
    replay: bool = False  # drawn from a recording

    def view(self, scope: Scope) -> View:
        if scope is Scope.ACCELERATOR:
            return self.accelerators
        return self.nodes if scope is Scope.NODE else self.links

    def rows_of(self, scope: Scope, node: int) -> NDArray[np.intp]:
        """Rows of one node in a scope, in the order in which its probe names them."""
        view = self.view(scope)
        start, stop = np.searchsorted(self._by_node(scope)[0], [node, node + 1])
        return self._by_node(scope)[1][start:stop] if view.count else np.empty(0, np.intp)

    def _by_node(self, scope: Scope) -> tuple[Rows, NDArray[np.intp]]:
        cache = self.__dict__.setdefault("_order", {})
        if scope not in cache:
            node = self.view(scope).node
            order = np.argsort(node, kind="stable")
            cache[scope] = (node[order], order)
        return cache[scope]

    @cached_property
    def node_index(self) -> Mapping[str, int]:
        return {spec.name: index for index, spec in enumerate(self.specs)}

    def subject(self, scope: Scope, row: int) -> Subject:
        view = self.view(scope)
        return Subject(scope, self.specs[int(view.node[row])].name, view.keys[row])

    def row(self, subject: Subject) -> int | None:
        """The row of a subject, None where this frame doesn't have it."""
        node = self.node_index.get(subject.node)
        if node is None:
            return None
        if subject.scope is Scope.NODE:
            return node
        rows = self._rows_by_key.get((subject.scope, node))
        if rows is None:
            keys = self.view(subject.scope).keys
            rows = {str(keys[row]): row for row in self.rows_of(subject.scope, node).tolist()}
            self._rows_by_key[subject.scope, node] = rows
        return rows.get(subject.key)

    @cached_property
    def _rows_by_key(self) -> dict[tuple[Scope, int], dict[str, int]]:
        """Filled node by node, as they are asked of: findings may be about every subject of a large fleet."""
        return {}

    def with_findings(self, findings: Sequence[Finding]) -> Frame:
        """This frame with findings; every subject's `state` becomes its worst. For its maker, before anybody reads."""
        for scope in Scope:
            _set_states(self, scope, [finding for finding in findings if finding.subject.scope is scope])
        return replace(self, findings=tuple(findings))


def _set_states(frame: Frame, scope: Scope, findings: Sequence[Finding]) -> None:
    view, column = frame.view(scope), COLUMNS[scope]["state"]
    heard = frame.live[view.node]
    if scope is Scope.ACCELERATOR:  # behind a hung driver nothing is known of a board, though its node is well
        heard = heard & (view.reasons("util") != Missing.TIMED_OUT)
    view.values[:, column] = np.where(heard, State.OK, State.UNKNOWN)
    view.missing[:, column] = Missing.NO
    for finding in findings:
        rows = [frame.row(subject) for subject in (finding.subject, *finding.others)]
        worse = [row for row in rows if row is not None]
        view.values[worse, column] = np.maximum(view.values[worse, column], int(finding.state))
