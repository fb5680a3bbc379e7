"""The fleet page: a heat map of all accelerators by rack, over a table of accelerators or nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size

from tui.base import Desk, hint_line
from tui.commands import Command, one_of
from tui.messages import Drill
from tui.present.accelerators import AcceleratorTable
from tui.present.choice import Choice, Rows, Sort
from tui.present.fields import ACCELERATOR_FIELDS, NODE_FIELDS, Field, columns_for, longest_text
from tui.present.fleetmap import DRAWABLE, FleetMap, Places, next_metric, places
from tui.present.line import Line
from tui.present.nodes import NodeTable
from tui.present.style import Token
from tui.sorted import SortedPage, letters
from tui.widgets.drawn import give_height
from tui.widgets.heatmap import HeatMap
from tui.widgets.table import VirtualTable
from watchfloor.errors import QueryError
from watchfloor.frame import Frame
from watchfloor.model import NodeSpec, Scope, Subject
from watchfloor.ports import Concern

_MAP_SHARE = 0.4  # of the page's height, at most
_WIDE = 100  # columns from which the status bar has room for whole sentences beside the keys
_FIELDS = {Rows.ACCELERATORS: ACCELERATOR_FIELDS, Rows.NODES: NODE_FIELDS}


def _kinds_of_rows() -> Sequence[str]:
    return list(Rows)


class FleetPage(SortedPage):
    slug = "fleet"
    key = "1"
    help_text = (
        "Every accelerator of the fleet, by rack, coloured by one metric; below it the same accelerators as a table. "
        "A filter thins out both. Nodes that can't be read keep their rows, with their last values and the reason."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "rows", "rows: accelerators or nodes"),
        Binding("m", "metric", "next metric of the map"),
        Binding("M", "ask('metric ')", "pick the metric of the map", priority=True),
        Binding("s", "ask('sort ')", "pick the column to sort by", priority=True),
        Binding("u", "unmark", "remove all marks"),
        *letters((*ACCELERATOR_FIELDS, *NODE_FIELDS)),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.choice = Choice()
        self._places: Places | None = None
        self._measured: tuple[Places | None, Size] | None = None
        self._named: tuple[Sequence[NodeSpec], int] = ((), 0)  # specs, and the length of their longest name

    def compose_body(self) -> ComposeResult:
        yield HeatMap(palette=self.desk.palette, id="map")
        yield VirtualTable(palette=self.desk.palette, empty="nothing passes the filter", marks=True, id="table")
        yield from self.compose_filter()

    def on_mount(self) -> None:
        self.query_one("#map").display = False
        self.table.focus()

    @property
    def table(self) -> VirtualTable:
        return self.query_one("#table", VirtualTable)

    @property
    def map(self) -> HeatMap:
        return self.query_one("#map", HeatMap)

    # -- drawing

    def show(self, frame: Frame) -> None:
        self._show_map(frame)
        self._show_table(frame)

    def _show_map(self, frame: Frame) -> None:
        heat = self.map
        heat.display = frame.accelerators.count > 0
        if not heat.display:
            return
        self._places = places(frame, self._places)
        heat.show(FleetMap(frame, self._places, self.choice.metric, self.passed(frame)))
        self._give_height()

    def _give_height(self) -> None:
        """The lines that the map needs: asked again only where the fleet or the screen has another size."""
        measured = (self._places, self.size)
        if measured == self._measured:
            return
        self._measured = measured
        lines = self.map.lines_wanted(max(3, int(self.size.height * _MAP_SHARE)), self.size.width - 2)
        give_height(self.map, lines)

    def _show_table(self, frame: Frame) -> None:
        rows = self.rows_shown(frame)
        boards, room = frame.accelerators, self.size.width // 8  # a job's name may be long: others want room, too
        texts = {"name": longest_text(boards, "name"), "job": min(longest_text(boards, "job"), room)}
        longest = {"node": self._longest_name(frame), **texts}
        columns = columns_for(_FIELDS[rows], self.size.width - 1, longest)
        kind = AcceleratorTable if rows is Rows.ACCELERATORS else NodeTable
        self.table.show(kind(frame, columns, self.choice, self.passed(frame), glyphs=self.desk.palette.glyphs))

    def _longest_name(self, frame: Frame) -> int:
        if self._named[0] is not frame.specs:
            self._named = frame.specs, max((len(spec.name) for spec in frame.specs), default=0)
        return self._named[1]

    def rows_shown(self, frame: Frame) -> Rows:
        """A fleet without accelerators has only nodes to show."""
        return self.choice.rows if frame.accelerators.count else Rows.NODES

    def choose(self, choice: Choice) -> None:
        """Take a new choice and draw it at once."""
        self.choice = choice
        self.redraw()

    def facts(self) -> Sequence[Line]:
        frame = self.desk.frame
        if frame is None:
            return ()
        found, rows = [self.filter_fact(frame)], self.rows_shown(frame)
        sort, glyphs = self.choice.sort, self.desk.palette.glyphs
        arrow = glyphs.descending if sort.descending else glyphs.ascending
        found.append([(f"{rows} by ", Token.DIM), (sort.column, Token.TEXT), (f" {arrow}", Token.ACCENT)])
        if self.choice.marks:
            found.append([(f"{len(self.choice.marks)} marked", Token.MARK)])
        if not frame.accelerators.count and all(spec.local for spec in frame.specs):
            why = "no accelerators on this machine; see " if self.size.width >= _WIDE else "see "  # keys need room too
            found.append([(why, Token.DIM), ("watchfloor demo", Token.ACCENT)])
        return found

    def hints(self) -> Line:
        return hint_line("?", "help", "/", "filter", "t", "rows", "m", "metric", "Enter", "node", "q", "quit")

    # -- moving and marking

    def concern(self) -> Concern | None:
        return self.concern_of(self.desk.selected)

    def show_selected(self) -> None:
        selected = self.desk.selected
        if selected is not None:
            self.table.select(selected)
            self.map.select(selected)

    @on(VirtualTable.Highlighted, "#table")
    def _follow_table(self, event: VirtualTable.Highlighted) -> None:
        if isinstance(event.identity, Subject) and not self.map.has_focus:
            self.desk.selected = event.identity
            self.map.select(event.identity)

    @on(HeatMap.Highlighted, "#map")
    def _follow_map(self, event: HeatMap.Highlighted) -> None:
        if isinstance(event.identity, Subject) and self.map.has_focus:
            self.desk.selected = event.identity
            self.table.select(event.identity)

    @on(VirtualTable.Chosen, "#table")
    @on(HeatMap.Chosen, "#map")
    def _drill(self, event: VirtualTable.Chosen | HeatMap.Chosen) -> None:
        if isinstance(event.identity, Subject):
            self.post_message(Drill(event.identity))

    @on(VirtualTable.Marked, "#table")
    def _mark(self, event: VirtualTable.Marked) -> None:
        if isinstance(event.identity, Subject):
            self.choose(replace(self.choice, marks=self.choice.marks ^ {event.identity}))

    def action_unmark(self) -> None:
        self.choose(replace(self.choice, marks=frozenset()))

    # -- sorting

    def fields(self) -> Sequence[Field]:
        rows = self.rows_shown(self.desk.frame) if self.desk.frame else self.choice.rows
        return _FIELDS[rows]

    @property
    def order(self) -> Sort:
        return self.choice.sort

    def take_order(self, order: Sort) -> None:
        self.choose(replace(self.choice, sort=order))

    # -- rows and metric

    def action_rows(self) -> None:
        rows = Rows.NODES if self.choice.rows is Rows.ACCELERATORS else Rows.ACCELERATORS
        here = self.table.cursor
        known = any(field.name == self.choice.sort.column for field in _FIELDS[rows])
        self.choose(replace(self.choice, rows=rows, sort=self.choice.sort if known else Sort("state")))
        if isinstance(here, Subject):
            self.table.select(self._same_place(here, rows))

    def _same_place(self, here: Subject, rows: Rows) -> Subject:
        """The node of an accelerator, or the first accelerator of a node."""
        frame = self.desk.frame
        if rows is Rows.NODES or frame is None or here.scope is not Scope.NODE:
            return Subject(Scope.NODE, here.node) if rows is Rows.NODES else here
        boards = frame.rows_of(Scope.ACCELERATOR, frame.node_index[here.node])
        return frame.subject(Scope.ACCELERATOR, int(boards[0])) if boards.size else here

    def action_metric(self) -> None:
        self.choose(replace(self.choice, metric=next_metric(self.choice.metric)))

    def go_back(self) -> bool:
        """Esc: the filter first, then the marks."""
        if super().go_back():
            return True
        marked = bool(self.choice.marks)
        self.action_unmark()
        return marked

    # -- commands

    def own_commands(self) -> Sequence[Command]:
        return [
            Command("fleet", "the fleet page", lambda _: self.desk.go(self.slug, None)),
            Command("filter", "show only what passes", self._command_filter, argument="QUERY"),
            Command("sort", "sort by a column", self._here(self._command_sort), self._sortable, "COLUMN"),
            Command("metric", "colour the map by a metric", self._here(self._command_metric), lambda: DRAWABLE, "NAME"),
            Command("rows", "rows of accelerators or of nodes", self._here(self._command_rows), _kinds_of_rows, "KIND"),
        ]

    def _here(self, act: Callable[[str], None]) -> Callable[[str], None]:
        """Do it, then come to this page."""

        def act_here(argument: str) -> None:
            act(argument)
            self.desk.go(self.slug, None)

        return act_here

    def _sortable(self) -> Sequence[str]:
        return [field.name for field in self.fields() if field.name != "note"]

    def _command_filter(self, text: str) -> None:
        """Raises QueryError, with the column within the whole command."""
        try:
            self.take_filter(text)
        except QueryError as error:
            offset = len("filter ")
            raise QueryError(error.message, error.advice, query=text, column=error.column + offset) from error
        self.desk.go(self.slug, None)

    def _command_sort(self, text: str) -> None:
        self.sort_by(one_of(text, self._sortable(), "column"))

    def _command_metric(self, text: str) -> None:
        self.choose(replace(self.choice, metric=one_of(text, DRAWABLE, "metric to draw")))

    def _command_rows(self, text: str) -> None:
        if Rows(one_of(text, list(Rows), "kind of row")) is not self.choice.rows:
            self.action_rows()
