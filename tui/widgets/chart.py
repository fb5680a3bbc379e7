"""A history chart: one `Plot`, drawn by `tui.present.chart` in the room that the widget has."""

from __future__ import annotations

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip

from tui.present.chart import Line, Plot, draw
from tui.present.style import DEFAULT, Palette
from tui.widgets.drawn import Drawn

__all__ = ["Chart", "Plot"]


class Chart(Drawn):
    """Shows a `Plot`; only the lines that differ are drawn again."""

    DEFAULT_CSS = "Chart { background: transparent; height: 1fr; }"

    def __init__(self, *, palette: Palette = DEFAULT, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(palette=palette, id=id, classes=classes)
        self._plot: Plot | None = None
        self._lines: list[Line] = []

    def show(self, plot: Plot | None) -> None:
        """Draw this plot; None clears the chart."""
        self.check_ground()
        self._plot = plot
        before, self._lines = self._lines, self._drawn()
        if len(before) != len(self._lines):
            self.refresh()
            return
        changed = [y for y, line in enumerate(self._lines) if line != before[y]]
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def restyled(self) -> None:
        self._lines = self._drawn()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self._lines):
            return Strip.blank(width, self.ground)
        segments = [Segment(text, self.palette.style(token)) for text, token in self._lines[y]]
        return Strip(segments).adjust_cell_length(width).apply_style(self.ground)

    def on_resize(self) -> None:
        self._lines = self._drawn()
        self.refresh()

    def _drawn(self) -> list[Line]:
        if self._plot is None:
            return []
        return draw(self._plot, self.size.width, self.size.height, self.palette.glyphs)
