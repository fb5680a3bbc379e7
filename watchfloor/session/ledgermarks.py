"""What is put on record in the ledger while a session goes on, as marks on its timeline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from watchfloor.errors import StoreError
from watchfloor.records.ledgerentry import Entry
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.records.ledgerwords import Kind
from watchfloor.session.writer import Mark
from watchfloor.snapshot.ledger import said

_NO_MARKS = {Kind.HEARTBEAT, Kind.RECORDING, Kind.CHECKPOINT}  # they tell of nothing that happened on the floor


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

    def news(self) -> list[Mark]:
        """What was appended since the last call, the oldest first."""
        if self._size() == self._next:
            return []
        try:
            with LedgerReader(self._ledger) as reader:
                return list(self._read(reader))
        except StoreError:
            return []

    def _read(self, reader: LedgerReader) -> Iterator[Mark]:
        for entry in reader.entries(Wanted(first=self._next)):
            self._next = entry.number + 1
            if entry.kind not in _NO_MARKS:
                yield _mark(entry)

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
    concerned = ", ".join(entry.subjects[:3])
    return Mark(entry.seconds, "ledger", f"{entry.kind}: {said(entry)}".rstrip(": "), {**facts, "on": concerned})
