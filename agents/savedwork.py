"""What lineage tells of the checkpoints of jobs, for whoever reckons what a plan costs. Must not do: hold a plan up."""

from __future__ import annotations

from agents.action import Saved
from watchfloor.errors import WatchfloorError
from watchfloor.lineagebook import LineageBook
from watchfloor.ports import Clock
from watchfloor.records.databases import readable
from watchfloor.records.lineage import LineageStore

_KEPT_SECONDS = 5.0  # one plan asks several times of one job
_SILENT_SECONDS = 60.0  # a store that failed is not asked again for so long: its answer is waited for on the one loop
_MOST = 1_000


class SavedWork:
    """`place`: where lineage is kept; None: nowhere. It is only read."""

    def __init__(self, place: str | None, clock: Clock) -> None:
        """Raises ConfigError where PostgreSQL is asked for and its library lacks."""
        self._store = LineageStore(place, readable) if place is not None else None
        self._book = LineageBook(self._store) if self._store is not None else None
        self._clock = clock
        self._kept: dict[str, tuple[float, Saved]] = {}
        self._silent_until, self._trouble = float("-inf"), ""

    def __call__(self, job: str) -> Saved:
        """Never raises."""
        now = self._clock.monotonic()
        if self._book is None:
            return Saved()
        if now < self._silent_until:
            return Saved(trouble=self._trouble)
        if job not in self._kept or now - self._kept[job][0] > _KEPT_SECONDS:
            self._kept = {} if len(self._kept) >= _MOST else self._kept
            self._kept[job] = now, self._asked(self._book, job, now)
        return self._kept[job][1]

    def _asked(self, book: LineageBook, job: str, now: float) -> Saved:
        try:
            return Saved(tuple(book.checkpoints(job)))
        except WatchfloorError as error:
            self._silent_until = now + _SILENT_SECONDS
            self._trouble = f"its lineage can't be read ({error.message})"
            return Saved(trouble=self._trouble)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
