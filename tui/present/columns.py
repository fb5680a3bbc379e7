"""What a table is given to draw: columns, and a model that says what stands in each row. No Textual, no nodes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tui.present.format import Align
from tui.present.style import Token


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `width` is in cells and the least that a flexible column gets; those share the room that is left."""

    name: str
    title: str
    width: int
    align: Align = "left"
    flexible: bool = False


class TableModel(Protocol):
    """What a table shows. A model is immutable for the table: give a new one to `show` when something changed."""

    @property
    def columns(self) -> Sequence[Column]: ...

    @property
    def count(self) -> int: ...

    @property
    def sort(self) -> tuple[str, bool] | None:
        """Column name and whether it descends."""
        ...

    def identity(self, index: int) -> Hashable: ...

    def index_of(self, identity: Hashable) -> int | None: ...

    def cells(self, index: int) -> Sequence[tuple[str, Token]]:
        """Text and token of each column; asked for visible rows only."""
        ...

    def marked(self, index: int) -> bool: ...
