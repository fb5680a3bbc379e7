"""A table that draws only what is visible, for lists of any length that change while they are looked at.

The cursor is pinned to an identity, never to a row number: after a sort or a new frame the same accelerator stays
selected, on the same line of the screen where it was visible and this is possible, unless that would take the first
rows out of view. Where its row is gone, another comes under the cursor which nobody chose: `gone` says so until a key
or a click moves the cursor, and what acts on a row must ask. It knows nothing of nodes or metrics: a `TableModel` gives
it texts and tokens.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.present.format import Text, fit
from tui.present.rows import GUTTER, Column, Layout, Look, RowPainter, TableModel, lay_out
from tui.present.style import DEFAULT, Palette, Token
from tui.widgets.drawn import Drawn, Said

__all__ = ["Column", "TableModel", "VirtualTable"]

HEADER_LINES = 1
_STRIPS_KEPT = 48  # of lines not seen now, which cursor and frames bring back; Textual makes 30 KiB of each

# what a row shows: texts and tokens, whether it is marked
Content = tuple[tuple[Text, ...], bool]


class VirtualTable(Drawn, ScrollView, can_focus=True, inherit_bindings=False):
    """Shows a `TableModel`. Until a key, a click or `hold` the cursor is on the first row, then with its identity."""

    DEFAULT_CSS = """
    VirtualTable {
        background: transparent;
        overflow-y: auto; overflow-x: auto;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "page down", show=False),
        Binding("home,g", "first", "first row", show=False),
        Binding("end,G", "last", "last row", show=False),
        Binding("left,h", "sideways(-1)", "scroll left", show=False),
        Binding("right,l", "sideways(1)", "scroll right", show=False),
        Binding("space", "mark", "mark", show=False),
        Binding("enter", "choose", "open", show=False),
    ]

    class Highlighted(Said):
        """The cursor went to another row (by a key, or because its row is gone)."""

    class Chosen(Said):
        """Enter, or a double click."""

    class Marked(Said):
        """Space: the model decides what a mark means. The cursor has moved on to the next row."""

    class HeaderClicked(Said):
        """A click on a column's title; the identity is the column's name."""

        @property
        def column(self) -> str:
            return str(self.identity)

    def __init__(
        self,
        *,
        palette: Palette = DEFAULT,
        empty: str = "",
        marks: bool = False,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """`empty` is shown where there are no rows; without `marks` there is no key that marks."""
        super().__init__(palette=palette, id=id, classes=classes)
        self.empty = empty
        self.withheld = frozenset[str]() if marks else frozenset({"mark"})
        self._model: TableModel | None = None
        self._layout_of_columns: Layout = lay_out((), 0)
        self._cursor: Hashable | None = None
        self._index: int | None = None  # where the cursor's row is in the model of now
        self._pinned = False
        self._gone: Hashable | None = None
        self._contents: dict[int, Content] = {}  # of the model of now, by index
        self._painted: dict[int, object] = {}  # what each screen line shows, to know which ones have changed
        self._strips: LRUCache[object, Strip] = LRUCache(_STRIPS_KEPT)
        self._painter = RowPainter(palette)

    # what pages call

    def show(self, model: TableModel) -> None:
        """Show this model; only the visible lines that differ are drawn again."""
        self.check_ground()
        before = self._model
        line = self._cursor_line()
        self._model = model
        self._contents.clear()
        if before is None or before.columns != model.columns:
            self._lay_out()
        self._resize_content()
        self._find_cursor(line)
        self._repaint_changed()

    @property
    def cursor(self) -> Hashable | None:
        """Identity of the selected row, None where there is none."""
        return self._cursor if self._index is not None else None

    def select(self, identity: Hashable) -> bool:
        """Put the cursor on this row and bring it into view; False where the model doesn't have it."""
        index = self._model.index_of(identity) if self._model else None
        if index is None:
            return False
        self._pinned = True
        self._go_to(index)
        return True

    @property
    def gone(self) -> Hashable | None:
        """Identity of the row that the cursor was on until it vanished; None once the cursor was moved."""
        return self._gone

    def settle(self) -> None:
        """What is under the cursor is meant: the rows are others because somebody has asked for others."""
        self._gone = None
        self._repaint_changed()

    def hold(self) -> None:
        """Keep the cursor on its row from now on, as if a key had put it there."""
        self._pinned = self._index is not None

    # drawing

    def render_line(self, y: int) -> Strip:
        content = self._line_content(y)
        self._painted[y] = content
        strip = self._strips.get(content)
        if strip is None:
            strip = self._strips[content] = self._draw(content).apply_style(self.ground)
        return strip

    def _line_content(self, y: int) -> object:
        """All that the look of a screen line depends on: equal contents are equal strips."""
        model = self._model
        if y < HEADER_LINES:
            return ("header", model.sort if model else None, self.scroll_offset.x)
        index = self._index_at(y)
        if model is None or index is None:
            return ("empty", self.empty if y == HEADER_LINES and model and model.count == 0 else "")
        look = Look.PLAIN
        if index == self._index:
            look = Look.CURSOR if self.has_focus and self._gone is None else Look.CURSOR_BLUR
        return (self._content(model, index), look, self.scroll_offset.x)

    def _content(self, model: TableModel, index: int) -> Content:
        content = self._contents.get(index)
        if content is None:
            content = self._contents[index] = (tuple(model.cells(index)), model.marked(index))
        return content

    def _draw(self, content: object) -> Strip:
        match content:
            case ("header", sort, _):
                return self._scrolled(self._painter.header(self._layout_of_columns, sort))
            case ("empty", text):
                line = fit(" " * GUTTER + text, self._view.width)
                return Strip([Segment(line, self.palette.style(Token.DIM))], self._view.width)
            case ((cells, marked), look, _):
                return self._scrolled(self._painter.row(self._layout_of_columns, cells, marked, look))
        raise AssertionError(f"no line looks like {content!r}")

    def _scrolled(self, segments: list[Segment]) -> Strip:
        layout, width, left = self._layout_of_columns, self._view.width, self.scroll_offset.x
        strip = Strip(segments, layout.total)
        if layout.total <= width:
            return strip
        return Strip.join([strip.crop(0, layout.fixed), strip.crop(layout.fixed + left, left + width)])

    def _repaint_changed(self) -> None:
        lines = range(self._view.height)
        changed = [y for y in lines if self._painted.get(y) != self._line_content(y)]
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    # geometry

    @property
    def _view(self) -> Size:
        """What is visible, header included, scroll bars not."""
        return self.scrollable_content_region.size

    @property
    def _rows_visible(self) -> int:
        return max(1, self._view.height - HEADER_LINES)

    def _index_at(self, y: int) -> int | None:
        index = y - HEADER_LINES + self.scroll_offset.y
        return index if self._model and y >= HEADER_LINES and index < self._model.count else None

    def _cursor_line(self) -> int | None:
        """The line below the header that the cursor is on, None where it is out of view."""
        if self._index is None:
            return None
        line = self._index - self.scroll_offset.y
        return line if 0 <= line < self._rows_visible else None

    def _lay_out(self) -> None:
        self._layout_of_columns = lay_out(self._model.columns if self._model else (), self._view.width)
        self._strips = LRUCache(self._view.height + _STRIPS_KEPT)
        self.refresh()

    def _resize_content(self) -> None:
        count = self._model.count if self._model else 0
        size = Size(self._layout_of_columns.total, count + HEADER_LINES)
        if size != self.virtual_size:  # a change costs a layout of the page
            self.virtual_size = size

    def on_resize(self) -> None:
        self._lay_out()
        self._resize_content()
        if self._pinned:
            self._bring_into_view()
        self.refresh()

    def watch_show_vertical_scrollbar(self) -> None:
        """The bar takes a cell of the columns, or gives it back."""
        self._lay_out()

    def restyled(self) -> None:
        self._painter = RowPainter(self.palette)
        self._strips.clear()

    # cursor

    def _find_cursor(self, line: int | None) -> None:
        """After a change of the model: where the cursor's row is now, on the screen `line` where it was in view."""
        model = self._model
        if model is None or model.count == 0:
            self._index = None  # the identity is kept: the row may come back
            return
        found = model.index_of(self._cursor) if self._pinned and self._cursor is not None else None
        if found is not None:
            self._index = found
            if line is not None:
                self._keep_in_view(found, line)
            return
        if self._pinned and self._gone is None:
            self._gone = self._cursor
        self._set_cursor(min(self._index or 0, model.count - 1) if self._pinned else 0)

    def _keep_in_view(self, index: int, line: int) -> None:
        """The row stays on this line of the screen. A view of the first rows shows them as long as it can, though: what
        has become the worst comes to be there.
        """
        if self.scroll_offset.y or index >= self._rows_visible:
            self._scroll_to_row(index - line)

    def _set_cursor(self, index: int) -> None:
        assert self._model is not None
        self._index = index
        identity = self._model.identity(index)
        if identity != self._cursor:
            self._cursor = identity
            self.post_message(self.Highlighted(self, identity))

    def _go_to(self, index: int) -> None:
        self._gone = None
        if self._model is None or self._model.count == 0:
            return
        self._set_cursor(max(0, min(index, self._model.count - 1)))
        self._bring_into_view()
        self._repaint_changed()

    def _bring_into_view(self) -> None:
        if self._index is None:
            return
        top = self.scroll_offset.y
        if self._index < top:
            self._scroll_to_row(self._index)
        elif self._index >= top + self._rows_visible:
            self._scroll_to_row(self._index - self._rows_visible + 1)

    def _scroll_to_row(self, top: int) -> None:
        self.scroll_to(y=top, animate=False, immediate=True, force=True)

    # keys and mouse

    def action_move(self, rows: int) -> None:
        self._pinned = True
        self._go_to((self._index or 0) + rows)

    def action_page(self, pages: int) -> None:
        """The view moves by a page and the cursor stays on its line of the screen."""
        self._pinned = True
        rows = pages * self._rows_visible
        self._scroll_to_row(self.scroll_offset.y + rows)
        self._go_to((self._index or 0) + rows)

    def action_first(self) -> None:
        self._pinned = True
        self._go_to(0)

    def action_last(self) -> None:
        self._pinned = True
        self._go_to(self._model.count - 1 if self._model else 0)

    def action_sideways(self, direction: int) -> None:
        """One column to the left or right."""
        layout, x = self._layout_of_columns, self.scroll_offset.x + self._layout_of_columns.fixed
        starts = [start for start in layout.starts if start >= layout.fixed]
        wanted = [start for start in starts if (start > x if direction > 0 else start < x)]
        if wanted:
            target = min(wanted) if direction > 0 else max(wanted)
            self.scroll_to(x=target - layout.fixed, animate=False, immediate=True, force=True)
        elif direction < 0:
            self.scroll_to(x=0, animate=False, immediate=True, force=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action not in self.withheld and super().check_action(action, parameters)

    def action_mark(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Marked(self, self.cursor))
            self.action_move(1)

    def action_choose(self) -> None:
        if self.cursor is not None:
            self._pinned = True
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y < HEADER_LINES:
            self._click_header(offset.x)
            return
        index = self._index_at(offset.y)
        if index is None:
            return
        self._pinned = True
        self._go_to(index)
        if event.chain == 2:
            self.action_choose()

    def _click_header(self, x: int) -> None:
        layout = self._layout_of_columns
        column = layout.column_at(x if x < layout.fixed else x + self.scroll_offset.x)
        if column is not None:
            self.post_message(self.HeaderClicked(self, column.name))
