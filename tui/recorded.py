"""A page of what the ledger says: drawn when that changes, and with every frame, since ages move on; it needs none."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult

from tui.base import Desk
from tui.present.choice import Filter
from tui.present.line import Line
from tui.present.style import Token
from tui.sheet import Sheet, Text
from tui.tabled import TablePage
from tui.widgets.filterbar import FilterBar
from watchfloor.frame import Frame
from watchfloor.ledgerfollower import LedgerPicture
from watchfloor.lineage.times import Times
from watchfloor.lineagebook import here


class Words(Filter):
    """Words in the place of a query: what is on record is asked for them, never the fleet."""

    def __init__(self, text: str) -> None:
        self.text = text


class WordsBar(FilterBar):
    PROMPT = " / "
    HINTS = ("words that a row must have   Enter keeps, Esc clears",)


class RecordedPage(TablePage):
    """A subclass says what to draw of `picture`."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._sheet: Sheet | None = None

    def draw(self) -> None:
        """Of the newest picture: a subclass fills summary and table first."""
        self.draw_detail()

    @property
    def picture(self) -> LedgerPicture | None:
        """None before it was looked at, and where this console follows none."""
        return self.desk.ledger

    def times(self) -> Times:
        options = self.desk.options
        return Times(options.now(), options.zone or here())

    # -- when it is drawn

    def show(self, frame: Frame) -> None:
        self.draw()

    def show_detail(self, frame: Frame) -> None:
        self.draw_detail()

    def on_screen_resume(self) -> None:
        self.redraw()

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    def record_changed(self) -> None:
        super().record_changed()
        self.redraw()

    def redraw(self) -> None:
        if self.is_drawable and self.is_current:
            self.draw()
            self.draw_bars()

    # -- the filter is of words

    def take_filter(self, text: str) -> None:
        """An empty text takes the filter away."""
        self.filter = Words(text) if text.strip() else None

    @property
    def words(self) -> list[str]:
        return self.filter.text.casefold().split() if self.filter else []

    def filter_facts(self) -> list[Line]:
        if self.filter is None:
            return []
        return [[("/ ", Token.ACCENT), (self.filter.text, Token.MATCH)]]

    def compose_filter(self) -> ComposeResult:
        yield WordsBar(self.desk.palette, self.desk.typed_filters, self.complete_words, id="filterbar")

    def complete_words(self, text: str, cursor: int) -> Sequence[str]:
        """What may stand before the cursor of the filter."""
        return ()

    # -- one of them as a whole

    def open_sheet(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self.app.push_screen(sheet)

    def whole(self, title: str, text: Text) -> None:
        self.open_sheet(Sheet(self.desk.palette, title, text))
