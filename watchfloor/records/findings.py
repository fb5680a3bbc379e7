"""Findings over time on disk: one SQLite file (WAL), which several consoles of one user may have open at once.

A kill at any moment loses at most what came since the last save. What is written is the console's own memory, never
anything of a node.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from watchfloor.errors import StoreError
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.record import Acknowledgement, Record, RecordKey

_VERSION = 1
_WAIT_SECONDS = 2.0  # for another console that is writing
_TABLE = """
CREATE TABLE IF NOT EXISTS finding (
    scope TEXT NOT NULL, node TEXT NOT NULL, key TEXT NOT NULL, code TEXT NOT NULL,
    state INTEGER NOT NULL, text TEXT NOT NULL, evidence TEXT NOT NULL,
    first REAL NOT NULL, last REAL NOT NULL, times INTEGER NOT NULL, holds INTEGER NOT NULL,
    ack_by TEXT NOT NULL DEFAULT '', ack_at REAL NOT NULL DEFAULT 0, ack_note TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (scope, node, key, code)
) WITHOUT ROWID
"""
_COLUMNS = "scope, node, key, code, state, text, evidence, first, last, times, holds, ack_by, ack_at, ack_note"
_PUT = f"INSERT OR REPLACE INTO finding ({_COLUMNS}) VALUES ({', '.join('?' * 14)})"
_DROP = "DELETE FROM finding WHERE scope = ? AND node = ? AND key = ? AND code = ?"

_Row = tuple[str | int | float, ...]


class FindingStore:
    """Not thread-safe: one thread at a time. Raises StoreError from every method."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = -1  # sqlite's number of what others have written, when it was read last
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._base = sqlite3.connect(path, timeout=_WAIT_SECONDS, check_same_thread=False, isolation_level=None)
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise self._trouble(error) from error

    def _prepare(self) -> None:
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = NORMAL")  # a killed program loses nothing; a power cut the last save
        (version,) = self._base.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            self._base.close()
            raise StoreError(f"{self._path} is of a newer watchfloor", "use that one, or move the file away")
        self._base.execute(_TABLE)
        self._base.execute(f"PRAGMA user_version = {_VERSION}")
        self._path.chmod(0o600)

    def load(self) -> dict[RecordKey, Record]:
        """Everything that is kept."""
        try:
            (self._seen,) = self._base.execute("PRAGMA data_version").fetchone()
            return dict(_records(self._base.execute(f"SELECT {_COLUMNS} FROM finding")))
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise self._trouble(error) from error

    def news(self) -> dict[RecordKey, Record] | None:
        """Everything, where another console has written since the last look; None where none has."""
        try:
            (now,) = self._base.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error as error:
            raise self._trouble(error) from error
        return None if now == self._seen else self.load()

    def save(self, records: Mapping[RecordKey, Record], forgotten: Iterable[RecordKey]) -> None:
        """Write these, and drop what was forgotten, all or nothing."""
        try:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                self._base.executemany(_DROP, [_place(key) for key in forgotten])
                self._base.executemany(_PUT, [_row(record) for record in records.values()])
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def close(self) -> None:
        self._base.close()

    def _trouble(self, error: Exception) -> StoreError:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return StoreError(
            f"findings are not kept in {self._path}: {words}", "see to the file or its folder, and restart"
        )


def _place(key: RecordKey) -> tuple[str, str, str, str]:
    subject, code = key
    return subject.scope.value, subject.node, subject.key, code


def _row(record: Record) -> _Row:
    finding, ack = record.finding, record.ack or Acknowledgement("", 0.0)
    told = (int(finding.state), finding.text, json.dumps(finding.evidence, ensure_ascii=False))
    times = (record.first, record.last, record.times, int(record.holds))
    return (*_place(record.key), *told, *times, ack.by, ack.at, ack.note)


def _records(rows: Iterable[_Row]) -> Iterator[tuple[RecordKey, Record]]:
    for scope, node, key, code, state, text, evidence, first, last, times, holds, by, at, note in rows:
        subject = Subject(Scope(scope), str(node), str(key))
        facts = tuple((str(name), str(value)) for name, value in json.loads(str(evidence)))
        finding = Finding(subject, str(code), State(int(state)), str(text), facts)
        ack = Acknowledgement(str(by), float(at), str(note)) if at else None
        record = Record(finding, float(first), float(last), int(times), bool(holds), ack)
        yield record.key, record
