"""Short lists as table models: what stands in each row is made once, when the list is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from tui.present.format import Text
from tui.present.rows import Column


class Listing:
    """Implements TableModel for a few hundred rows."""

    sort: tuple[str, bool] | None = None

    def __init__(self, columns: Sequence[Column], rows: Sequence[tuple[Hashable, Sequence[Text]]]) -> None:
        """Each row is its identity and its cells."""
        self.columns = columns
        self._rows = rows
        self._places = {identity: index for index, (identity, _) in enumerate(rows)}

    @property
    def count(self) -> int:
        return len(self._rows)

    def identity(self, index: int) -> Hashable:
        return self._rows[index][0]

    def index_of(self, identity: Hashable) -> int | None:
        return self._places.get(identity)

    def cells(self, index: int) -> Sequence[Text]:
        return self._rows[index][1]

    def marked(self, index: int) -> bool:
        return False
