"""A page from which a run is reviewed: all of it in one text, with whose signatures count, which is asked in a thread.

Signatures are checked by programs, and old runs are read from the ledger: neither keeps the screen waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.present.line import Line
from tui.present.plans import told
from tui.present.review import review_lines
from tui.recorded import RecordedPage
from tui.runcard import RunCard
from tui.sheet import Sheet
from watchfloor.errors import WatchfloorError

if TYPE_CHECKING:
    from watchfloor.runs import Grounds, RunRecord


class ReviewingPage(RecordedPage):
    """A subclass says which run."""

    def review(self, name: str, asks: bool = False) -> None:
        """One run as a whole, as it is by then. `asks`: whether to carry it out, at once."""
        matter = _Matter(self, name)
        carrying, acting = self.desk.carrying, self.desk.acting
        if carrying is None or acting is None:
            sheet = Sheet(self.desk.palette, f"run {name}", matter.text, matter.lineage)
        else:
            # y is the first letter of yes there: it does nothing else
            sheet = RunCard(self.desk.palette, matter.run, name, matter.text, carrying, self.desk.options.now, asks)
        self.open_sheet(sheet)
        self.run_worker(matter.ask(), name="grounds")


class _Matter:
    """A run, what is known of it so far, and what was asked for besides."""

    def __init__(self, page: ReviewingPage, name: str) -> None:
        self._page, self._name = page, name
        self._older: RunRecord | None = None
        self._grounds: Grounds | None = None
        self._asked = -1  # as of which entry of the run that is
        self._asking, self._trouble = False, ""

    def run(self) -> RunRecord | None:
        picture = self._page.picture
        newest = picture.run(self._name) if picture is not None else None
        return newest or self._older

    def lineage(self) -> str:
        """Of the first node or job that it is about."""
        return lineage_of(self.run())

    def text(self, width: int) -> Sequence[Line]:
        run = self.run()
        if run is None:
            looking = "looking for it" if self._asking else f"there is no run {self._name} in this ledger"
            return list(told(self._trouble or looking, width))
        if self._asked != run.entries[1]:
            self._page.run_worker(self.ask(), name="grounds")
        lines = review_lines(run, self._page.times(), width, self._grounds)
        return [*lines, *told(self._trouble, width)] if self._trouble else lines

    async def ask(self) -> None:
        """What can't be told at once; one question at a time."""
        if self._asking:
            return
        self._asking, options = True, self._page.desk.options
        try:
            ledger = self._page.desk.follower
            if self.run() is None and ledger is not None:
                self._older = await asyncio.to_thread(ledger.run, self._name)
            run = self.run()
            self._asked = run.entries[1] if run is not None else -1
            if run is not None and options.grounds is not None:
                self._grounds = await asyncio.to_thread(options.grounds, run, self._page.times().now)
        except WatchfloorError as error:
            self._trouble = str(error)
        self._asking = False
        self._page.redraw_sheet()


def lineage_of(run: RunRecord | None) -> str:
    """The name that tells what led to a run, and what came of it; "" for nothing."""
    return f"run:{run.run}" if run is not None else ""
