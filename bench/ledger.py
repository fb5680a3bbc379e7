"""What it costs to put entries on record and to verify them, beside bare `sqlite3` with the same bytes in the same run.

    python -m bench.ledger [--entries 200000]

Limits: 20,000 durable entries/s in batches of 50, 2,000/s one by one, 300,000 entries/s verified. How long a commit
takes is the disk's: where bare `sqlite3` is slow, so is the ledger.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import FIRST_PREV, Note, Party, Who, job, node, placed, told
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.records.ledgerverify import verify
from watchfloor.records.ledgerwords import Applied, output

TOGETHER, SINGLES, TURNS = 50, 400, 3
WHO = Who(Party.PERSON, "anna", "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU")
BODY = Applied(
    step="drain",
    action="drain_node",
    argv=["scontrol", "update", "NodeName=dgx-0147", "State=DRAIN", "Reason=xid79"],
    exit_code=0,
    seconds=0.21,
    output=output("done\n"),
)
NOTE = Note(WHO, BODY, (node("dgx-0147"), job("slurm", "4242")), "01J8ZQ7F3M", "ab" * 32)
TEXT = placed(told(NOTE, 1_764_355_538_123_456_789, "console-1"), 0, FIRST_PREV).decode()

Rate = Callable[[], float]  # entries a second


class Bare:
    """A table with the same rows, written as safely: WAL, synchronous=FULL."""

    def __init__(self, path: Path) -> None:
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")
        self._base.execute("CREATE TABLE entry (number INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        self._size = 0

    def append(self, times: int, together: int) -> float:
        start = time.perf_counter()
        for _ in range(times):
            self._base.execute("BEGIN IMMEDIATE")
            rows = [(self._size + at, TEXT) for at in range(together)]
            self._base.executemany("INSERT INTO entry VALUES (?, ?)", rows)
            self._base.execute("COMMIT")
            self._size += together
        return times * together / (time.perf_counter() - start)

    def hashed(self) -> float:
        """Every row read and hashed once, and nothing else."""
        start = time.perf_counter()
        found = self._base.execute("SELECT number, CAST(text AS BLOB) FROM entry ORDER BY number")
        while batch := found.fetchmany(4_096):
            for _, text in batch:
                sha256(text).digest()
        return self._size / (time.perf_counter() - start)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=200_000)
    batches = parser.parse_args(words).entries // TOGETHER // TURNS
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # on a disk: /tmp is often none
        bare, path = Bare(Path(folder) / "bare.db"), Path(folder) / "ledger.db"
        with Ledger(path) as ledger:
            _beside("one by one", lambda: _singles(ledger), lambda: bare.append(SINGLES, 1), 2_000)
            _beside(
                f"commits of {TOGETHER}",
                lambda: _one_commit_each(ledger),
                lambda: bare.append(batches, TOGETHER),
                20_000,
            )
            _beside(
                f"batches of {TOGETHER}, several waiting",
                lambda: _batches(ledger, batches),
                lambda: bare.append(batches, TOGETHER),
                20_000,
            )
        _beside("verified (beside: read and hashed)", lambda: _verified(path), bare.hashed, 300_000)
        _found(path)


def _beside(what: str, ours: Rate, theirs: Rate, limit: int) -> None:
    """In turns, so that what else the machine does meets both."""
    pairs = [(ours(), theirs()) for _ in range(TURNS)]
    rate, bare = (median(column) for column in zip(*pairs, strict=True))
    print(f"{what:<38} {rate:>10,.0f} /s   limit {limit:>7,}   {rate / bare:5.2f} of bare sqlite3's {bare:>9,.0f}")


def _singles(ledger: Ledger) -> float:
    start = time.perf_counter()
    for _ in range(SINGLES):
        ledger.append(NOTE)
    return SINGLES / (time.perf_counter() - start)


def _one_commit_each(ledger: Ledger) -> float:
    start = time.perf_counter()
    for _ in range(SINGLES):
        ledger.append_all([NOTE] * TOGETHER)
    return SINGLES * TOGETHER / (time.perf_counter() - start)


def _batches(ledger: Ledger, times: int) -> float:
    start = time.perf_counter()
    for future in [ledger.post([NOTE] * TOGETHER) for _ in range(times)]:
        future.result()
    return times * TOGETHER / (time.perf_counter() - start)


def _verified(path: Path) -> float:
    with LedgerReader(path) as reader:
        start = time.perf_counter()
        found = verify(reader.rows, reader.head())
        took = time.perf_counter() - start
    assert found.intact, found
    return found.size / took


def _found(path: Path) -> None:
    with LedgerReader(path) as reader:
        size = reader.head().size
        for what, wanted in (("of a node", Wanted(node="dgx-0147")), ("of nobody", Wanted(person="nobody"))):
            start = time.perf_counter()
            list(reader.entries(wanted, 100, newest_first=True))
            print(f"the newest 100 {what}, among {size:,}: {(time.perf_counter() - start) * 1e3:.1f} ms")
    print(f"{path.stat().st_size / size:.0f} bytes an entry, of which {len(TEXT)} are the text")


if __name__ == "__main__":
    main()
