"""A page of what the ledger says: drawn when that changes, and with every frame, since ages move on; it needs none."""

from __future__ import annotations

from tui.base import Desk
from tui.sheet import Sheet, Text
from tui.worded import WordedPage
from watchfloor.frame import Frame
from watchfloor.ledgerfollower import LedgerPicture
from watchfloor.lineage.times import Times


class RecordedPage(WordedPage):
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
        return Times(self.desk.now(), self.desk.zone)

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

    # -- one of them as a whole

    def open_sheet(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self.app.push_screen(sheet)

    def redraw_sheet(self) -> None:
        """Where one lies over this page still: what it tells of has changed."""
        if self._sheet is not None and self._sheet in self.app.screen_stack:
            self._sheet.redraw()

    def whole(self, title: str, text: Text) -> None:
        self.open_sheet(Sheet(self.desk.palette, title, text))
