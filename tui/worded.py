"""A page of one table that is filtered by words which a row must have, not by a query about the fleet."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult

from tui.present.choice import Filter
from tui.present.line import Line
from tui.present.style import Token
from tui.tabled import TablePage
from tui.widgets.filterbar import FilterBar
from watchfloor.redact import redact


class Words(Filter):
    """Words in the place of a query: what is shown is asked for them, never the fleet."""

    def __init__(self, text: str) -> None:
        self.text = text


class WordsBar(FilterBar):
    PROMPT = " / "
    HINTS = ("words that a row must have   Enter keeps, Esc clears",)


class WordedPage(TablePage):
    """A subclass lets pass what has all of `words`."""

    def take_filter(self, text: str) -> None:
        """An empty text takes the filter away."""
        self.filter = Words(text) if text.strip() else None

    @property
    def words(self) -> list[str]:
        return self.filter.text.casefold().split() if self.filter else []

    def filter_facts(self) -> list[Line]:
        if self.filter is None:
            return []
        return [[("/ ", Token.ACCENT), (redact(self.filter.text), Token.MATCH)]]

    def compose_filter(self) -> ComposeResult:
        yield WordsBar(self.desk.palette, self.desk.typed_filters, self.complete_words, id="filterbar")

    def complete_words(self, text: str, cursor: int) -> Sequence[str]:
        """What may stand before the cursor of the filter."""
        return ()
