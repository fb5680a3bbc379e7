"""Reads a ledger while others append to it: one picture of it, as it was when the reader was made. Changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from watchfloor.errors import StoreError
from watchfloor.records.ledgerentry import Entry, read, time_of
from watchfloor.records.ledgermerkle import leaf
from watchfloor.records.ledgerstore import FAULTS, IS_CHECKPOINT, Head, head_of, trouble, version_of

_WAIT_SECONDS = 10.0
_BATCH = 256  # rows: what is read is hashed while it is still in the cache of the processor
_ENTRY = "number, CAST(text AS BLOB)"
_EVERY_SUBJECT = "EXISTS (SELECT 1 FROM json_each(text, '$.entry.subjects') WHERE {})"
_OF_PLAYBOOK = (
    "json_extract(text, '$.entry.{0}') IN (SELECT json_extract(text, '$.entry.{0}') FROM entry "
    "WHERE json_extract(text, '$.entry.kind') = 'proposed' AND json_extract(text, '$.entry.body.playbook') = ?)"
)

Row = tuple[int, bytes]  # an entry's number, and its bytes as they are hashed
Rows = Sequence[Row]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries; "" and () are all. Times in seconds since the epoch."""

    person: str = ""  # who did it, on whose behalf, or whom it concerned
    node: str = ""
    job: str = ""  # with or without its source: slurm:42, 42
    run: str = ""
    plan: str = ""  # the beginning of its digest
    playbook: str = ""  # what its plans and their runs left on record, and why there were none
    verdict: str = ""  # of decisions
    kinds: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    first: int = 0  # number from which on


class LedgerReader:
    """Not thread-safe: one thread at a time. Raises StoreError from every method but `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise StoreError(f"there is no ledger at {path}", "it begins with the first entry; or name its file")
        try:
            self._base = self._opened("mode=ro")
        except FAULTS as error:
            # a copy on a medium that can't be written to; with a journal beside it, that would hide what is in there
            if self._journal() or "not a database" in str(error) or "malformed" in str(error):
                raise self._trouble(error) from error
            self._base = self._frozen()

    def head(self) -> Head:
        try:
            return head_of(self._base.execute("SELECT size, last, peaks FROM head").fetchone())
        except FAULTS as error:
            raise self._trouble(error) from error

    def entry(self, number: int) -> Entry | None:
        found = next(self._rows(f"SELECT {_ENTRY} FROM entry WHERE number = ?", (number,)), None)
        return self._read(*found) if found is not None else None

    def entries(self, wanted: Wanted = Wanted(), most: int = -1, newest_first: bool = False) -> Iterator[Entry]:
        """In the order of their numbers, or the other way round; at `most` so many, -1 is all."""
        return (self._read(number, text) for number, text in self.kept(wanted, most, newest_first))

    def kept(self, wanted: Wanted = Wanted(), most: int = -1, newest_first: bool = False) -> Iterator[Row]:
        """The same, byte for byte as they are kept."""
        where, values = _condition(wanted)
        order = "DESC" if newest_first else "ASC"
        return self._rows(f"SELECT {_ENTRY} FROM entry WHERE {where} ORDER BY number {order} LIMIT ?", (*values, most))

    def checkpoint_sizes(self) -> list[int]:
        """Of which sizes there are checkpoints, as far as the index knows."""
        try:
            sql = f"SELECT json_extract(text, '$.entry.body.size') FROM entry WHERE {IS_CHECKPOINT}"
            return [size for (size,) in self._base.execute(sql) if isinstance(size, int)]
        except FAULTS:
            return []  # what is damaged is told by verification

    def rows(self) -> Iterator[Rows]:
        """All entries as they are in the file, in batches: what verification looks at, by no index."""
        at = 0
        try:
            found = self._base.execute(f"SELECT {_ENTRY} FROM entry NOT INDEXED ORDER BY number")
            while batch := found.fetchmany(_BATCH):
                at = batch[-1][0] + 1
                yield batch
        except FAULTS:
            yield from self._up_to_the_fault(at)

    def _up_to_the_fault(self, at: int) -> Iterator[Rows]:
        try:
            found = self._base.execute(
                f"SELECT {_ENTRY} FROM entry NOT INDEXED WHERE number >= ? ORDER BY number", (at,)
            )
            while (row := found.fetchone()) is not None:
                yield [row]
        except FAULTS as error:
            raise self._trouble(error) from error

    def close(self) -> None:
        self._base.close()

    def __enter__(self) -> LedgerReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --

    def _rows(self, sql: str, values: Sequence[str | int]) -> Iterator[Row]:
        try:
            found = self._base.execute(sql, values)
            while (row := found.fetchone()) is not None:  # whoever stops reading closes no cursor of a closed base
                yield row
        except FAULTS as error:
            raise self._trouble(error) from error

    def _read(self, number: int, text: bytes) -> Entry:
        try:
            return read(text, leaf(text).hex())
        except ValueError as error:
            raise StoreError(
                f"entry {number} of {self._path} can't be read: {error}", "`watchfloor audit verify` says more"
            ) from error

    def _frozen(self) -> sqlite3.Connection:
        try:
            return self._opened("mode=ro&immutable=1")
        except FAULTS as error:
            raise self._trouble(error) from error

    def _opened(self, how: str) -> sqlite3.Connection:
        address = f"file:{quote(str(self._path.absolute()))}?{how}"
        base = sqlite3.connect(address, uri=True, timeout=_WAIT_SECONDS, check_same_thread=False, isolation_level=None)
        try:
            base.execute("BEGIN")  # all that is read is of one moment
            if not version_of(base, self._path):
                raise StoreError(f"there is nothing in the ledger {self._path}", "it begins with the first entry")
        except BaseException:
            base.close()
            raise
        return base

    def _journal(self) -> bool:
        beside = self._path.with_name(self._path.name + "-wal")
        return beside.exists() and beside.stat().st_size > 0

    def _trouble(self, error: Exception) -> StoreError:
        return trouble(self._path, error, "the ledger can't be read:")


def _condition(wanted: Wanted) -> tuple[str, list[str | int]]:
    """SQL for what is wanted, and its values."""
    parts = ["1"]
    values: list[str | int] = []
    if wanted.first:
        parts.append("number >= ?")
        values.append(wanted.first)
    for word, sql, repeated in _WORDS:
        if value := getattr(wanted, word):
            parts.append(sql)
            values += [value] * repeated
    if wanted.kinds:
        parts.append(f"json_extract(text, '$.entry.kind') IN ({', '.join('?' * len(wanted.kinds))})")
        values += wanted.kinds
    for time, comparison in ((wanted.since, ">="), (wanted.until, "<=")):
        if time is not None:
            parts.append(f"json_extract(text, '$.entry.time') {comparison} ?")
            values.append(time_of(int(time * 1e9)))
    return " AND ".join(parts), values


# field of `Wanted`, SQL, how often its value is in there
_WORDS = (
    (
        "person",
        "(json_extract(text, '$.entry.who.name') = ? OR json_extract(text, '$.entry.who.on_behalf_of') = ? OR "
        + _EVERY_SUBJECT.format("value = 'person:' || ?")
        + ")",
        3,
    ),
    (
        "node",
        _EVERY_SUBJECT.format("value = 'node:' || ? OR instr(value, 'accelerator:' || ? || '/') = 1"),
        2,
    ),
    (
        "job",
        _EVERY_SUBJECT.format("value = 'job:' || ? OR value LIKE 'job:%' AND substr(value, -length(?) - 1) = ':' || ?"),
        3,
    ),
    ("run", "json_extract(text, '$.entry.run') = ?", 1),
    ("plan", "instr(json_extract(text, '$.entry.plan'), ?) = 1", 1),
    (
        "playbook",
        f"({_OF_PLAYBOOK.format('run')} OR {_OF_PLAYBOOK.format('plan')} OR "
        "json_extract(text, '$.entry.kind') = 'refused' AND json_extract(text, '$.entry.body.what') = ?)",
        3,
    ),
    (
        "verdict",
        "json_extract(text, '$.entry.kind') = 'decided' AND json_extract(text, '$.entry.body.verdict') = ?",
        1,
    ),
)
