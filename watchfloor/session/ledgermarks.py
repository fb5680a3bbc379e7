"""What is put on record in the ledger while a session goes on: its entries, and marks on the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from watchfloor.errors import StoreError
from watchfloor.ledgerfollower import oldest_told
from watchfloor.records.ledgerentry import Entry
from watchfloor.records.ledgerreader import LedgerReader, Row, Wanted
from watchfloor.records.ledgerwords import Kind
from watchfloor.runs import APPROVALS, KINDS, Standing, fold
from watchfloor.session.writer import Mark
from watchfloor.snapshot.ledger import said

_NO_MARKS = {Kind.HEARTBEAT, Kind.RECORDING, Kind.CHECKPOINT}  # they tell of nothing that happened on the floor
_MOST_OPEN = 100  # runs


@dataclass(frozen=True, slots=True)
class News:
    """`rows`: every entry that was appended, byte for byte."""

    marks: Sequence[Mark] = ()
    rows: Sequence[Row] = ()


class LedgerMarks:
    """Entries from when this was made on, whoever appended them."""

    def __init__(self, ledger: Path) -> None:
        """Raises nothing: a ledger that can't be read has no marks."""
        self._ledger = ledger
        self._next = self._size()

    @property
    def next(self) -> int:
        """The number of the entry that would be marked next."""
        return self._next

    def news(self) -> News:
        """What was appended since the last call, the oldest first."""
        if self._size() == self._next:
            return News()
        try:
            with LedgerReader(self._ledger) as reader:
                entries = list(reader.entries(Wanted(first=self._next)))
                rows = list(reader.kept(Wanted(first=self._next)))
        except StoreError:
            return News()
        self._next = rows[-1][0] + 1 if rows else self._next
        return News([_mark(entry) for entry in entries if entry.kind not in _NO_MARKS], rows)

    def still_open(self) -> list[Row]:
        """What a recording that begins now has to know of before: runs that are not over, whether acts are stopped."""
        if not self._size():
            return []
        try:
            with LedgerReader(self._ledger) as reader:
                return sorted(self._still_open(reader).items())
        except StoreError:
            return []

    @staticmethod
    def _still_open(reader: LedgerReader) -> dict[int, bytes]:
        runs = fold(reader.entries(Wanted(kinds=KINDS, first=oldest_told(reader)))).values()
        found = dict(reader.kept(Wanted(kinds=(Kind.STOP, Kind.RESUME)), 1, newest_first=True))
        for run in [run for run in runs if run.standing is not Standing.OVER][-_MOST_OPEN:]:
            found.update(reader.kept(Wanted(run=run.run)))
            found.update(reader.kept(Wanted(plan=run.digest, kinds=APPROVALS)) if run.digest else ())
        return found

    def _size(self) -> int:
        if not self._ledger.exists():
            return 0
        try:
            with LedgerReader(self._ledger) as reader:
                return reader.head().size
        except StoreError:
            return 0


def _mark(entry: Entry) -> Mark:
    facts = {"entry": str(entry.number), "kind": str(entry.kind), "who": entry.who.name}
    if entry.run:
        facts["run"] = entry.run
    if playbook := entry.body.get("playbook"):
        facts["playbook"] = str(playbook)
    concerned = ", ".join(entry.subjects[:3])
    return Mark(entry.seconds, "ledger", f"{entry.kind}: {said(entry)}".rstrip(": "), {**facts, "on": concerned})
