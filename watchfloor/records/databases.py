"""Two databases under one surface: an SQLite file, and PostgreSQL by its address. SQL with `?` for values.

A connection is made when it is needed and dropped when it fails, so that what comes after a failure tries anew.
Must not do: know what is kept. Not thread-safe: one thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from watchfloor.errors import ConfigError, StoreError
from watchfloor.redact import redact

Value = str | int | float | None
Row = tuple[Any, ...]
Statement = tuple[str, Sequence[Sequence[Value]]]  # SQL, and the values of each time that it is run

_WAIT_SECONDS = 2.0  # for another console that is writing
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 30
_PREPARING = 5_716_032  # the number of our advisory lock: one console at a time makes the tables

SCHEMES = ("postgresql://", "postgres://")


class Database(Protocol):
    """Raises StoreError from every method but `close`."""

    merged: str  # SQL of two JSON objects in one: the second's names count; {} stand for them
    fact: str  # SQL of the text that a JSON object has under a name; {} stand for both

    def read(self, sql: str, values: Sequence[Value] = ()) -> list[Row]: ...

    def write(self, statements: Iterable[Statement]) -> int:
        """All or nothing; how many rows it concerned."""
        ...

    def close(self) -> None: ...


def database(place: str, tables: Sequence[str]) -> Database:
    """`place`: a file, or postgresql://…; `tables`: the statements that make the tables where they lack."""
    return Postgres(place, tables) if place.startswith(SCHEMES) else Sqlite(Path(place), tables)


def readable(place: str, tables: Sequence[str]) -> Database:
    """What is there already, to be read: nothing is made, nothing can be written. Where there is nothing, no row is."""
    if place.startswith(SCHEMES):
        return PostgresReader(place, ("SET default_transaction_read_only = on",))
    return SqliteReader(Path(place), ())


class Sqlite:
    merged = "json_patch({}, {})"
    fact = "json_extract({}, '$.{}')"

    def __init__(self, path: Path, tables: Sequence[str]) -> None:
        self._path, self._tables = path, tables
        self._base: sqlite3.Connection | None = None

    def read(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        try:
            return self._connected().execute(sql, values).fetchall()
        except (OSError, sqlite3.Error) as error:
            raise self._trouble(error) from error

    def write(self, statements: Iterable[Statement]) -> int:
        try:
            return self._all_or_nothing(self._connected(), statements)
        except (OSError, sqlite3.Error) as error:
            raise self._trouble(error) from error

    @staticmethod
    def _all_or_nothing(base: sqlite3.Connection, statements: Iterable[Statement]) -> int:
        before = base.total_changes
        base.execute("BEGIN IMMEDIATE")
        try:
            for sql, rows in statements:
                base.executemany(sql, rows)
            base.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk may have rolled it back already
                base.execute("ROLLBACK")
            raise
        return base.total_changes - before

    def _connected(self) -> sqlite3.Connection:
        if self._base is not None and self._path.exists():
            return self._base
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        base = sqlite3.connect(self._path, timeout=_WAIT_SECONDS, check_same_thread=False, isolation_level=None)
        try:
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = NORMAL")  # a killed program loses nothing; a power cut the last save
            for sql in self._tables:
                base.execute(sql)
            self._path.chmod(0o600)
        except BaseException:
            base.close()
            raise
        self._base = base
        return base

    def close(self) -> None:
        if self._base is not None:
            self._base.close()
            self._base = None

    def _trouble(self, error: Exception) -> StoreError:
        self.close()
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return StoreError(f"lineage is not kept in {self._path}: {words}", "see to the file, its folder or its disk")


class SqliteReader(Sqlite):
    def read(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        return super().read(sql, values) if self._path.exists() else []

    def _connected(self) -> sqlite3.Connection:
        if self._base is None or not self._path.exists():
            self.close()
            address = f"file:{quote(str(self._path.absolute()))}?mode=ro"
            self._base = sqlite3.connect(
                address, uri=True, timeout=_WAIT_SECONDS, check_same_thread=False, isolation_level=None
            )
        return self._base


class Postgres:
    merged = "CAST(CAST({} AS jsonb) || CAST({} AS jsonb) AS text)"
    fact = "CAST({} AS jsonb) ->> '{}'"

    def __init__(self, address: str, tables: Sequence[str]) -> None:
        self._address, self._tables = address, tables
        self._base: Any = None
        self._library = _library()

    def read(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        try:
            with self._connected().transaction():
                return self._base.execute(_with_percent(sql), values).fetchall()
        except self._library.Error as error:
            return self._unread(error)

    def _unread(self, error: Exception) -> list[Row]:
        raise self._trouble(error) from error

    def write(self, statements: Iterable[Statement]) -> int:
        concerned = 0
        try:
            base = self._connected()
            with base.transaction(), base.cursor() as cursor:
                for sql, rows in statements:
                    if rows:
                        cursor.executemany(_with_percent(sql), rows)
                        concerned += max(0, cursor.rowcount)
        except self._library.Error as error:
            raise self._trouble(error) from error
        return concerned

    def _connected(self) -> Any:
        if self._base is not None and not self._base.closed:
            return self._base
        base = self._library.connect(
            self._address,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            application_name="watchfloor",
            tcp_user_timeout=_ANSWER_SECONDS * 1000,
            prepare_threshold=None,  # a pooler between may give each transaction another session
        )
        try:
            with base.transaction():
                base.execute(f"SET statement_timeout = '{_ANSWER_SECONDS}s'")
                base.execute("SELECT pg_advisory_xact_lock(%s)", (_PREPARING,))
                for sql in self._tables:
                    base.execute(sql)
        except BaseException:
            base.close()
            raise
        self._base = base
        return base

    def close(self) -> None:
        if self._base is not None:
            self._base.close()
            self._base = None

    def _trouble(self, error: Exception) -> StoreError:
        with suppress(self._library.Error):
            self.close()
        words = " ".join(redact(str(error)).split()) or type(error).__name__
        return StoreError(
            f"lineage is not kept in {redact(self._address)}: {words}", "see to the database and the way to it"
        )


class PostgresReader(Postgres):
    def _unread(self, error: Exception) -> list[Row]:
        return [] if isinstance(error, self._library.errors.UndefinedTable) else super()._unread(error)


def _library() -> Any:
    try:
        import psycopg  # type: ignore[import-not-found]  # noqa: PLC0415 - an extra, which few need
    except ImportError as error:
        raise ConfigError(
            f"PostgreSQL needs a library that can't be loaded: {error}", "pip install 'watchfloor[postgres]'"
        ) from error
    return psycopg


def _with_percent(sql: str) -> str:
    return sql.replace("?", "%s")
