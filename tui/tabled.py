"""A page of one table: a summary above it, and below it the details of the row under the cursor."""

from __future__ import annotations

from collections.abc import Hashable

from textual import on
from textual.app import ComposeResult

from tui.filtered import FilteredPage
from tui.widgets.lines import Lines
from tui.widgets.table import VirtualTable
from watchfloor.frame import Frame


class TablePage(FilteredPage):
    """A subclass fills the three of them."""

    def compose_body(self) -> ComposeResult:
        look = self.desk.palette
        yield Lines(look, id="summary")
        yield VirtualTable(palette=look, id="table")
        yield Lines(look, id="detail")
        yield from self.compose_filter()

    def on_mount(self) -> None:
        self.table.focus()

    @property
    def summary(self) -> Lines:
        return self.query_one("#summary", Lines)

    @property
    def table(self) -> VirtualTable:
        return self.query_one("#table", VirtualTable)

    @property
    def detail(self) -> Lines:
        return self.query_one("#detail", Lines)

    def show_detail(self, frame: Frame) -> None:
        """Draw the details of the row under the cursor."""
        raise NotImplementedError

    def open_row(self, identity: Hashable) -> None:
        """Enter, or a double click, on this row."""
        raise NotImplementedError

    @on(VirtualTable.Highlighted, "#table")
    def _follow(self, event: VirtualTable.Highlighted) -> None:
        if self.is_current:
            self.aim_at(event.identity)
            self.draw_detail()

    def draw_detail(self) -> None:
        """The cursor is on another row."""
        if self.desk.frame is not None:
            self.show_detail(self.desk.frame)

    def aim_at(self, identity: Hashable) -> None:
        """The cursor is on another row: what this selects, if anything."""

    @on(VirtualTable.Chosen, "#table")
    def _open(self, event: VirtualTable.Chosen) -> None:
        self.open_row(event.identity)
