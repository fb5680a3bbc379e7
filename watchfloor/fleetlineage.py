"""The lineage of a fleet while it is watched: sights of its frames, and the keeper of what they tell."""

from __future__ import annotations

from watchfloor.frame import Frame


class FleetLineage:
    def __init__(self, place: str) -> None:
        """`place`: a file, or postgresql://…. Raises ConfigError where the library that it takes lacks."""
        from watchfloor.lineage.sights import Sights  # noqa: PLC0415 - memory, where lineage is kept
        from watchfloor.lineagekeeper import LineageKeeper  # noqa: PLC0415 - as above, and SQLite's

        self._keeper = LineageKeeper(place)
        self._sights = Sights(self._keeper.watch)

    def take(self, frame: Frame) -> None:
        """Take a sight of this frame where one is due, and begin to write what it told."""
        self._sights.take(frame)
        self._keeper.save()

    async def close(self) -> None:
        self._sights.take_last()
        await self._keeper.close()
