"""Lines of styled text, cut to the width of the screen: headers, status, anything that isn't a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from tui.present.line import Line, cut
from tui.present.style import Palette

Draw = Callable[[int], Sequence[Line]]  # width in cells -> the lines

# what stands for the few characters outside ASCII that labels use, in a terminal that has no others
_ASCII = str.maketrans(
    {"…": ">", "·": ".", "×": "x", "—": "-", "–": "-", "°": " ", "│": "|", "─": "-", "∑": "S", "→": ">"}
)


class Lines(Widget):
    """Draws what a function makes of the width; as high as it has lines, unless the style sheet says otherwise."""

    def __init__(self, palette: Palette, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.palette = palette
        self._draw: Draw = lambda width: ()
        self._lines: Sequence[Line] = ()
        self._width = 0  # that they are cut to

    def show(self, draw: Draw) -> None:
        """Draw this from now on. The same lines again cost nothing."""
        self._draw = draw
        self._redraw()

    def repaint(self) -> None:
        """Draw the same once more: the palette has changed."""
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self._redraw()

    def _redraw(self) -> None:
        before = self._lines
        self._fit()
        if self._lines != before:
            self.refresh(layout=len(self._lines) != len(before))

    def _fit(self) -> None:
        width = self._width = self.size.width
        self._lines = [cut(line, width) for line in self._draw(width)] if width else []

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._draw(width))

    def render_line(self, y: int) -> Strip:
        if self._width != self.size.width:  # no Resize comes to what is first shown below what has been scrolled
            self._fit()
        style = self.rich_style
        if y >= len(self._lines):
            return Strip.blank(self.size.width, style)
        ascii_only = not self.palette.glyphs.braille
        segments = [
            Segment(text.translate(_ASCII) if ascii_only else text, style + self.palette.style(token))
            for text, token in self._lines[y]
        ]
        return Strip(segments).adjust_cell_length(self.size.width, style)
