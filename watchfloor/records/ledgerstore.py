"""The file of the ledger: SQLite (WAL), every commit on disk before it is told. Several processes may append to it.

What the next entry builds on (its number, the hash before, the tree so far) is read within the transaction that writes
it, so that no process has to know of another. Nothing in the file is ever changed or removed, but the one row that says
how far it goes.
Must not do: know what entries say.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from watchfloor.errors import StoreError
from watchfloor.records.ledgercheckpoint import checkpoint_begins
from watchfloor.records.ledgerentry import FIRST_PREV, placed
from watchfloor.records.ledgermerkle import SIZE, Frontier, leaf

VERSION = 1
APPLICATION = 0x77666C67  # "wflg", in the file's header
_WAIT_SECONDS = 30.0  # for other processes that append

# SQL; it has no parameters, so that the index serves
IS_CHECKPOINT = f"substr(text, 1, {len(checkpoint_begins())}) = '{checkpoint_begins().decode()}'"
_TABLES = (
    "CREATE TABLE IF NOT EXISTS entry (number INTEGER PRIMARY KEY, text TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS head (
        one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, last TEXT NOT NULL, peaks TEXT NOT NULL)""",
    f"INSERT OR IGNORE INTO head VALUES (1, 0, '{FIRST_PREV}', '')",
    # what the runner and the checkpoints are asked for all the time; verification reads no index
    """CREATE INDEX IF NOT EXISTS entry_run ON entry (json_extract(text, '$.entry.run'))
        WHERE json_extract(text, '$.entry.run') IS NOT NULL""",
    "CREATE INDEX IF NOT EXISTS entry_kind ON entry (json_extract(text, '$.entry.kind'))",
    f"CREATE INDEX IF NOT EXISTS entry_checkpoint ON entry (number) WHERE {IS_CHECKPOINT}",
    # against accidents: who means harm drops them, and is found out by the hashes
    """CREATE TRIGGER IF NOT EXISTS entry_stays BEFORE UPDATE ON entry
        BEGIN SELECT RAISE(ABORT, 'entries of the ledger are never changed'); END""",
    """CREATE TRIGGER IF NOT EXISTS entry_remains BEFORE DELETE ON entry
        BEGIN SELECT RAISE(ABORT, 'entries of the ledger are never removed'); END""",
)
# what reading a file may raise that somebody has altered: sqlite3 decodes names and messages, which may be no UTF-8
FAULTS = (OSError, sqlite3.Error, ValueError, TypeError)
_LAST = "SELECT number, CAST(text AS BLOB) FROM entry ORDER BY number DESC LIMIT 1"
_HEAD = "SELECT size, last, peaks FROM head"


class Receipt(NamedTuple):
    """That an entry is on disk: under which number, with which hash."""

    number: int
    digest: str


class Head(NamedTuple):
    """How far the ledger goes: how many entries, the hash of the last, the tree over them."""

    size: int
    last: str
    tree: Frontier


class LedgerFile:
    """Appends. Not thread-safe: one thread at a time. Raises StoreError from every method but `close`.

    Where it does, nothing of that call counts as kept, and the next call tries anew.
    """

    def __init__(self, path: Path) -> None:
        """The file is opened, and made, when it is used first."""
        self._path = path
        self._base: sqlite3.Connection | None = None
        self._inode = (0, 0)

    def append(self, told: Sequence[bytes]) -> list[Receipt]:
        """Entries in this order, all or none; they are on disk when this returns."""
        try:
            return self._append(self._connected(), told)
        except FAULTS as error:
            raise self._trouble(error) from error
        except StoreError:
            self.close()
            raise

    def head(self) -> Head:
        try:
            return head_of(self._connected().execute(_HEAD).fetchone())
        except FAULTS as error:
            raise self._trouble(error) from error

    def close(self) -> None:
        if self._base is not None:
            with suppress(sqlite3.Error):
                self._base.close()
            self._base = None

    # -- one transaction

    def _append(self, base: sqlite3.Connection, told: Sequence[bytes]) -> list[Receipt]:
        base.execute("BEGIN IMMEDIATE")
        try:
            head = head_of(base.execute(_HEAD).fetchone())
            self._check(head, base.execute(_LAST).fetchone())
            receipts = _insert(base, head, told)
            base.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk may have rolled it back already
                base.execute("ROLLBACK")
            raise
        return receipts

    def _check(self, head: Head, last: tuple[int, bytes] | None) -> None:
        """What is built on must be what was written: a chain that goes on from an altered entry would hide it."""
        if last is None:
            sound = head.size == 0 and head.last == FIRST_PREV
        else:
            number, text = last
            sound = number == head.size - 1 and leaf(text).hex() == head.last
        if not sound:
            raise StoreError(
                f"the ledger {self._path} has been altered at its end: nothing is appended to it",
                "`watchfloor audit verify` names the entry; keep the file as evidence, and begin a new one beside it",
            )

    # -- the connection

    def _connected(self) -> sqlite3.Connection:
        if self._base is not None:
            self._check_place()
            return self._base
        self._make()
        base = sqlite3.connect(self._path, timeout=_WAIT_SECONDS, check_same_thread=False, isolation_level=None)
        try:
            self._prepare(base)
            found = self._path.stat()
        except BaseException:
            base.close()
            raise
        self._inode = (found.st_dev, found.st_ino)
        self._base = base
        return base

    def _prepare(self, base: sqlite3.Connection) -> None:
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = FULL")  # no commit is told before it is on disk
        base.execute("PRAGMA fullfsync = ON")  # where fsync alone leaves it in the drive's cache (macOS)
        version = version_of(base, self._path)
        if version == VERSION:
            return
        base.execute("BEGIN IMMEDIATE")
        for sql in _TABLES:
            base.execute(sql)
        base.execute(f"PRAGMA application_id = {APPLICATION}")
        base.execute(f"PRAGMA user_version = {VERSION}")
        base.execute("COMMIT")

    def _make(self) -> None:
        """An empty file, this user's alone before anything is in it; its name is on disk, too."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _check_place(self) -> None:
        """A file that was moved or removed under us would take entries that nobody finds again."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 - once a commit: half the time of Path.stat
        except FileNotFoundError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._inode:
            raise StoreError(
                f"the ledger {self._path} was moved or removed while it was open: nothing more is kept in that one",
                "put it back; without it, the next act begins a new ledger",
            )

    def _trouble(self, error: Exception) -> StoreError:
        self.close()
        return trouble(self._path, error, "nothing of this is on record in the ledger")


def _insert(base: sqlite3.Connection, head: Head, told: Sequence[bytes]) -> list[Receipt]:
    size, prev, tree = head
    rows: list[tuple[int, str]] = []
    leaves: list[bytes] = []
    receipts: list[Receipt] = []
    for number, entry in enumerate(told, size):
        text = placed(entry, number, prev)
        digest = leaf(text)
        prev = digest.hex()
        rows.append((number, text.decode()))
        leaves.append(digest)
        receipts.append(Receipt(number, prev))
    tree.extend(leaves)
    base.executemany("INSERT INTO entry (number, text) VALUES (?, ?)", rows)
    base.execute("UPDATE head SET size = ?, last = ?, peaks = ?", (tree.size, prev, b"".join(tree.peaks).hex()))
    return receipts


def head_of(row: tuple[int, str, str] | None) -> Head:
    """Raises ValueError where it isn't one."""
    if row is None:
        raise ValueError("the row that says how far it goes is gone")
    size, last, peaks = row
    if not isinstance(size, int) or size < 0 or not isinstance(last, str) or not isinstance(peaks, str):
        raise ValueError("the row that says how far it goes has been altered")
    hashes = bytes.fromhex(peaks)
    return Head(size, last, Frontier(size, [hashes[at : at + SIZE] for at in range(0, len(hashes), SIZE)]))


def version_of(base: sqlite3.Connection, path: Path) -> int:
    """0: nothing is in it yet. Raises StoreError where the file isn't a ledger of ours."""
    (application,) = base.execute("PRAGMA application_id").fetchone()
    (version,) = base.execute("PRAGMA user_version").fetchone()
    (tables,) = base.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    if version > VERSION and application == APPLICATION:
        raise StoreError(f"the ledger {path} is of a newer watchfloor", "use that one, or another file")
    if tables and application != APPLICATION:
        raise StoreError(f"{path} is a database, and no ledger", "name the ledger's file: WATCHFLOOR_LEDGER")
    return version if tables else 0


def trouble(path: Path, error: Exception, what: str) -> StoreError:
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StoreError(f"{what} {path}: {words}", _advice(words, path))


def _advice(words: str, path: Path) -> str:
    if "full" in words or "No space" in words:
        return f"make room on the disk of {path.parent}; what was to be kept is tried again with the next entry"
    if "locked" in words:
        return "another process holds it for longer than half a minute: find it with `fuser`"
    if "malformed" in words or "not a database" in words:
        return "`watchfloor audit verify` says how far it is sound; keep the file, and begin a new one beside it"
    if "readonly" in words or "unable to open" in words or "Permission" in words:
        return "it must be this user's to read and write, as must its folder"
    return "see to the file, its folder or its disk"
