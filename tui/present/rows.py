"""Rows of a table without a terminal: columns, how wide each one is, and the segments of a header or a row."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from tui.present.format import Align, Text, fit
from tui.present.style import Palette, Token

GUTTER = 2  # cells before the first column: the mark
GAP = 1  # cells between columns


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `width` is in cells, and the least that a flexible column gets; those share the room that is left.

    Leading `fixed` columns stay where they are when the table is scrolled sideways.
    """

    name: str
    title: str
    width: int
    align: Align = "left"
    flexible: bool = False
    fixed: bool = False


class TableModel(Protocol):
    """What a table shows. A model never changes: where something did, the table is given a new one.

    `cells` is asked for visible rows only. `sort` is a column's name and whether it descends.
    """

    @property
    def columns(self) -> Sequence[Column]: ...

    @property
    def count(self) -> int: ...

    @property
    def sort(self) -> tuple[str, bool] | None: ...

    def identity(self, index: int) -> Hashable: ...

    def index_of(self, identity: Hashable) -> int | None: ...

    def cells(self, index: int) -> Sequence[Text]: ...

    def marked(self, index: int) -> bool: ...


class Look(Enum):
    """How a row is drawn as a whole."""

    PLAIN = 0
    CURSOR = 1
    CURSOR_BLUR = 2  # another widget has the focus, or nobody chose this row


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the columns are: `starts` and `widths` in cells; `total` of a row, `fixed` of what never scrolls."""

    columns: tuple[Column, ...]
    starts: tuple[int, ...]
    widths: tuple[int, ...]
    total: int
    fixed: int

    def column_at(self, x: int) -> Column | None:
        """The column under a cell of the row, its gap included."""
        spans = zip(self.columns, self.starts, self.widths, strict=True)
        return next((column for column, start, width in spans if start <= x < start + width + GAP), None)


def lay_out(columns: Sequence[Column], room: int) -> Layout:
    """Give each column its width, and flexible ones an equal share of what is left of `room` cells."""
    least = GUTTER + sum(column.width for column in columns) + GAP * max(0, len(columns) - 1)
    flexible = sum(column.flexible for column in columns)
    spare = max(0, room - least)
    starts, widths, x, fixed, leading = [], [], GUTTER, 0, True
    for column in columns:
        share = 0
        if column.flexible:
            share = spare // flexible
            spare, flexible = spare - share, flexible - 1
        starts.append(x)
        widths.append(column.width + share)
        x += column.width + share + GAP
        leading = leading and column.fixed
        fixed = x if leading else fixed
    total = max(room, x - GAP if columns else 0)
    # fixed columns that would leave no room for the others scroll like these
    return Layout(tuple(columns), tuple(starts), tuple(widths), total, fixed if fixed <= room // 2 else 0)


def without(columns: Sequence[Column], room: int, less: Sequence[str]) -> Sequence[Column]:
    """The columns, without the first of `less` as long as they need more than `room` cells."""
    kept = list(columns)
    for name in less:
        if GUTTER + sum(column.width + GAP for column in kept) - GAP <= room:
            break
        kept = [column for column in kept if column.name != name]
    return kept


class RowPainter:
    """Segments of a header and of rows in one palette."""

    def __init__(self, palette: Palette) -> None:
        self.palette = palette
        self._styles: Mapping[Look, Mapping[Token, Style]] = {look: _styles(palette, look) for look in Look}

    def header(self, layout: Layout, sort: tuple[str, bool] | None) -> list[Segment]:
        """The titles; the one that sorts has an arrow."""
        title, accent = self.palette.style(Token.HEADER), self.palette.style(Token.ACCENT)
        segments = [Segment(" " * GUTTER, title)]
        for column, width in zip(layout.columns, layout.widths, strict=True):
            if sort and sort[0] == column.name:
                segments.append(Segment(self._sorted_title(column, width, sort[1]), accent))
            else:
                segments.append(Segment(self._fit(column.title, width, column.align) + " " * GAP, title))
        return self._closed(segments, layout.total, title)

    def row(self, layout: Layout, cells: Sequence[Text], marked: bool, look: Look) -> list[Segment]:
        """One row; neighbours of the same style are one segment."""
        styles = self._styles[look]
        gutter = f"{self.palette.glyphs.mark if marked else ' '} "
        runs: list[tuple[str, Style]] = [(gutter, styles[Token.MARK])]
        for column, width, (text, token) in zip(layout.columns, layout.widths, cells, strict=True):
            runs.append((self._fit(text, width, column.align) + " " * GAP, styles[token]))
        return self._closed(_merged(runs), layout.total, styles[Token.TEXT])

    def _sorted_title(self, column: Column, width: int, descending: bool) -> str:
        """The title with the arrow right behind it, in the gap where the title needs the whole column."""
        arrow = self.palette.glyphs.descending if descending else self.palette.glyphs.ascending
        title = self._fit(column.title, width, column.align)
        words = title.rstrip()
        return words + arrow + " " * (width + GAP - cell_len(words) - 1)

    def _fit(self, text: str, width: int, align: Align) -> str:
        return fit(self.palette.glyphs.spell(text), width, align, self.palette.glyphs.ellipsis)

    @staticmethod
    def _closed(segments: list[Segment], total: int, style: Style) -> list[Segment]:
        """The segments cut or filled to exactly `total` cells."""
        return Segment.adjust_line_length(segments, total, style)


def _styles(palette: Palette, look: Look) -> dict[Token, Style]:
    if look is Look.PLAIN:
        return {token: palette.style(token) for token in Token}
    row = palette.style(Token.CURSOR if look is Look.CURSOR else Token.CURSOR_BLUR)
    kept = {Token.WARNING, Token.CRITICAL, Token.MARK, Token.MATCH}
    over = Style(color=None, bgcolor=row.bgcolor, reverse=row.reverse, underline=row.underline)
    # on the cursor's background only the colours that warn stay; the rest must be easy to read
    return {token: palette.style(token) + (over if token in kept else row) for token in Token}


def _merged(runs: Sequence[tuple[str, Style]]) -> list[Segment]:
    segments: list[Segment] = []
    texts, style = [runs[0][0]], runs[0][1]
    for text, following in runs[1:]:
        if following is not style:
            segments.append(Segment("".join(texts), style))
            texts, style = [], following
        texts.append(text)
    segments.append(Segment("".join(texts), style))
    return segments
