"""A page with a filter bar over its rows: typing filters at once, Enter keeps, Esc brings back what was kept before."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.base import Desk, Page
from tui.present.choice import Filter, Passed, Rows, matches
from tui.present.line import Line
from tui.present.style import Token
from tui.widgets.filterbar import FilterBar
from tui.widgets.lineinput import LineInput
from watchfloor.errors import QueryError
from watchfloor.frame import Frame
from watchfloor.query import complete
from watchfloor.redact import redact


class FilteredPage(Page):
    """`show` asks `passed` for what to leave out; None shows all."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter rows by a query", priority=True),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.filter: Filter | None = None
        self._kept: Filter | None = None  # the filter to go back to while another is typed

    def compose_filter(self) -> ComposeResult:
        yield FilterBar(self.desk.palette, self.desk.typed_filters, complete, id="filterbar")

    def rows_shown(self, frame: Frame) -> Rows:
        """What the page's rows are, so that `matched` can count them."""
        raise NotImplementedError

    def passed(self, frame: Frame) -> Passed | None:
        return self.filter.passed(frame) if self.filter else None

    def redraw(self) -> None:
        """Draw the newest frame again: something other than the frame has changed."""
        if self.desk.frame is not None and self.is_current:
            self.receive(self.desk.frame)

    def filter_fact(self, frame: Frame) -> Line:
        """For the status bar: the filter and how many pass."""
        if self.filter is None:
            return ()
        passed, total = self.matched(self.filter, frame)
        return [("/ ", Token.ACCENT), (redact(self.filter.text), Token.MATCH), (f"  {passed} of {total}", Token.DIM)]

    def matched(self, chosen: Filter, frame: Frame) -> tuple[int, int]:
        """How many of the page's rows pass, and of how many."""
        return matches(chosen.passed(frame), self.rows_shown(frame))

    def take_filter(self, text: str) -> None:
        """Raises QueryError; an empty text takes the filter away."""
        self.filter = Filter(text) if text.strip() else None

    def action_filter(self) -> None:
        self._kept = self.filter
        self._came_from = self.focused
        self.query_one(FilterBar).open(self.filter.text if self.filter else "")

    @on(LineInput.Edited, "#filterbar")
    def _try_filter(self, event: LineInput.Edited) -> None:
        """While a text can't be understood, what was kept before counts."""
        if self._take_typed(event.text):
            self._count_matches()
        else:
            self.filter = self._kept
        self.redraw()

    @on(LineInput.Entered, "#filterbar")
    def _keep_filter(self, event: LineInput.Entered) -> None:
        if self._take_typed(event.text):
            event.line.remember()
            self._close_filter()

    @on(LineInput.Left, "#filterbar")
    def _drop_filter(self) -> None:
        self.filter = self._kept
        self._close_filter()

    def _take_typed(self, text: str) -> bool:
        try:
            self.take_filter(text)
        except QueryError as error:
            advice = f": {error.advice}" if error.advice else ""
            self.query_one(FilterBar).point(error.column, f"{error.message}{advice}")
            return False
        return True

    def _count_matches(self) -> None:
        frame, bar = self.desk.frame, self.query_one(FilterBar)
        count: Line = ()
        if frame is not None and self.filter is not None:
            passed, total = self.matched(self.filter, frame)
            count = [(f"{passed}", Token.MATCH if passed else Token.WARNING), (f" of {total}", Token.DIM)]
        bar.note(count)

    def _close_filter(self) -> None:
        self.query_one(FilterBar).close()
        if self._came_from is not None and self._came_from.is_attached:
            self._came_from.focus()
        self.redraw()

    def go_back(self) -> bool:
        """Esc takes the filter away first."""
        if self.filter is None:
            return False
        self.filter = None
        self.redraw()
        return True
