"""What the ledger tells of runs, told to lineage as it happens, so that consoles with another ledger know it, too.

A ledger is looked at in a thread, one look at a time: one that is locked, or lies where nothing answers, holds up
neither the loop nor what else is kept. Its trouble is told where it is asked (watchfloor.lineagebook).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from watchfloor.lineage.watch import MOST_TOLD, Watch
from watchfloor.records.lineage import KEPT_DAYS

if TYPE_CHECKING:
    from watchfloor.ledgerfollower import LedgerPicture
    from watchfloor.lineage.graph import Edge, Entity
    from watchfloor.runs import RunRecord

_EVERY_SECONDS = 1.0
_LAST_SECONDS = 5.0  # that the last look may take, when the console ends

News = tuple["RunRecord", Sequence["Entity | Edge"]]


class FollowedActs:
    def __init__(self, look: Callable[[], LedgerPicture], watch: Watch) -> None:
        """`look`: gives the newest picture of a ledger; it may take its time."""
        self._picture, self._watch = look, watch
        self._told: dict[str, int] = {}  # by run the number of its last entry that was told
        self._looking: asyncio.Task[bool] | None = None
        self._due = 0.0  # monotonic time in seconds

    def look(self) -> None:
        """Begin to look, unless the last look goes on or was a moment ago."""
        if time.monotonic() >= self._due and (self._looking is None or self._looking.done()):
            self._due = time.monotonic() + _EVERY_SECONDS
            self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Take what is left, as far as there is time."""
        with suppress(TimeoutError):  # whoever follows this ledger next tells what is left
            async with asyncio.timeout(_LAST_SECONDS):
                if self._looking is not None:
                    await asyncio.wait([self._looking])
                more = True
                while more:
                    more = await self._look()

    async def _look(self) -> bool:
        """Whether there was anything new."""
        news = await asyncio.to_thread(self._news)
        for run, told in news:
            self._watch.take_acts(told)
            self._told[run.run] = run.entries[1]
        return bool(news)

    def _news(self) -> list[News]:
        """Runs of which more is on record than was told, as many as lineage takes at once."""
        from watchfloor.lineage.acts import of_run  # noqa: PLC0415 - with the first look

        runs, oldest = self._picture().runs, time.time() - KEPT_DAYS * 86_400
        found: list[News] = []
        for run in runs:
            if self._told.get(run.run) != run.entries[1] and run.told_last >= oldest:
                found.append((run, list(of_run(run))))
                if sum(len(told) for _, told in found) >= MOST_TOLD:
                    break
        return found
