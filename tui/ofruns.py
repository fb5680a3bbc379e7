"""A page of what the ledger says of runs: its rows are some of them, and words filter those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.base import Desk
from tui.present.choice import Filter
from tui.present.itemised import Itemised
from tui.present.runs import has
from tui.recorded import RecordedPage
from watchfloor.frame import Frame

if TYPE_CHECKING:
    from watchfloor.runs import RunRecord


class RunsOfRecord(RecordedPage):
    """A subclass gives `_model` the rows that it shows."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._model: Itemised[RunRecord] | None = None

    def runs(self, now: float) -> Sequence[RunRecord]:
        """Those that the page is about, before the filter; `now` in seconds since the epoch."""
        return self.picture.runs if self.picture is not None else ()

    @property
    def run(self) -> RunRecord | None:
        """What the cursor is on."""
        return self._model.row(self.table.cursor) if self._model is not None else None

    def matched(self, chosen: Filter, frame: Frame) -> tuple[int, int]:
        runs, words = self.runs(self.times().now), chosen.text.casefold().split()
        return sum(has(run, words) for run in runs), len(runs)
