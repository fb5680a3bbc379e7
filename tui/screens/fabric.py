"""The fabric page: every link of the fleet, folded or one by one, the worst first; and one node's links as a matrix."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.geometry import Size

from tui.base import Desk
from tui.linkchoices import LinkChoices, Look
from tui.messages import Drill
from tui.present.fabric_trends import plots
from tui.present.fields import columns_for
from tui.present.folds import FoldKey, FoldTable
from tui.present.line import Line
from tui.present.link_detail import detail_lines, summary_lines
from tui.present.links import LinkTable
from tui.present.rails import RailMap, Spots, layers, spots
from tui.present.style import Token
from tui.present.topology import legend, matrix
from tui.widgets.chart import Chart
from tui.widgets.drawn import give_height, grow_height
from tui.widgets.heatmap import HeatMap
from tui.widgets.lines import Lines
from tui.widgets.table import VirtualTable
from watchfloor.columns import Mask
from watchfloor.fabric import Rows, Survey
from watchfloor.folds import Folder, Folds, Grouping, by_kind, fold
from watchfloor.frame import Frame
from watchfloor.model import Scope, Subject
from watchfloor.ports import Concern
from watchfloor.topology import Topology

_MAP_SHARE, _MATRIX_SHARE = 0.35, 0.45  # of the page's height, at most
_CHART_LINES = 8
_SUMMARY_LINES = 2
_SHORT, _TALL = 30, 36  # lines: below, no details; from there on, charts
_BESIDE_CHARTS = 27  # lines that a matrix must leave for these, for what is around them and a few links
_AT_ONCE = 50_000  # links: up to so many a frame is drawn in one go, within a few milliseconds


class FabricPage(LinkChoices):
    slug = "fabric"
    key = "3"
    help_text = (
        "Every link: NVLink, XGMI, ICI, NeuronLink, Gaudi ports, PCIe, InfiniBand, RoCE, Ethernet. Links are folded by "
        "node and kind, the worst first: down, slower than both ends can, uneven (one direction or one rail carries "
        "less than half of the other). A port that nobody ever saw up is unused, not down. The map shows rails, a line "
        "a node: a dark one stands out. The node view shows how accelerators hang together and what each link carries."
    )

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._folder = Folder()
        self._spots: Spots | None = None
        self._folds: Folds | None = None
        self._measured: tuple[Spots, Size] | None = None
        self._turns: Iterator[None] = iter(())

    def compose_body(self) -> ComposeResult:
        look = self.desk.palette
        yield Lines(look, id="summary")
        yield HeatMap(palette=look, id="railmap")
        yield VirtualTable(palette=look, id="matrix")
        yield Lines(look, id="matrixlegend")
        with Container(id="fabriccharts"):
            yield Chart(palette=look, id="fabricchart0")
            yield Chart(palette=look, id="fabricchart1")
        yield VirtualTable(palette=look, id="table")
        yield Lines(look, id="detail")
        yield from self.compose_filter()

    def on_mount(self) -> None:
        self.show_look()

    @property
    def map(self) -> HeatMap:
        return self.query_one("#railmap", HeatMap)

    # -- drawing

    def show(self, frame: Frame) -> None:
        """A new frame of a large fleet is drawn in turns, and keys that come meanwhile are answered between these."""
        self._turns = turns = self._drawing(frame)
        if frame.links.count <= _AT_ONCE or self.surveyor.knows(frame):
            deque(turns, maxlen=0)
        else:
            self._take_turn(turns)

    def _take_turn(self, turns: Iterator[None]) -> None:
        """A newer frame, or a key that has changed what is to be seen, takes the place of one that is half drawn."""
        if turns is self._turns and next(turns, self) is not self:
            self.call_later(self._take_turn, turns)

    def _drawing(self, frame: Frame) -> Iterator[None]:
        survey = self.surveyor.survey(frame)
        yield
        matching = self.matching_links(survey)
        passed = self.standing_out(survey, matching)
        self.table.empty = "no link is known" if passed is None else "nothing of this passes"
        if self.look is Look.NODE:
            self._show_node(survey, passed)
        else:
            yield
            self._show_folds(survey, passed, matching)
            yield
            self._show_map(survey, passed)
            yield
            self._show_fleet(survey, passed)
        self.show_detail(frame)

    def _show_folds(self, survey: Survey, passed: Mask | None, of_lost: Mask | None) -> None:
        glyphs = self.desk.palette.glyphs
        grouping = self.grouping if self.folded else Grouping.KIND
        self._folds = folds = fold(survey, self._folder.groups(survey, grouping), passed, of_lost)
        kinds = by_kind(folds)
        shown = _worst_first(kinds, np.flatnonzero(kinds.links))
        self.summary.show(lambda width: summary_lines(kinds, shown, width, _SUMMARY_LINES, glyphs))

    def _show_fleet(self, survey: Survey, passed: Mask | None) -> None:
        glyphs, folds = self.desk.palette.glyphs, self._folds
        columns = columns_for(self.fields(), self.size.width - 1, {"node": self._longest_place(survey)})
        if self.folded and folds is not None:
            self.table.show(FoldTable(folds, columns, self.sort, glyphs))
        else:
            self.table.show(LinkTable(survey, columns, self.sort, passed, glyphs=glyphs))

    def _show_map(self, survey: Survey, passed: Mask | None) -> None:
        offered = layers(survey.kinds)
        self.map.display = bool(offered)
        if not offered:
            return
        layer = self.drawn_layer if self.drawn_layer in offered else offered[0]
        self._spots = spots(survey, layer, self._spots)
        self.map.show(RailMap(survey, self._spots, passed))
        measured = (self._spots, self.size)
        if measured != self._measured:
            self._measured = measured
            give_height(self.map, self.map.lines_wanted(self._lines_at_most(_MAP_SHARE, 3), self.size.width - 2))

    def _lines_at_most(self, share: float, least: int) -> int:
        return max(least, int(self.size.height * share))

    def _show_node(self, survey: Survey, passed: Mask | None) -> None:
        frame, glyphs = survey.frame, self.desk.palette.glyphs
        node = self.node_of(frame)
        folds = fold(survey, self._folder.groups(survey, Grouping.NODE))
        groups = _worst_first(folds, np.flatnonzero(folds.groups.place == node))
        name: Line = [(f" {frame.specs[node].name}", Token.STRONG)]
        self.summary.show(lambda width: [name, *summary_lines(folds, groups, width, _SUMMARY_LINES, glyphs)])
        self._show_matrix(survey, node)
        charts = list(self.query(Chart)) if self.query_one("#fabriccharts").display else []
        for chart, plot in zip(charts, plots(frame, node, self.row_of(frame), self.half_hour), strict=False):
            chart.show(plot)
        names = [len(frame.links.text(row, "name")) for row in frame.rows_of(Scope.LINK, node).tolist()]
        columns = columns_for(self.fields(), self.size.width - 1, {"name": max(names, default=0)})
        self.table.show(LinkTable(survey, columns, self.sort, passed, within=node, glyphs=glyphs))

    def _show_matrix(self, survey: Survey, node: int) -> None:
        table, topology = self.query_one("#matrix", VirtualTable), Topology(survey.frame, node)
        table.display = bool(topology.boards)
        self.query_one("#matrixlegend").display = table.display
        lines = min(len(topology.boards) + 1, self._lines_at_most(_MATRIX_SHARE, 4)) if topology.boards else 0
        give_height(table, lines)
        self.query_one("#fabriccharts").display = self.size.height >= max(_TALL, lines + _BESIDE_CHARTS)
        room = self.size.width - 1  # one for the bar of what is scrolled
        table.show(matrix(survey, topology, room))
        self.query_one("#matrixlegend", Lines).show(lambda width: [legend(topology, room)])

    def show_detail(self, frame: Frame) -> None:
        survey = self.surveyor.survey(frame)
        row = self.row_of(frame)
        most = self.size.height // 10 + 1
        self.detail.display = self.size.height >= _SHORT
        grow_height(self.detail, len(detail_lines(survey, row, self.size.width, most)), most)
        self.detail.show(lambda width: detail_lines(survey, row, width, most))

    def _longest_place(self, survey: Survey) -> int:
        frame = survey.frame
        if self.folded and self.grouping is not Grouping.NODE:
            groups = self._folder.groups(survey, self.grouping)
            names = [groups.place_name(frame, group) for group in range(groups.count)]
        else:
            names = [spec.name for spec in frame.specs]
        return max(map(len, names), default=0)

    def show_look(self) -> None:
        """Show the widgets of this look."""
        fleet = self.look is Look.FLEET
        self.map.display = fleet
        for name in ("#matrix", "#matrixlegend"):
            self.query_one(name).display = not fleet
        charts = self.query_one("#fabriccharts")
        charts.display = charts.display and not fleet
        charts.styles.height = _CHART_LINES

    def on_resize(self) -> None:
        self.show_look()

    # -- where it stands

    def row_of(self, frame: Frame) -> int | None:
        """The link under the cursor; of a fold its worst."""
        cursor = self.table.cursor
        if isinstance(cursor, Subject):
            return frame.row(cursor) if cursor.scope is Scope.LINK else None
        folds = self._folds
        if not isinstance(cursor, FoldKey) or folds is None or folds.survey.frame is not frame:
            return None
        group = folds.groups.find(frame, cursor.kind, cursor.place)
        return int(folds.worst[group]) if group is not None and folds.worst[group] >= 0 else None

    def aim_at(self, identity: Hashable) -> None:
        if isinstance(identity, Subject):
            self.desk.selected = identity
        elif isinstance(identity, FoldKey) and identity.grouping is Grouping.NODE:
            self.desk.selected = Subject(Scope.NODE, identity.place)
        if self.look is Look.NODE:
            self.redraw()

    def concern(self) -> Concern | None:
        at = self.table.cursor
        one = isinstance(at, Subject) or (isinstance(at, FoldKey) and at.grouping is Grouping.NODE)
        return self.concern_of(self.desk.selected) if one else None

    @on(HeatMap.Highlighted, "#railmap")
    def _follow_map(self, event: HeatMap.Highlighted) -> None:
        if isinstance(event.identity, Subject) and self.map.has_focus:
            self.desk.selected = event.identity
            self.table.select(event.identity)

    @on(HeatMap.Chosen, "#railmap")
    def _open_map(self, event: HeatMap.Chosen) -> None:
        self.open_row(event.identity)

    def open_row(self, identity: Hashable) -> None:
        """A fold or link of a node: the node's links. Of a rack, switch or kind: its nodes."""
        if isinstance(identity, FoldKey) and identity.grouping is not Grouping.NODE:
            self._look_into(identity)
            return
        self.aim_at(identity)
        if self.look is Look.NODE and isinstance(identity, Subject):
            self.post_message(Drill(Subject(Scope.NODE, identity.node)))
        else:
            self.look_at(Look.NODE, identity if isinstance(identity, Subject) else None)

    @on(VirtualTable.Chosen, "#matrix")
    def _open_board(self, event: VirtualTable.Chosen) -> None:
        if isinstance(event.identity, Subject):
            self.post_message(Drill(event.identity))

    def _look_into(self, key: FoldKey) -> None:
        place = f'{key.grouping.value} == "{key.place}" and ' if key.place else ""
        self.grouping = Grouping.NODE
        self.take_filter(f'{place}kind == "{key.kind}"')
        self.redraw()


def _worst_first(folds: Folds, groups: Rows) -> Sequence[int]:
    return groups[np.argsort(-folds.rank[groups].astype(np.int16), kind="stable")].tolist()
