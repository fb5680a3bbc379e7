"""The table of accelerators: a frame and the operator's choice in, rows of texts and tokens out, visible rows only."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property

import numpy as np

from tui.present.choice import Choice, Passed
from tui.present.format import Text, value
from tui.present.notes import accelerator_note, node_note, own_note, worst_findings
from tui.present.order import Order, arrange, keys_of
from tui.present.rows import Column
from tui.present.style import STATE_TOKENS, UNICODE, Glyphs, Token
from watchfloor.columns import Floats
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Finding, Scope, State, Subject

_METRICS = CATALOGUE[Scope.ACCELERATOR]
_OF_NODE = {"node": "name", "rack": "rack"}


class AcceleratorTable:
    """Implements TableModel. A node without any accelerator (unreachable, or a plain host) keeps one row of its own.

    A row's code is its accelerator's row in the frame, or `accelerators.count + node` for such a node.
    """

    def __init__(
        self,
        frame: Frame,
        columns: Sequence[Column],
        choice: Choice,
        passed: Passed | None = None,
        within: int | None = None,
        glyphs: Glyphs = UNICODE,
    ) -> None:
        """`within` is the index of the one node to show; None shows the fleet."""
        self.columns = columns
        self.sort = (choice.sort.column, choice.sort.descending)
        self._frame, self._choice, self._glyphs = frame, choice, glyphs
        self._boards = frame.accelerators.count
        self._of_fleet = within is None  # beside one node alone stands what is the matter with it
        rows = self._fleet_rows(passed) if within is None else frame.rows_of(Scope.ACCELERATOR, within)
        self._order = arrange(rows, self._keys(), choice.sort.descending)

    def _fleet_rows(self, passed: Passed | None) -> Order:
        frame = self._frame
        held = np.bincount(frame.accelerators.node, minlength=frame.nodes.count)
        bare = np.flatnonzero(held == 0)
        codes = np.concatenate([np.arange(self._boards), self._boards + bare])
        nodes = np.concatenate([frame.accelerators.node, bare])
        if passed is not None:
            kept = np.concatenate([passed.accelerators, passed.nodes[bare]])
            codes, nodes = codes[kept], nodes[kept]
        return codes[np.argsort(nodes, kind="stable")]

    def _keys(self) -> Floats | None:
        """One sort key for each possible code."""
        name, frame = self._choice.sort.column, self._frame
        of_node = np.full(frame.nodes.count, np.nan)
        if name in _OF_NODE:
            of_node = keys_of(frame.nodes, _OF_NODE[name])
            return np.concatenate([of_node[frame.accelerators.node], of_node])
        if name == "state":
            return np.concatenate([frame.accelerators.states, frame.nodes.states]).astype(np.float64)
        if name not in _METRICS:
            return None
        return np.concatenate([keys_of(frame.accelerators, name), of_node])

    @property
    def count(self) -> int:
        return len(self._order)

    def identity(self, index: int) -> Subject:
        code = int(self._order[index])
        if code < self._boards:
            return self._frame.subject(Scope.ACCELERATOR, code)
        return Subject(Scope.NODE, self._frame.specs[code - self._boards].name)

    def index_of(self, identity: Hashable) -> int | None:
        row = self._frame.row(identity) if isinstance(identity, Subject) else None
        if row is None or not isinstance(identity, Subject):
            return None
        code = row if identity.scope is Scope.ACCELERATOR else self._boards + row
        found = np.flatnonzero(self._order == code)
        return int(found[0]) if found.size else None

    def marked(self, index: int) -> bool:
        return bool(self._choice.marks) and self.identity(index) in self._choice.marks

    def cells(self, index: int) -> Sequence[Text]:
        code = int(self._order[index])
        if code < self._boards:
            return [self._cell(code, column) for column in self.columns]
        return [self._bare_cell(code - self._boards, column) for column in self.columns]

    @cached_property
    def _worst(self) -> Mapping[Subject, Finding]:
        return worst_findings(self._frame)

    def _cell(self, row: int, column: Column) -> Text:
        frame = self._frame
        node = int(frame.accelerators.node[row])
        if column.name == "note":
            return (accelerator_note if self._of_fleet else own_note)(frame, row, self._worst)
        if column.name in _OF_NODE:
            token = Token.TEXT if frame.live[node] else Token.STALE
            return frame.nodes.text(node, _OF_NODE[column.name]), token
        if column.name == "name":
            token = Token.TEXT if frame.live[node] else Token.STALE
            return frame.accelerators.text(row, "name") or frame.accelerators.keys[row], token
        return value(frame.accelerators.cell(row, column.name), _METRICS[column.name], column.width, self._glyphs)

    def _why_bare(self, node: int) -> str:
        """That it has none is known once all that could name one have looked."""
        counted = self._frame.nodes.cell(node, "accelerators")
        return f"accelerators {counted.missing.label}" if counted.missing else "no accelerators"

    def _bare_cell(self, node: int, column: Column) -> Text:
        frame = self._frame
        if column.name == "state":
            state = State(int(frame.nodes.states[node]))
            return self._glyphs.states[state], STATE_TOKENS[state]
        if column.name in _OF_NODE:
            token = Token.TEXT if frame.live[node] else Token.STALE
            return frame.nodes.text(node, _OF_NODE[column.name]), token
        if column.name == "note":
            words, token = node_note(frame, node, self._worst)
            return (words, token) if words else (self._why_bare(node), Token.DIM)
        return "", Token.DIM
