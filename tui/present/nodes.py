"""The table of nodes: one row a node, with its accelerators summed up beside its own figures."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property

import numpy as np

from tui.present.choice import Choice, Passed
from tui.present.format import Text, value
from tui.present.notes import node_note, worst_findings
from tui.present.order import arrange, keys_of
from tui.present.rows import Column
from tui.present.style import UNICODE, Glyphs, Token
from watchfloor.columns import Floats
from watchfloor.frame import Cell, Frame
from watchfloor.metrics import CATALOGUE, Metric
from watchfloor.model import Finding, Missing, Scope, Subject

_METRICS = CATALOGUE[Scope.NODE]
_BOARD = CATALOGUE[Scope.ACCELERATOR]
# column -> the accelerators' metric that it sums up
_SUMMED: Mapping[str, str] = {"util": "util", "mem_share": "mem", "temp": "temp", "power": "power"}


def summed_up(frame: Frame, column: str) -> Floats:
    """One figure a node from its accelerators' current values: mean of shares, highest temperature, sum of power.

    NaN for a node of which no accelerator has a value.
    """
    boards = frame.accelerators
    values = boards.known(_SUMMED[column])
    known = values == values
    nodes, values = boards.node[known], values[known]
    count = np.bincount(nodes, minlength=frame.nodes.count)
    if column == "temp":
        highest = np.full(frame.nodes.count, -np.inf)
        np.maximum.at(highest, nodes, values)
        return np.where(count > 0, highest, np.nan)
    total = np.bincount(nodes, weights=values, minlength=frame.nodes.count)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total if column == "power" else total / count, np.nan)


class NodeTable:
    """Implements TableModel. A row's code is its node's index."""

    def __init__(
        self,
        frame: Frame,
        columns: Sequence[Column],
        choice: Choice,
        passed: Passed | None = None,
        glyphs: Glyphs = UNICODE,
    ) -> None:
        self.columns = columns
        self.sort = (choice.sort.column, choice.sort.descending)
        self._frame, self._choice, self._glyphs = frame, choice, glyphs
        rows = np.arange(frame.nodes.count) if passed is None else np.flatnonzero(passed.nodes)
        self._sums: dict[str, Floats] = {}
        self._order = arrange(rows, self._keys(), choice.sort.descending)

    def _keys(self) -> Floats | None:
        name = self._choice.sort.column
        if name in _SUMMED:
            return self._sum(name)
        if name == "state":
            return self._frame.nodes.states.astype(np.float64)
        name = "name" if name == "node" else name
        return keys_of(self._frame.nodes, name) if name in _METRICS else None

    def _sum(self, column: str) -> Floats:
        if column not in self._sums:
            self._sums[column] = summed_up(self._frame, column)
        return self._sums[column]

    @property
    def count(self) -> int:
        return len(self._order)

    def identity(self, index: int) -> Subject:
        return Subject(Scope.NODE, self._frame.specs[int(self._order[index])].name)

    def index_of(self, identity: Hashable) -> int | None:
        node = self._frame.node_index.get(identity.node) if isinstance(identity, Subject) else None
        if node is None:
            return None
        found = np.flatnonzero(self._order == node)
        return int(found[0]) if found.size else None

    def marked(self, index: int) -> bool:
        return bool(self._choice.marks) and self.identity(index) in self._choice.marks

    @cached_property
    def _worst(self) -> Mapping[Subject, Finding]:
        return worst_findings(self._frame)

    def cells(self, index: int) -> Sequence[Text]:
        node = int(self._order[index])
        return [self._cell(node, column) for column in self.columns]

    def _cell(self, node: int, column: Column) -> Text:
        frame = self._frame
        if column.name == "note":
            return node_note(frame, node, self._worst)
        if column.name in ("node", "rack"):
            token = Token.TEXT if frame.live[node] else Token.STALE
            return frame.nodes.text(node, "name" if column.name == "node" else "rack"), token
        if column.name in _SUMMED:
            return self._summed_cell(node, column)
        return value(frame.nodes.cell(node, column.name), _METRICS[column.name], column.width, self._glyphs)

    def _summed_cell(self, node: int, column: Column) -> Text:
        total = float(self._sum(column.name)[node])
        metric: Metric = _BOARD[_SUMMED[column.name]]
        if total == total:
            return value(Cell(total), metric, column.width, self._glyphs)
        rows = self._frame.rows_of(Scope.ACCELERATOR, node)
        if not rows.size:
            return "-", Token.DIM
        reason = Missing(int(self._frame.accelerators.reasons(metric.name)[rows[0]]))
        return value(Cell(None, reason), metric, column.width, self._glyphs)
