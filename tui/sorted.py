"""A page whose table is sorted by its columns: by Shift and a letter, or by a click on a title."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from tui.filtered import FilteredPage
from tui.present.choice import Sort
from tui.present.fields import Field
from tui.present.line import Line
from tui.present.style import Token
from tui.widgets.table import VirtualTable

_STATE, _NOTE = "state", "note"


def letters(fields: Iterable[Field]) -> list[BindingType]:
    """A key for each letter that sorts; of several columns of one letter the first names it."""
    titles: dict[str, str] = {}
    for field in fields:
        if field.letter:
            titles.setdefault(field.letter, field.title or field.name)
    return [Binding(letter, f"sort_letter('{letter}')", f"sort by {titles[letter]}") for letter in sorted(titles)]


def order_keys(command: str, fields: Iterable[Field]) -> list[BindingType]:
    """`s` asks for a column, by this command; the letters of the columns."""
    return [Binding("s", f"ask('{command} ')", "pick the column to sort by", priority=True), *letters(fields)]


class SortedPage(FilteredPage):
    """A subclass says which columns there are, and keeps the order that was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("r", "reverse", "reverse the order")]

    def fields(self) -> Sequence[Field]:
        """What can be sorted by now."""
        raise NotImplementedError

    @property
    def order(self) -> Sort:
        raise NotImplementedError

    def take_order(self, order: Sort) -> None:
        """Keep it, and draw by it at once."""
        raise NotImplementedError

    def order_fact(self, rows: str) -> Line:
        """For the status bar: `runs by when`, and which way."""
        glyphs = self.desk.palette.glyphs
        arrow = glyphs.descending if self.order.descending else glyphs.ascending
        return [(f"{rows} by ", Token.DIM), (self.order.column, Token.TEXT), (f" {arrow}", Token.ACCENT)]

    @on(VirtualTable.HeaderClicked, "#table")
    def _sort_by_click(self, event: VirtualTable.HeaderClicked) -> None:
        if event.column != _NOTE:
            self.sort_by(event.column)

    def action_sort_letter(self, letter: str) -> None:
        field = next((field for field in self.fields() if field.letter == letter), None)
        if field is None:
            self.say(f"no column of these rows has the letter {letter}", Token.WARNING)
        else:
            self.sort_by(field.name)

    def sort_by(self, column: str) -> None:
        """By this column, numbers largest first, words from A; the other way round where it is sorted by it already."""
        old = self.order
        first = next((field.align == "right" for field in self.fields() if field.name == column), True)
        descending = not old.descending if old.column == column else first or column == _STATE
        self.take_order(Sort(column, descending))

    def action_reverse(self) -> None:
        self.take_order(Sort(self.order.column, not self.order.descending))
