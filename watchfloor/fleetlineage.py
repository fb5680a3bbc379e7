"""The lineage of a fleet while it is watched: sights of its frames, its ledger's runs, the keeper of what they tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchfloor.frame import Frame

if TYPE_CHECKING:
    from watchfloor.ledgerfollower import Followed


class FleetLineage:
    def __init__(self, place: str, ledger: Followed | None = None) -> None:
        """`place`: a file, or postgresql://…; `ledger`: whose runs are told as well. Raises ConfigError where the
        library that the place takes lacks."""
        from watchfloor.lineage.sights import Sights  # noqa: PLC0415 - memory, where lineage is kept
        from watchfloor.lineagekeeper import LineageKeeper  # noqa: PLC0415 - as above, and SQLite's

        self._keeper = LineageKeeper(place)
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

    async def close(self) -> None:
        self._sights.take_last()
        if self._acts is not None:
            await self._acts.close()
        await self._keeper.close()
