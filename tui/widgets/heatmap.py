"""The heat map: every accelerator of the fleet on one screen, and a cursor that moves over them.

The cursor is pinned to an identity. Arithmetic is in `tui.present.heat_layout`, colours in `tui.present.heat_paint`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

import numpy as np
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.strip import Strip

from tui.present.heat import HeatModel
from tui.present.heat_layout import NUMBER_TILE, HeatLayout, lay_out
from tui.present.heat_paint import CURSOR, Codes, HeatPainter, tile_codes
from tui.present.style import DEFAULT, Palette
from tui.widgets.drawn import Drawn, Said

__all__ = ["HeatMap", "HeatModel"]

LEGEND_LINES = 1


class HeatMap(Drawn, can_focus=True):
    """Shows a `HeatModel`; its last line is the legend."""

    DEFAULT_CSS = "HeatMap { background: transparent; height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1, 0)", "left", show=False),
        Binding("right,l", "step(1, 0)", "right", show=False),
        Binding("up,k", "step(0, -1)", "up", show=False),
        Binding("down,j", "step(0, 1)", "down", show=False),
        Binding("home,g", "first", "first", show=False),
        Binding("end,G", "last", "last", show=False),
        Binding("enter", "choose", "open", show=False),
    ]

    class Highlighted(Said):
        """The cursor went to another accelerator."""

    class Chosen(Said):
        """Enter, or a double click."""

    def __init__(self, *, palette: Palette = DEFAULT, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(palette=palette, id=id, classes=classes)
        self._model: HeatModel | None = None
        self._painter: HeatPainter | None = None
        self._cursor: Hashable | None = None
        self._position: int | None = None  # where the cursor's accelerator is in the model of now
        self._layout_of_tiles: HeatLayout = lay_out((), 0, 0, pairs=False)
        self._codes: Codes = np.zeros(0, np.uint8)
        self._shorts: Sequence[str] = ()

    # what pages call

    def show(self, model: HeatModel) -> None:
        """Show this model; only the lines that differ are drawn again."""
        self.check_ground()
        before = self._model
        self._model = model
        if self._painter is None or self._painter.scale != model.scale:
            self._painter = HeatPainter(self.palette, model.scale, self.ground)
            self.refresh()
        if before is None or (before.groups is not model.groups and before.groups != model.groups):
            self._lay_out()
        self._find_cursor()
        self._recolour()

    @property
    def cursor(self) -> Hashable | None:
        """Identity of the selected accelerator, None where there is none."""
        return self._cursor if self._position is not None else None

    def select(self, identity: Hashable) -> bool:
        """Put the cursor on this accelerator; False where the model doesn't have it."""
        position = self._model.index_of(identity) if self._model else None
        if position is None:
            return False
        self._go_to(position)
        return True

    def lines_wanted(self, limit: int, width: int = 0) -> int:
        """Lines, legend included, of the roomiest density within `limit` lines at `width` (0: the width of now)."""
        if self._model is None:
            return min(limit, LEGEND_LINES)
        room = max(0, limit - LEGEND_LINES)
        return LEGEND_LINES + lay_out(self._model.groups, width or self.size.width, room, pairs=self._pairs).lines

    def restyled(self) -> None:
        if self._model is not None:
            self._painter = HeatPainter(self.palette, self._model.scale, self.ground)
            self._lay_out()  # pairs need colours
            self._recolour()

    # drawing

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if self._painter is None:
            return Strip.blank(width, self.ground)
        if y == self.size.height - LEGEND_LINES:
            segments = self._painter.legend(self._layout_of_tiles, self._codes, self._described(), width)
            return Strip(segments, width).apply_style(self.ground)
        if y >= self._layout_of_tiles.lines:
            return Strip.blank(width, self.ground)
        segments = self._painter.line(self._layout_of_tiles, self._codes, self._shorts, y, self.has_focus)
        return Strip(segments, width)

    def _described(self) -> str:
        if self._model is None or self._position is None:
            return ""
        return self._model.describe(self._position)

    @property
    def _pairs(self) -> bool:
        return self.palette.colours and bool(self.palette.glyphs.half)

    def on_resize(self) -> None:
        self._lay_out()
        self._recolour()
        self.refresh()

    def _lay_out(self) -> None:
        if self._model is not None:
            room = self.size.height - LEGEND_LINES
            self._layout_of_tiles = lay_out(self._model.groups, self.size.width, room, pairs=self._pairs)
            self.refresh()

    def _recolour(self) -> None:
        """Codes of the model of now, and the lines where they differ from what is drawn."""
        model, layout = self._model, self._layout_of_tiles
        if model is None or not layout.tiles:
            self._codes, self._shorts = np.zeros(0, np.uint8), ()
            self.refresh()
            return
        codes = tile_codes(layout, model)
        if self._position is not None:
            codes[layout.tile_of(self._position)] |= CURSOR
        shorts: Sequence[str] = ()
        if layout.density.tile == NUMBER_TILE:
            shorts = [model.short(int(position)) for position in layout.starts[:-1]]
        self._refresh_changed(codes, shorts)
        self._codes, self._shorts = codes, shorts

    def _refresh_changed(self, codes: Codes, shorts: Sequence[str]) -> None:
        if len(codes) != len(self._codes) or len(shorts) != len(self._shorts):
            self.refresh()
            return
        changed = codes != self._codes
        changed[[tile for tile, short in enumerate(shorts) if short != self._shorts[tile]]] = True
        lines = self._layout_of_tiles.lines_of(changed)
        lines.add(self.size.height - LEGEND_LINES)  # the words of the cursor's accelerator
        self.refresh(*(Region(0, line, self.size.width, 1) for line in lines))

    # cursor

    def _find_cursor(self) -> None:
        model = self._model
        count = model.groups[-1].stop if model and model.groups else 0
        if model is None or not count:
            self._position = None  # the identity is kept: it may come back
            return
        found = model.index_of(self._cursor) if self._cursor is not None else None
        if found is not None:
            self._position = found
        else:
            self._set_cursor(min(self._position or 0, count - 1))

    def _set_cursor(self, position: int) -> None:
        assert self._model is not None
        self._position = position
        identity = self._model.identity(position)
        if identity != self._cursor:
            self._cursor = identity
            self.post_message(self.Highlighted(self, identity))

    def _go_to(self, position: int) -> None:
        self._set_cursor(position)
        self._recolour()

    def _go_to_tile(self, tile: int) -> None:
        """Of several accelerators in one tile the worst is meant."""
        assert self._model is not None
        positions = self._layout_of_tiles.positions(tile)
        self._go_to(positions[int(self._model.states[positions.start : positions.stop].argmax())])

    def action_step(self, dx: int, dy: int) -> None:
        layout = self._layout_of_tiles
        if self._position is None or not layout.tiles:
            return
        here = layout.tile_of(self._position)
        there = layout.step(here, dx, dy)
        if there != here:
            self._go_to_tile(there)

    def action_first(self) -> None:
        if self._layout_of_tiles.tiles:
            self._go_to_tile(0)

    def action_last(self) -> None:
        if self._layout_of_tiles.tiles:
            self._go_to_tile(self._layout_of_tiles.tiles - 1)

    def action_choose(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        tile = self._layout_of_tiles.tile_at(offset.y, offset.x) if offset else None
        if tile is None:
            return
        self._go_to_tile(tile)
        if event.chain == 2:
            self.action_choose()
