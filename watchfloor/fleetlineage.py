"""The lineage of a fleet while it is watched: sights of its frames, its ledger's runs, the keeper of what they tell."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from watchfloor.frame import Frame
from watchfloor.jobs.model import SourceAnswer, SourceState

if TYPE_CHECKING:
    from watchfloor.ledgerfollower import Followed


RECALL_SECONDS = 5.0  # since it began


class Recalling(Protocol):
    """A source of jobs and its last answer; `recall` as in ports.Accounting, of no effect where it has none."""

    answer: SourceAnswer

    def recall(self, jobs: Sequence[str]) -> None: ...


class FleetLineage:
    def __init__(self, place: str, ledger: Followed | None = None, sources: Sequence[Recalling] = ()) -> None:
        """`place`: a file, or postgresql://…; `ledger`: whose runs are told as well; `sources`: are asked once how jobs
        ended that nobody saw end. Raises ConfigError where the library that the place takes lacks."""
        from watchfloor.lineage.sights import Sights  # noqa: PLC0415 - memory, where lineage is kept
        from watchfloor.lineagekeeper import LineageKeeper  # noqa: PLC0415 - as above, and SQLite's

        self._keeper = LineageKeeper(place, unended=self._ask)
        self._sources = sources
        self._has_asked = False
        self._patient_until = time.monotonic() + RECALL_SECONDS
        self._sights = Sights(self._keeper.watch)
        self._acts = None
        if ledger is not None:
            from watchfloor.lineageacts import FollowedActs  # noqa: PLC0415 - memory, where a ledger is followed

            self._acts = FollowedActs(ledger.look, self._keeper.watch)

    def take(self, frame: Frame) -> None:
        """Take a sight of this frame where one is due, look at the ledger, and begin to write what they told."""
        self._sights.take(frame)
        if self._acts is not None:
            self._acts.look()
        self._keeper.save()

    def _ask(self, jobs: Sequence[str]) -> None:
        for source in self._sources if jobs else ():
            source.recall(jobs)
        self._has_asked = True

    @property
    def has_recalled(self) -> bool:
        """Whether each of them was asked after once, by whom it can be; or that takes too long for who waits for it."""
        failed = SourceState.FAILED
        return time.monotonic() >= self._patient_until or (
            self._has_asked
            and all(not source.answer.to_recall or source.answer.status.state is failed for source in self._sources)
        )

    def answer(self, answer: SourceAnswer) -> None:
        """What a source's accounting recalled."""
        for told in answer.recalled:
            self._keeper.recalled(told, self._sights.names)

    async def close(self) -> None:
        self._sights.take_last()
        if self._acts is not None:
            await self._acts.close()
        await self._keeper.close()
