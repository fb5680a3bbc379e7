"""Short lists as table models: what stands in each row is made once, when the list is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from tui.present.format import Text
from tui.present.itemised import Itemised
from tui.present.rows import Column


class Listing(Itemised[tuple[Hashable, Sequence[Text]]]):
    """Implements TableModel for a few hundred rows."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[tuple[Hashable, Sequence[Text]]]) -> None:
        """Each row is its identity and its cells."""
        super().__init__(rows, lambda row: row[0])
        self.columns = columns

    def cells(self, index: int) -> Sequence[Text]:
        return self._rows[index][1]
