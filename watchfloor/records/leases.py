"""Leases: exclusive holds of runs on what they change, in one SQLite file that all consoles of a ledger share.

A lease is taken for a time and renewed while its run goes on; `held` is asked before each act, so that a console that
slept through its lease doesn't act beside the one that took over. Everything is on disk (synchronous=FULL) before it
counts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from watchfloor.errors import StoreError

_WAIT_SECONDS = 10.0
_TABLE = """
CREATE TABLE IF NOT EXISTS lease (
    target TEXT PRIMARY KEY, run TEXT NOT NULL, holder TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """`holder`: which process it is, unique. Times in seconds since the epoch."""

    target: str
    run: str
    holder: str
    since: float
    until: float


class Leases:
    """Not thread-safe: one thread at a time. Raises StoreError from every method but `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._base = sqlite3.connect(path, timeout=_WAIT_SECONDS, check_same_thread=False, isolation_level=None)
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
            self._base.execute(_TABLE)
            path.chmod(0o600)
        except (OSError, sqlite3.Error) as error:
            raise self._trouble(error) from error

    def take(self, targets: Sequence[str], run: str, holder: str, now: float, seconds: float) -> list[Lease]:
        """All of them or none; what comes back holds it up: leases that are not over yet, of other runs or holders."""
        with self._transaction():
            mine = (run, holder)
            held = [it for it in self._of(targets) if (it.run, it.holder) != mine and it.until > now]
            if not held:
                rows = [(target, run, holder, now, now + seconds) for target in targets]
                self._base.executemany("INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, ?)", rows)
        return held

    def renew(self, run: str, holder: str, now: float, seconds: float) -> bool:
        """False where any of them was lost to another, or nothing is held: the run must not go on."""
        with self._transaction():
            where = (now + seconds, run, holder)
            return self._base.execute("UPDATE lease SET until = ? WHERE run = ? AND holder = ?", where).rowcount > 0

    def held(self, targets: Sequence[str], run: str, holder: str, now: float) -> bool:
        """Whether this run of this holder has all of them still."""
        found, mine = self._of(targets), (run, holder)
        return len(found) == len(set(targets)) and all((it.run, it.holder) == mine and it.until > now for it in found)

    def release(self, run: str, holder: str) -> None:
        with self._transaction():
            self._base.execute("DELETE FROM lease WHERE run = ? AND holder = ?", (run, holder))

    def all(self) -> list[Lease]:
        try:
            return [Lease(*row) for row in self._base.execute("SELECT * FROM lease ORDER BY target")]
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def close(self) -> None:
        self._base.close()

    # --

    def _of(self, targets: Sequence[str]) -> list[Lease]:
        try:
            sql = f"SELECT * FROM lease WHERE target IN ({', '.join('?' * len(targets))})"
            return [Lease(*row) for row in self._base.execute(sql, tuple(targets))]
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def _trouble(self, error: Exception) -> StoreError:
        return StoreError(
            f"leases can't be kept in {self._path}: {error}", "no act begins without one: see to the disk"
        )
