"""The ledger as a screen follows it: the newest runs and how far it goes, looked at again and again, and cheaply.

What reads a ledger is loaded with the first look at one that is there. Must not do: write.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from watchfloor.errors import StoreError

if TYPE_CHECKING:
    from watchfloor.records.ledgerentry import Entry
    from watchfloor.records.ledgerreader import LedgerReader, Wanted
    from watchfloor.records.ledgerverify import Verdict
    from watchfloor.runs import Fold, RunRecord

MOST_RUNS = 500  # the newest
_HEARD_EVERY = 8  # looks: signatures run out, and whose count is a file that changes
_AT_LEAST_EVERY = 4  # looks: a file's times are coarse

Mark = tuple[int, ...]
Hear = Callable[["RunRecord"], "RunRecord"]  # the run with what the signatures of its approvals say


@dataclass(frozen=True, slots=True)
class LedgerPicture:
    """The ledger at one moment. `size`: entries, 0 where there is none yet; `runs`: the newest first; `stopped`: why
    no act begins; `trouble`: why it couldn't be read, what was known before stays; `as_of`: console time of the moment
    up to which a session holds it, 0 of the ledger itself."""

    place: Path
    size: int = 0
    runs: tuple[RunRecord, ...] = ()
    stopped: str = ""
    trouble: str = ""
    as_of: float = 0.0

    def run(self, name: str) -> RunRecord | None:
        return next((run for run in self.runs if run.run == name), None)

    def waiting(self, now: float) -> list[RunRecord]:
        """Runs that a person has to decide on, the one that waits longest first. `now`: seconds since the epoch."""
        return [run for run in reversed(self.runs) if run.waits(now)]


class Followed(Protocol):
    """What tells a screen of a ledger. Any thread may ask."""

    place: Path

    def look(self) -> LedgerPicture:
        """The newest picture: the same object where there is nothing new."""
        ...

    def entries(self, wanted: Wanted, most: int) -> list[Entry]:
        """The newest, the last of them first. Raises StoreError."""
        ...

    def run(self, name: str) -> RunRecord | None:
        """One however old; None where there is none of this id. Raises StoreError."""
        ...


class LedgerFollower:
    """Any thread may ask; one question is answered at a time."""

    def __init__(self, place: Path, hear: Hear | None = None) -> None:
        """`hear`: checks signatures; without it, approvals are told as their entries have them."""
        self.place, self._hear = place, hear
        self._settled: dict[tuple[str, int], RunRecord] = {}  # heard for good, by run and so many statements
        self._one_at_a_time = threading.Lock()
        self._picture = LedgerPicture(place)
        self._fold: Fold | None = None
        self._read_to = 0  # the first number that the fold hasn't taken
        self._mark: Mark = ()
        self._looks = 0

    def look(self) -> LedgerPicture:
        """The newest picture: the same object where nothing was appended. What is in the way is told in it."""
        with self._one_at_a_time:
            mark, self._looks = _mark(self.place), self._looks + 1
            if mark != self._mark or self._looks % _AT_LEAST_EVERY == 0:
                self._take(mark)
            if self._hear is not None and self._looks % _HEARD_EVERY == 0:
                self._picture = _with_runs(self._picture, self._heard(self._picture.runs))
            return self._picture

    def entries(self, wanted: Wanted, most: int) -> list[Entry]:
        """The newest, the last of them first. Raises StoreError."""
        from watchfloor.records.ledgerreader import LedgerReader  # noqa: PLC0415

        with LedgerReader(self.place) as reader:
            return list(reader.entries(wanted, most, newest_first=True))

    def run(self, name: str) -> RunRecord | None:
        """One however old; None where there is none of this id. Raises StoreError."""
        from watchfloor.records.ledgerreader import LedgerReader  # noqa: PLC0415
        from watchfloor.runs import find  # noqa: PLC0415

        with LedgerReader(self.place) as reader:
            return next((run for run in find(reader, name) if run.run == name), None)

    def verified(self) -> Verdict:
        """Whether every entry is what was written; takes seconds where there are millions. Raises StoreError."""
        from watchfloor.records.ledgerreader import LedgerReader  # noqa: PLC0415
        from watchfloor.records.ledgerverify import verify  # noqa: PLC0415

        with LedgerReader(self.place) as reader:
            return verify(reader.rows, reader.head(), sizes=reader.checkpoint_sizes())

    def _take(self, mark: Mark) -> None:
        if mark[:1] != self._mark[:1]:  # another file, or none
            self._fold, self._read_to, self._picture = None, 0, LedgerPicture(self.place)
        self._mark = mark
        try:
            if mark:
                self._picture = self._read()
        except StoreError as error:
            trouble = f"{error.message}{': ' if error.advice else ''}{error.advice}"
            if trouble != self._picture.trouble:
                self._picture = replace(self._picture, trouble=trouble)

    def _read(self) -> LedgerPicture:
        from watchfloor.records.ledgerreader import LedgerReader  # noqa: PLC0415

        with LedgerReader(self.place) as reader:
            size = reader.head().size
            if size == self._picture.size and not self._picture.trouble:
                return self._picture
            return LedgerPicture(self.place, size, self._heard(self._runs(reader, size)), stopped(reader))

    def _runs(self, reader: LedgerReader, size: int) -> tuple[RunRecord, ...]:
        from watchfloor.records.ledgerreader import Wanted  # noqa: PLC0415
        from watchfloor.runs import KINDS, Fold  # noqa: PLC0415

        if self._fold is None or size < self._read_to:
            self._fold, self._read_to = Fold(), oldest_told(reader)
        self._fold.take(reader.entries(Wanted(kinds=KINDS, first=self._read_to)))
        self._read_to = size
        runs = self._fold.runs
        for name in list(runs)[: max(0, len(runs) - MOST_RUNS)]:
            del runs[name]
        return tuple(reversed([run for run in runs.values() if run.proposed]))

    def _heard(self, runs: tuple[RunRecord, ...]) -> tuple[RunRecord, ...]:
        """Those that something depends on still, each time; of those that have begun one more a time, and for good."""
        if self._hear is None:
            return runs
        found, spared = list(runs), True
        if len(self._settled) > 2 * MOST_RUNS:
            self._settled.clear()
        for at, run in enumerate(runs):
            if not run.given:
                continue
            name = (run.run, len(run.given))
            if not run.begun and not run.outcome:
                found[at] = self._hear(run)
            elif name not in self._settled and spared:
                self._settled[name], spared = self._hear(run), False
            if name in self._settled:
                found[at] = replace(run, heard=self._settled[name].heard)
        return tuple(found)


def _with_runs(picture: LedgerPicture, runs: tuple[RunRecord, ...]) -> LedgerPicture:
    """The same object where nothing changed."""
    same = all(one.heard == other.heard for one, other in zip(picture.runs, runs, strict=True))
    return picture if same else replace(picture, runs=runs)


def _mark(place: Path) -> Mark:
    """What changes with every commit: file, times and sizes of it and of its journal; () where there is none."""
    try:
        found = os.stat(place)  # noqa: PTH116 - four times a second
    except OSError:
        return ()
    try:
        journal = os.stat(f"{place}-wal")  # noqa: PTH116
    except OSError:
        return (found.st_ino, found.st_mtime_ns, found.st_size)
    return (found.st_ino, found.st_mtime_ns, found.st_size, journal.st_mtime_ns, journal.st_size)


def oldest_told(reader: LedgerReader) -> int:
    """The number from which on entries are folded: where the oldest run that is shown was proposed."""
    from watchfloor.records.ledgerreader import Wanted  # noqa: PLC0415
    from watchfloor.records.ledgerwords import Kind  # noqa: PLC0415

    number = 0
    for entry in reader.entries(Wanted(kinds=(Kind.PROPOSED,)), MOST_RUNS, newest_first=True):
        number = entry.number
    return number


def stopped(reader: LedgerReader, until: float | None = None) -> str:
    """Why no act begins, and who said so; "" where any may. `until`: as of this time."""
    from watchfloor.records.ledgerreader import Wanted  # noqa: PLC0415
    from watchfloor.records.ledgerwords import Kind, Stop  # noqa: PLC0415

    wanted = Wanted(kinds=(Kind.STOP, Kind.RESUME), until=until)
    newest = next(reader.entries(wanted, 1, newest_first=True), None)
    told = newest.told() if newest is not None else None
    return f"{told.reason} ({newest.who.name})" if newest is not None and isinstance(told, Stop) else ""
