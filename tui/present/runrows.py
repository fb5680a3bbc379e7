"""Runs as the rows of a table: which is which, whatever its columns are. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchfloor.runs import RunRecord


class RunRows:
    """What a TableModel has of its rows; a subclass has columns, and cells. Identities are the ids of runs."""

    def __init__(self, rows: Sequence[RunRecord]) -> None:
        self._rows = rows
        self._places: dict[Hashable, int] = {run.run: index for index, run in enumerate(rows)}

    @property
    def count(self) -> int:
        return len(self._rows)

    def identity(self, index: int) -> Hashable:
        return self._rows[index].run

    def index_of(self, identity: Hashable) -> int | None:
        return self._places.get(identity)

    def marked(self, index: int) -> bool:
        return False

    def run(self, identity: Hashable) -> RunRecord | None:
        index = self.index_of(identity)
        return None if index is None else self._rows[index]
