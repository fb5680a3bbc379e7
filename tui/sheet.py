"""A text that takes the whole screen and scrolls, over the page that it was opened from: a run, a plan, an entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from tui.messages import Why
from tui.present.line import Line
from tui.present.style import Palette
from tui.widgets.lines import Lines

Text = Callable[[int], Sequence[Line]]  # width in cells -> the lines, asked for again when something has changed


class Sheet(ModalScreen[None]):
    """Esc or q closes it. Its keys only move: what acts is a subclass."""

    AUTO_FOCUS = ""  # keys are the sheet's own, also where it has a line to type into
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "close", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
        Binding("pagedown,ctrl+d,space", "page(1)", show=False),
        Binding("pageup,ctrl+u", "page(-1)", show=False),
        Binding("end,G", "end(1)", show=False),
        Binding("home,g", "end(-1)", show=False),
        Binding("y", "why", show=False),
    ]

    def __init__(self, palette: Palette, title: str, text: Text, lineage: Callable[[], str] = str) -> None:
        """`lineage`: what `y` tells the lineage of, "" for nothing."""
        super().__init__()
        self.palette, self._heading, self._text, self._lineage = palette, title, text, lineage
        self.seen_to = 0  # lines from the first one on, without a gap, that were in view

    def compose(self) -> ComposeResult:
        body = Lines(self.palette, id="sheettext")
        body.show(self._text)
        with VerticalScroll(id="sheetbox", can_focus=False) as box:
            box.border_title = self._heading
            yield body
        yield from self.compose_foot()

    def compose_foot(self) -> ComposeResult:
        yield from ()

    def on_mount(self) -> None:
        self.watch(self._box, "scroll_y", self._note_place, init=False)
        self.watch(self._box, "virtual_size", self._note_place, init=False)  # a bar beside it makes lines shorter
        self.call_after_refresh(self._note_place)

    def on_resize(self) -> None:
        self.call_after_refresh(self._note_place)

    def redraw(self) -> None:
        """What it tells of has changed; what is being closed loses its text first."""
        for body in self.query("#sheettext").results(Lines):
            body.show(self._text)
            self.call_after_refresh(self._note_place)

    @property
    def read(self) -> bool:
        """Whether every line of it was in view."""
        return self.seen_to >= self._box.virtual_size.height > 0

    @property
    def _box(self) -> VerticalScroll:
        return self.query_one("#sheetbox", VerticalScroll)

    def _note_place(self) -> None:
        if not self.query("#sheetbox"):
            return
        box = self._box
        total, end = box.virtual_size.height, round(box.scroll_y) + box.scrollable_content_region.height
        if round(box.scroll_y) <= self.seen_to:
            self.seen_to = max(self.seen_to, min(end, total))
        box.border_subtitle = self.foot(min(end, total), total)

    def foot(self, end: int, total: int) -> str:
        """What the lower edge says."""
        why = "y why, " if self._lineage() else ""
        return f"{why}Esc closes" if end >= total else f"line {end} of {total}: PgDn goes on, {why}Esc closes"

    def action_why(self) -> None:
        """Close it, and go to the lineage of what it is about."""
        name = self._lineage()
        if name:
            self.dismiss()
            self.app.post_message(Why(name))

    def action_scroll(self, lines: int) -> None:
        self._box.scroll_relative(y=lines, animate=False)

    def action_page(self, pages: int) -> None:
        self._box.scroll_relative(y=pages * max(1, self._box.scrollable_content_region.height - 1), animate=False)

    def action_end(self, direction: int) -> None:
        self._box.scroll_to(y=self._box.max_scroll_y if direction > 0 else 0, animate=False)
