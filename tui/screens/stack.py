"""The stack page: the software of the fleet by layer, and where nodes that ought to be equal have drifted apart."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.base import Desk, hint_line
from tui.commands import Command, one_of
from tui.present.choice import Rows
from tui.present.line import Line
from tui.present.stack import (
    Row,
    StackTable,
    Trouble,
    columns_for,
    detail_lines,
    query_of,
    rows_of,
    summary_line,
)
from tui.present.style import Token
from tui.tabled import TablePage
from tui.widgets.drawn import give_height
from watchfloor.compatibility import fleet_clashes
from watchfloor.errors import QueryError
from watchfloor.frame import Frame
from watchfloor.stack import Grouping, Stacks, Thing, may_wait, things, untold


class StackPage(TablePage):
    slug = "stack"
    key = "5"
    help_text = (
        "Which version of what is on how many nodes, from firmware to inference server. Nodes are held against one "
        "another in groups: the first row of a thing is the version that most of the group have, the rows below it "
        "are the others, with the nodes that have them. What nodes have in common ought to be equal, and what one job "
        "runs; what users run may differ. Versions that are known not to go together stand out, with the reason."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "grouping", "hold nodes against one another by group, model, job, rack, site, or all together"),
        Binding("B", "ask('groupby ')", "pick what nodes are grouped by", priority=True),
        Binding("d", "different", "only what differs, or everything"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.grouping = Grouping.GROUP
        self.only_different = False
        self._stacks = Stacks()
        self._key: tuple[object, ...] = ()
        self._worked_out_at = 0.0  # console time
        self._things: Sequence[Thing] = ()
        self._trouble = Trouble.of(())
        self._model: StackTable | None = None

    def rows_shown(self, frame: Frame) -> Rows:
        return Rows.NODES

    # -- drawing

    def show(self, frame: Frame) -> None:
        if not self._work_out(frame):
            return
        glyphs, silent = self.desk.palette.glyphs, untold(self._stacks)
        found, trouble = self._things, self._trouble
        self.summary.show(lambda width: [summary_line(frame, found, trouble, silent, width, glyphs)])
        rows = rows_of(found, trouble, self.only_different)
        self._model = StackTable(frame, rows, trouble, columns_for(self.size.width - 1, rows), glyphs)
        self.table.empty = "nothing differs" if found else "no node has told its software yet"
        self.table.show(self._model)
        self.show_detail(frame)

    def show_detail(self, frame: Frame) -> None:
        row = self._model.row(self.table.cursor) if self._model is not None else None
        found, trouble, most = self._things, self._trouble, max(3, self.size.height // 8)
        give_height(self.detail, most)
        self.detail.show(lambda width: detail_lines(frame, row, found, trouble, width, most))

    def _work_out(self, frame: Frame) -> bool:
        """Whether there is anything to draw anew: software changes rarely, and frames come twice a second."""
        self._stacks.update(frame)
        passed = self.passed(frame)
        mask = None if passed is None else passed.nodes
        jobs = frame.accelerators.last("job").tobytes() if self.grouping is Grouping.JOB else b""
        filtered = b"" if mask is None else mask.tobytes()
        shown = (self.only_different, self.size.width, self.desk.palette.name)
        news, choice = (self._stacks.changed, jobs, filtered), (len(frame.specs), self.grouping, self.filter, *shown)
        if self._key == (news, choice) or (self._key[1:] == (choice,) and may_wait(frame, self._worked_out_at)):
            return False
        self._key, self._worked_out_at = (news, choice), frame.at
        self._things = things(frame, self._stacks, self.grouping, mask)
        self._trouble = Trouble.of(
            (node, clash) for node, clash in fleet_clashes(frame, self._stacks) if mask is None or mask[node]
        )
        return True

    def facts(self) -> Sequence[Line]:
        frame = self.desk.frame
        if frame is None:
            return ()
        found = [self.filter_fact(frame), [("versions by ", Token.DIM), (self.grouping.value, Token.TEXT)]]
        if self.only_different:
            found.append([("only what differs", Token.MATCH)])
        return found

    def hints(self) -> Line:
        return hint_line("?", "help", "/", "filter", "b", "by", "d", "differs", "Enter", "its nodes", "q", "quit")

    # -- keys

    def action_grouping(self) -> None:
        every = list(Grouping)
        self.group_by(every[(every.index(self.grouping) + 1) % len(every)])

    def action_different(self) -> None:
        self.only_different = not self.only_different
        self.redraw()

    def group_by(self, grouping: Grouping) -> None:
        self.grouping = grouping
        self.redraw()

    def go_back(self) -> bool:
        """Esc: the filter first, then everything again."""
        if super().go_back():
            return True
        different, self.only_different = self.only_different, False
        self.redraw()
        return different

    def open_row(self, identity: Hashable) -> None:
        """The fleet page with the nodes of this version."""
        row = self._model.row(identity) if self._model is not None else None
        frame = self.desk.frame
        if row is not None and row.version is not None and frame is not None:
            self._filter_fleet(query_of(frame, row.version.nodes), row)

    def _filter_fleet(self, query: str, row: Row) -> None:
        commands = self.desk.commands()
        try:
            commands["filter"].run(query)
            commands["rows"].run(Rows.NODES)
        except QueryError:  # it names more nodes than a filter takes
            assert row.version is not None
            self.say(f"{len(row.version.nodes)} nodes are too many for a filter; take one of the others", Token.WARNING)

    # -- commands

    def own_commands(self) -> Sequence[Command]:
        return [
            Command("stack", "the software by layer", lambda _: self.desk.go(self.slug, None)),
            Command(
                "groupby", "group the nodes of the stack page", self._command_group, lambda: list(Grouping), "WHAT"
            ),
        ]

    def _command_group(self, text: str) -> None:
        """Raises ConfigError."""
        self.grouping = Grouping(one_of(text, list(Grouping), "way to group"))
        self.desk.go(self.slug, None)
