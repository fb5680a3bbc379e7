"""What every table has of its rows, whatever its columns are: how many, which is which, where one is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

Row = TypeVar("Row")


class Itemised(Generic[Row]):
    """The rows of a TableModel; a subclass has columns and cells. Nothing in it is marked."""

    sort: tuple[str, bool] | None = None

    def __init__(self, rows: Sequence[Row], identity_of: Callable[[Row], Hashable]) -> None:
        self._rows, self._identity_of = rows, identity_of
        self._places = {identity_of(row): index for index, row in enumerate(rows)}

    @property
    def count(self) -> int:
        return len(self._rows)

    def identity(self, index: int) -> Hashable:
        return self._identity_of(self._rows[index])

    def index_of(self, identity: Hashable) -> int | None:
        return self._places.get(identity)

    def row(self, identity: Hashable) -> Row | None:
        """What has this identity, None where it is no longer there."""
        index = self.index_of(identity)
        return None if index is None else self._rows[index]

    def marked(self, index: int) -> bool:
        return False
