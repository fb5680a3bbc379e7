"""Findings between memory and disk: read once at the start, written at most once a second, off the caller's loop.

A save that fails (the file is locked, the disk full) is told, and tried again after a while; nothing is lost meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from watchfloor.errors import StoreError
from watchfloor.findings import FindingLog
from watchfloor.record import Acknowledgement, Record, RecordKey

if TYPE_CHECKING:
    from watchfloor.records.findings import FindingStore

_RETRY_SECONDS = 30.0  # after a save that failed


class Keeper:
    """A log and its file; without a file (None), or with one that can't be used, it lasts as long as the program."""

    def __init__(self, path: Path | None) -> None:
        self.log = FindingLog()
        self._store: FindingStore | None = None
        self._saving: asyncio.Task[None] | None = None
        self._retry_at = 0.0  # monotonic time in seconds
        if path is not None:
            self._open(path)

    def _open(self, path: Path) -> None:
        from watchfloor.records.findings import FindingStore  # noqa: PLC0415 - with SQLite, where there is a file

        try:
            self._store = FindingStore(path)
            self.log.load(self._store.load().values())
        except StoreError as error:
            self._store = None
            self.log.troubled(error.message)

    def acknowledge(self, key: RecordKey, note: str | None) -> None:
        """In the name of this user, now; None takes it back."""
        self.log.acknowledge(key, None if note is None else Acknowledgement(account(), time.time(), note))

    def save(self) -> None:
        """Begin to write what has changed, unless the last writing still goes on. Called once a second."""
        if self._store is None or time.monotonic() < self._retry_at:
            return
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._save(self._store))

    async def _save(self, store: FindingStore) -> None:
        try:
            news = await asyncio.to_thread(store.news)
            if news is not None:
                self.log.merge(news)
            written, forgotten = self._due(), set(self.log.forgotten)
            if written or forgotten:
                await asyncio.to_thread(store.save, written, forgotten)
                self.log.saved(written, forgotten)
        except StoreError as error:
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            self.log.troubled(error.message)
        else:
            if self.log.records.trouble:
                self.log.troubled("")

    def _due(self) -> Mapping[RecordKey, Record]:
        known = self.log.records.by_key
        return {key: known[key] for key in self.log.changed if key in known}

    async def close(self) -> None:
        """Write what is left."""
        if self._saving is not None:
            await asyncio.wait([self._saving])
        store = self._store
        if store is not None:
            await self._save(store)
            store.close()


def account() -> str:
    """Who asks, signs or acknowledges, by the name of the operating system's account: LOGNAME and its like say whatever
    their user likes, and policy tells by it who may not approve what they asked for."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
