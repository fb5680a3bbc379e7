"""The node page: one node with its accelerators, their history, its own figures, processes, links, and all the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.widget import Widget

from tui.base import Desk, Page, hint_line
from tui.commands import Command, one_of
from tui.present.accelerators import AcceleratorTable
from tui.present.choice import Choice, Sort
from tui.present.fields import ACCELERATOR_FIELDS, columns_for, longest_text
from tui.present.host import host_lines
from tui.present.identity import brief_lines, identity_lines
from tui.present.line import Line, Piece
from tui.present.links import LINK_FIELDS, LinkTable
from tui.present.panels import everything_list, process_list
from tui.present.services import service_list
from tui.present.style import Token
from tui.present.trends import plots
from tui.widgets.chart import Chart
from tui.widgets.drawn import give_height
from tui.widgets.lines import Lines
from tui.widgets.table import VirtualTable
from watchfloor.fabric import Surveyor
from watchfloor.frame import Frame
from watchfloor.model import Scope, Subject
from watchfloor.ports import Concern

_CHARTS = 6
_SHORT, _WIDE = 36, 150  # below that many lines one panel at a time; from that many cells host figures beside it
_OF_NODE = frozenset({"node", "rack"})
_FIELDS = [field for field in ACCELERATOR_FIELDS if field.name not in _OF_NODE]
_IN_ORDER = Choice(sort=Sort("", descending=False))
_PANELS = {"charts": "c", "host": "o", "processes": "x", "links": "i", "services": "s", "everything": "e"}


class NodePage(Page):
    slug = "node"
    key = "2"
    help_text = (
        "One node: who it is, its accelerators with their last minute or half hour, its own figures, what runs on it, "
        "its links, and every metric there is, with its value or the reason why there is none."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "step(1)", "next node"),
        Binding("p", "step(-1)", "previous node"),
        Binding("z", "window", "charts over a minute or half an hour"),
        Binding("v", "turn(1)", "next panel"),
        Binding("V", "turn(-1)", "previous panel"),
        *(Binding(key, f"panel('{name}')", f"panel: {name}") for name, key in _PANELS.items()),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.panel = "charts"
        self.half_hour = False
        self._surveyor = Surveyor()
        self._shown: tuple[str, ...] = ()  # panels that can be seen now

    def compose_body(self) -> ComposeResult:
        look = self.desk.palette
        yield Lines(look, id="identity")
        yield VirtualTable(palette=look, id="boards")
        with Container(id="charts"):
            for number in range(_CHARTS):
                yield Chart(palette=look, id=f"chart{number}")
        yield Lines(look, id="tabs")
        with Horizontal(id="panels"):
            with VerticalScroll(id="host"):
                yield Lines(look, id="hostlines")
            yield VirtualTable(palette=look, empty="no process is known", id="processes")
            yield VirtualTable(palette=look, empty="no link is known", id="links")
            yield VirtualTable(palette=look, empty="no inference server is known", id="services")
            yield VirtualTable(palette=look, id="everything")

    def on_mount(self) -> None:
        self._arrange()
        self.boards.focus()

    @property
    def boards(self) -> VirtualTable:
        return self.query_one("#boards", VirtualTable)

    # -- which node, which accelerator

    def node_of(self, frame: Frame) -> int:
        """The node of the selection; the first one where nothing is selected."""
        selected = self.desk.selected
        return frame.node_index.get(selected.node, 0) if selected else 0

    def board_of(self, frame: Frame, node: int) -> int | None:
        """The accelerator whose history is drawn: a row of the frame, None where the node has none."""
        selected = self.desk.selected
        row = frame.row(selected) if selected and selected.scope is Scope.ACCELERATOR else None
        rows = frame.rows_of(Scope.ACCELERATOR, node)
        if row is not None and row in rows:
            return row
        return int(rows[0]) if rows.size else None

    def action_step(self, by: int) -> None:
        frame = self.desk.frame
        if frame is not None:
            node = (self.node_of(frame) + by) % frame.nodes.count
            self._go_to(frame, frame.specs[node].name)

    def _go_to(self, frame: Frame, name: str) -> None:
        self.desk.selected = Subject(Scope.NODE, name)
        if self.is_current:
            self.receive(frame)

    @on(VirtualTable.Highlighted, "#boards")
    def _select(self, event: VirtualTable.Highlighted) -> None:
        frame = self.desk.frame
        if isinstance(event.identity, Subject) and event.identity != self.desk.selected and self.is_current:
            self.desk.selected = event.identity
            if frame is not None:
                self._show_panels(frame)

    @on(VirtualTable.Chosen, "#boards")
    def _open_everything(self, event: VirtualTable.Chosen) -> None:
        self.action_panel("everything")

    # -- drawing

    def show(self, frame: Frame) -> None:
        if not frame.nodes.count:
            return
        node, glyphs = self.node_of(frame), self.desk.palette.glyphs
        lines, most = self.query_one("#identity", Lines), max(2, self.size.height // 4)
        if self._is_short:
            lines.show(lambda width: brief_lines(frame, node, width, glyphs, most))
        else:
            lines.show(lambda width: identity_lines(frame, node, width, glyphs))
        self._show_boards(frame, node)
        self._show_panels(frame)

    def _show_boards(self, frame: Frame, node: int) -> None:
        boards = self.boards
        count = len(frame.rows_of(Scope.ACCELERATOR, node))
        boards.display = count > 0
        height = min(count + 1, max(3, int(self.size.height * (0.3 if self._is_short else 0.4))))
        give_height(boards, height)
        view, room = frame.accelerators, self.size.width // 8  # a job's name may be long: others want room, too
        longest = {"name": longest_text(view, "name"), "job": min(longest_text(view, "job"), room)}
        columns = columns_for(_FIELDS, self.size.width - 1, longest)
        boards.show(AcceleratorTable(frame, columns, _IN_ORDER, within=node, glyphs=self.desk.palette.glyphs))
        row = self.board_of(frame, node)
        if row is not None and boards.cursor != (subject := frame.subject(Scope.ACCELERATOR, row)):
            boards.select(subject)

    def _show_panels(self, frame: Frame) -> None:
        """Fill the panels that are seen; the others are filled when they come to be."""
        node, glyphs = self.node_of(frame), self.desk.palette.glyphs
        board = self.board_of(frame, node)
        self.query_one("#tabs", Lines).show(self._tabs)
        if "charts" in self._shown:
            charts = list(self.query(Chart))
            for chart, plot in zip(charts, plots(frame, node, board, self.half_hour), strict=True):
                chart.show(plot)
        if "host" in self._shown:
            self.query_one("#hostlines", Lines).show(lambda width: host_lines(frame, node, width, glyphs))
        if "processes" in self._shown:
            self._panel("processes").show(process_list(frame, node, self._room("processes")))
        if "links" in self._shown:
            self._panel("links").show(self._links(frame, node))
        if "services" in self._shown:
            self._panel("services").show(service_list(frame, node, glyphs))
        if "everything" in self._shown:
            self._panel("everything").show(everything_list(frame, node, board, glyphs))

    def _links(self, frame: Frame, node: int) -> LinkTable:
        fields = [field for field in LINK_FIELDS if field.name not in _OF_NODE]
        columns = columns_for(fields, self._room("links"))
        survey = self._surveyor.survey(frame)
        return LinkTable(survey, columns, Sort("state"), within=node, glyphs=self.desk.palette.glyphs)

    def _room(self, name: str) -> int:
        """Cells that a panel's table has; before it was laid out, those of the page."""
        return self._panel(name).size.width or self.size.width - 1

    def _panel(self, name: str) -> VirtualTable:
        return self.query_one(f"#{name}", VirtualTable)

    def _tabs(self, width: int) -> Sequence[Line]:
        window = "half hour" if self.half_hour else "minute"
        line: list[Piece] = [(" ", Token.RULE)]
        for name, key in _PANELS.items():
            if name in self._choices():
                seen = name == self._chosen()
                line += [(f" {key} ", Token.ACCENT), (name, Token.STRONG if seen else Token.DIM), (" ", Token.RULE)]
        return [[*line, ("  z ", Token.ACCENT), (f"charts: {window}", Token.DIM)]]

    # -- panels

    def _choices(self) -> Sequence[str]:
        """The panels that one chooses from: charts stand above them where there is room for both.

        Services are one where the node has any, or where they were asked for.
        """
        absent = {name for name in ("charts",) if not self._is_short}
        if self.panel != "services" and not self._serves():
            absent.add("services")
        return [name for name in _PANELS if name not in absent]

    def _serves(self) -> bool:
        frame = self.desk.frame
        return frame is not None and frame.rows_of(Scope.SERVICE, self.node_of(frame)).size > 0

    def _chosen(self) -> str:
        return self.panel if self.panel in self._choices() else "processes" if self._is_wide else "host"

    @property
    def _is_short(self) -> bool:
        return self.size.height < _SHORT

    @property
    def _is_wide(self) -> bool:
        return self.size.width >= _WIDE and not self._is_short

    def _arrange(self) -> None:
        self.set_class(self._is_short, "short")
        self.set_class(self._is_wide, "wide")
        chosen, choices = self._chosen(), self._choices()
        above = {"charts"} if "charts" not in choices else set[str]()
        beside = {"host"} if self._is_wide else set[str]()
        self._shown = tuple(name for name in _PANELS if name in {chosen} | above | beside)
        for name in _PANELS:
            self.query_one(f"#{name}", Widget).display = name in self._shown
        self.query_one("#panels").display = self._shown != ("charts",)
        self.query_one("#charts").set_class(bool(above), "above")
        self.query_one("#charts").set_class(self.size.width < 100, "narrow")
        for number in (4, 5):
            self.query_one(f"#chart{number}").display = self.size.width >= 100 or bool(above)

    def on_resize(self) -> None:
        self._arrange()

    def action_panel(self, name: str) -> None:
        inside = self.focused is not None and self.focused is not self.boards
        self.panel = name
        self._arrange()
        if self.desk.frame is not None:
            self._show_panels(self.desk.frame)
        if inside:
            target = self.query_one(f"#{self._chosen()}", Widget)
            (target if target.focusable else self.boards).focus()

    def action_turn(self, by: int) -> None:
        choices = self._choices()
        self.action_panel(choices[(choices.index(self._chosen()) + by) % len(choices)])

    def action_window(self) -> None:
        self.half_hour = not self.half_hour
        if self.desk.frame is not None:
            self._show_panels(self.desk.frame)

    def concern(self) -> Concern | None:
        """The accelerator under the cursor; a node without any itself."""
        frame = self.desk.frame
        if frame is None or not frame.nodes.count:
            return None
        node = self.node_of(frame)
        board = self.board_of(frame, node)
        selected = self.desk.selected
        if board is None or selected is None or selected.scope is Scope.NODE:
            return self.concern_of(Subject(Scope.NODE, frame.specs[node].name))
        return self.concern_of(frame.subject(Scope.ACCELERATOR, board))

    def lineage_of(self) -> str:
        """The node's: that of one accelerator is told from the fleet page."""
        frame = self.desk.frame
        return f"node:{frame.specs[self.node_of(frame)].name}" if frame is not None and frame.nodes.count else ""

    # -- status and commands

    def hints(self) -> Line:
        return hint_line("?", "help", "n/p", "node", "v", "panel", "Tab", "focus", "Esc", "back", "q", "quit")

    def own_commands(self) -> Sequence[Command]:
        return [Command("node", "open a node", self._command_node, self._names, "NAME")]

    def _names(self) -> Sequence[str]:
        return [spec.name for spec in self.desk.frame.specs] if self.desk.frame else ()

    def _command_node(self, name: str) -> None:
        """Raises ConfigError where no node has that name."""
        subject = Subject(Scope.NODE, one_of(name, self._names(), "node")) if name else None
        self.desk.go(self.slug, subject)
