"""The ledger as a session holds it: what was appended while it was recorded, and what of before was still open then.

A screen follows it as it follows the ledger itself, up to the moment that is shown; nothing that came later is there.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from watchfloor.ledgerfollower import LedgerPicture, stopped
from watchfloor.records.ledgerentry import Entry
from watchfloor.records.ledgerreader import LedgerReader, Row, Wanted
from watchfloor.runs import KINDS, RunRecord, fold


class _HeldEntries(LedgerReader):
    """The same questions of entries that no file of a ledger has."""

    def __init__(self, place: Path) -> None:
        self._path = place
        self._base = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._base.execute("CREATE TABLE entry (number INTEGER PRIMARY KEY, text TEXT NOT NULL)")

    def take(self, rows: Sequence[Row]) -> None:
        texts = [(number, text.decode("utf-8", "replace")) for number, text in rows]
        self._base.executemany("INSERT OR IGNORE INTO entry VALUES (?, ?)", texts)


class HeldLedger:
    """Implements ledgerfollower.Followed. Any thread may ask."""

    def __init__(self, place: Path, at: Callable[[], float]) -> None:
        """`place`: the file of the session; `at`: the moment that is shown, console time."""
        self.place, self._at = place, at
        self._one_at_a_time = threading.Lock()
        self._held = _HeldEntries(place)
        self._picture = LedgerPicture(place, as_of=at())
        self._read = (0, -1)  # rows that were there, and the number of the newest entry that is shown
        self._rows = 0
        self._closed = False

    def take(self, rows: Sequence[Row]) -> None:
        """What the session has besides."""
        with self._one_at_a_time:
            if not self._closed:
                self._held.take(rows)
                self._rows += len(rows)

    def look(self) -> LedgerPicture:
        """The picture of the moment that is shown; once closed, the last one."""
        with self._one_at_a_time:
            if self._closed:
                return self._picture
            at = self._at()
            newest = next(self._held.entries(Wanted(until=at), 1, newest_first=True), None)
            read = (self._rows, newest.number if newest is not None else -1)
            if read != self._read:
                self._read, self._picture = read, self._looked(at)
            return self._picture

    def _looked(self, at: float) -> LedgerPicture:
        runs = fold(self._held.entries(Wanted(kinds=KINDS, until=at)))
        size = sum(1 for _ in self._held.kept(Wanted(until=at)))
        shown = tuple(reversed([run for run in runs.values() if run.proposed]))
        return LedgerPicture(self.place, size, shown, stopped(self._held, at), as_of=at)

    def entries(self, wanted: Wanted, most: int) -> list[Entry]:
        """The newest, the last of them first; none once closed. Raises StoreError."""
        with self._one_at_a_time:
            if self._closed:
                return []
            at = self._at()
            bounded = replace(wanted, until=at if wanted.until is None else min(at, wanted.until))
            return list(self._held.entries(bounded, most, newest_first=True))

    def run(self, name: str) -> RunRecord | None:
        return self.look().run(name)

    def close(self) -> None:
        """After the question that is being answered: SQLite dies of a base that is closed while it is read."""
        with self._one_at_a_time:
            self._closed = True
            self._held.close()
