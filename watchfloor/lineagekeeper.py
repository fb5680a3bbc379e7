"""Lineage between memory and its store: written at most once a second, off the caller's loop.

A store that can't be written (the file is locked, the disk full, the database away) is told, and tried again after a
while; what was seen meanwhile waits in memory, within bounds.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from watchfloor.errors import StoreError
from watchfloor.jobs.model import Recalled
from watchfloor.lineage.graph import Entity, Key, Kind
from watchfloor.lineage.hindsight import hindsight
from watchfloor.lineage.jobwords import Names
from watchfloor.lineage.watch import Watch
from watchfloor.records.lineage import KEPT_DAYS, KEPT_ROWS, LineageStore

_RETRY_SECONDS = 30.0  # after a save that failed
_PRUNE_SECONDS = 3600.0  # between two looks for what is too old
_ASKED_DAYS = 30.0  # how long ago what is asked about was seen
_MOST_ASKED = 20_000  # jobs


class LineageKeeper:
    """What is watched, and its store: a file or postgresql://…; None: it lasts as long as the program."""

    def __init__(
        self,
        place: str | None,
        days: float = KEPT_DAYS,
        rows: int = KEPT_ROWS,
        unended: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        """`unended` is told once which jobs nobody saw end, by their ids, on the loop of `save`.

        Raises ConfigError where PostgreSQL is asked for and its library lacks."""
        self.watch = Watch()
        self.trouble = ""  # why nothing is kept, "" while it is
        self._store = LineageStore(place) if place is not None else None
        self._days, self._rows = days, rows
        self._saving: asyncio.Task[None] | None = None
        self._retry_at = 0.0  # monotonic time in seconds, as the next
        self._prune_at = 0.0
        self._unended = unended
        self._recalled: deque[tuple[Recalled, Names]] = deque()

    def recalled(self, told: Recalled, names: Names) -> None:
        """What the accounting has of one of those, to be written with the next `save`."""
        self._recalled.append((told, names))

    def save(self) -> None:
        """Begin to write what has changed, unless the last writing still goes on. Called once a second."""
        if self._store is None or time.monotonic() < self._retry_at:
            return
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._save(self._store))

    async def _save(self, store: LineageStore) -> None:
        try:
            if self._unended is not None:
                since = time.time() - _ASKED_DAYS * 86_400
                self._unended(await asyncio.to_thread(store.unended, since, _MOST_ASKED))
                self._unended = None
            while changes := self.watch.due():  # a portion at a time, of which none holds up the loop
                await asyncio.to_thread(store.save, changes, time.time())
                self.watch.saved(changes)
            while self._recalled:
                await asyncio.to_thread(_write_recalled, store, *self._recalled[0], time.time())
                self._recalled.popleft()
            if time.monotonic() >= self._prune_at:
                await asyncio.to_thread(store.prune, time.time(), self._days, self._rows)
                self._prune_at = time.monotonic() + _PRUNE_SECONDS
        except StoreError as error:
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            self.trouble = error.message
        else:
            self.trouble = ""

    async def close(self) -> None:
        """Write what is left."""
        if self._saving is not None:
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self._saving])
        if self._store is not None:
            await self._save(self._store)
            self._store.close()


def _write_recalled(store: LineageStore, told: Recalled, names: Names, at: float) -> None:
    job, attempts = store.job(told.job)
    found = hindsight(told, job or Entity(Key.of(Kind.JOB, told.job), at), attempts, names, at)
    store.save(found.changes, at)
    store.close_edges(found.ends)
