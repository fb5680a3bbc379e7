"""The ledger's file: what was acknowledged is there, whatever happens; what can't be kept is told."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ledgers import ANNA, CRON, appender, beat, story, tampered, written
from tests.support.parts import ROOT
from tests.support.patience import PATIENCE_SECONDS
from watchfloor.errors import StoreError
from watchfloor.records import ledgerwords as words
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note, node
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.records.ledgerverify import Verdict, verify

EVERYTHING = Wanted()


def verdict(path: Path) -> Verdict:
    with LedgerReader(path) as reader:
        return verify(reader.rows, reader.head())


def numbers(path: Path, wanted: Wanted = EVERYTHING, most: int = -1, newest_first: bool = False) -> list[int]:
    with LedgerReader(path) as reader:
        return [entry.number for entry in reader.entries(wanted, most, newest_first)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "ledger.db"


# -- appending


def test_entries_are_numbered_chained_and_there_at_once(path: Path) -> None:
    with Ledger(path, host="c1") as ledger:
        first = ledger.append(beat(1))
        with LedgerReader(path) as reader:  # while it is open for writing
            assert [entry.digest for entry in reader.entries()] == [first.digest]
        rest = ledger.append_all(story())
    assert (first.number, [receipt.number for receipt in rest]) == (0, list(range(1, len(story()) + 1)))
    with LedgerReader(path) as reader:
        entries = list(reader.entries())
    assert [entry.prev for entry in entries] == ["0" * 64, first.digest, *(each.digest for each in rest[:-1])]
    assert verdict(path).intact


def test_it_is_its_users_alone_journal_included(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.append(beat())
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}


def test_a_picture_stays_as_it_was_while_others_append(path: Path) -> None:
    written(path, [beat()])
    with LedgerReader(path) as reader, Ledger(path) as ledger:
        ledger.append(beat(1))
        assert reader.head().size == 1 and len(list(reader.entries())) == 1
    assert numbers(path) == [0, 1]


def test_many_threads_share_commits_and_each_learns_its_own_number(path: Path) -> None:
    told: dict[int, str] = {}

    def append(ledger: Ledger, thread: int) -> None:
        for at in range(20):
            told[ledger.append(beat(thread * 100 + at)).number] = f"s{thread * 100 + at}"

    with Ledger(path) as ledger:
        threads = [threading.Thread(target=append, args=(ledger, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with LedgerReader(path) as reader:
        assert {entry.number: entry.body["session"] for entry in reader.entries()} == told
    assert len(told) == 160 and verdict(path).intact


async def test_who_awaits_an_entry_may_be_cancelled_and_the_entry_is_kept(path: Path) -> None:
    with Ledger(path) as ledger:
        waiting = asyncio.wrap_future(ledger.post([beat(1)]))
        waiting.cancel()
        (receipt,) = await asyncio.wrap_future(ledger.post([beat(2)]))
    assert receipt.number == 1 and numbers(path) == [0, 1]


def test_a_closed_ledger_says_so(path: Path) -> None:
    ledger = Ledger(path)
    ledger.close()
    ledger.close()
    with pytest.raises(StoreError, match="closed"):
        ledger.append(beat())


def test_a_clock_that_jumps_back_changes_times_and_nothing_else(path: Path) -> None:
    times = iter([2_000_000_000_000_000_000, 1_000_000_000_000_000_000, 1_000_000_000_000_000_001])
    with Ledger(path, clock=lambda: next(times)) as ledger:
        for at in range(3):
            ledger.append(beat(at))
    with LedgerReader(path) as reader:
        entries = list(reader.entries())
    assert [entry.number for entry in entries] == [0, 1, 2]
    assert [entry.time[:4] for entry in entries] == ["2033", "2001", "2001"]
    assert verdict(path).intact
    assert numbers(path, Wanted(until=1.5e9)) == [1, 2]


# -- several processes, and one that is killed


def test_processes_that_append_at_once_make_one_chain(path: Path) -> None:
    processes = [appender(path, 60, together) for together in (1, 3)]
    told = [process.communicate(timeout=PATIENCE_SECONDS) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    lines = [line.split() for out, _ in told for line in out.splitlines()]
    with LedgerReader(path) as reader:
        assert {str(entry.number): entry.digest for entry in reader.entries()} == dict(lines)
    assert len(lines) == 240 and verdict(path).size == 240 and verdict(path).intact


def test_what_was_acknowledged_survives_kill_9(path: Path) -> None:
    acknowledged: dict[str, str] = {}
    for until in (1, 3, 7, 20, 41):
        process = appender(path, 100_000, 1 + until % 3)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(until)]
        process.send_signal(signal.SIGKILL)
        lines += process.communicate(timeout=PATIENCE_SECONDS)[0].splitlines(keepends=True)
        acknowledged |= dict(line.split() for line in lines if line.endswith("\n"))
    with LedgerReader(path) as reader:
        kept = {str(entry.number): entry.digest for entry in reader.entries()}
    assert acknowledged.items() <= kept.items() and len(acknowledged) >= 72
    assert verdict(path).intact


# -- what can't be kept is told


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(folder)]
    if os.getuid() != 0 or shutil.which("mount") is None or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_and_loses_nothing_that_was_acknowledged(small_disk: Path) -> None:
    path = small_disk / "ledger.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 65_536)
    large = Note(CRON, words.Stop(reason="r" * 4_000))
    acknowledged = []
    with Ledger(path) as ledger:
        with pytest.raises(StoreError, match="nothing of this is on record") as told:
            while True:
                acknowledged.append(ledger.append(large))
        assert "make room" in told.value.advice
        with LedgerReader(path) as reader:
            assert [entry.digest for entry in reader.entries()] == [receipt.digest for receipt in acknowledged]
        ballast.unlink()
        assert ledger.append(beat()).number == len(acknowledged)  # tried anew, with room
    assert verdict(path).intact and verdict(path).size == len(acknowledged) + 1


_LIMITED = """
import resource, signal, sys
from pathlib import Path
from tests.support.ledgers import beat
from watchfloor.errors import StoreError
from watchfloor.records.ledger import Ledger
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
done = 0
with Ledger(Path(sys.argv[1])) as ledger:
    try:
        while True:
            done = ledger.append(beat()).number + 1
    except StoreError as error:
        sys.stdout.write(f"{done} {error}")
"""


def test_a_write_that_fails_is_told(path: Path) -> None:
    command = [sys.executable, "-c", _LIMITED, str(path)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_SECONDS, check=True, env={**os.environ}
    )
    count, _, text = done.stdout.partition(" ")
    assert "nothing of this is on record in the ledger" in text, done
    assert verdict(path).intact and verdict(path).size == int(count) > 10


def test_a_file_that_was_moved_away_takes_no_entries(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.append(beat())
        path.rename(path.with_name("elsewhere.db"))
        with pytest.raises(StoreError, match="moved or removed"):
            ledger.append(beat())
        assert ledger.append(beat()).number == 0  # a new one, as was told


def test_nothing_is_appended_to_an_altered_end(path: Path) -> None:
    written(path, [beat(0), beat(1)])
    with tampered(path) as base:
        base.execute("UPDATE entry SET text = replace(text, 's1', 's9') WHERE number = 1")
    with Ledger(path) as ledger, pytest.raises(StoreError, match="altered at its end") as told:
        ledger.append(beat())
    assert "audit verify" in told.value.advice
    assert numbers(path) == [0, 1]


@pytest.mark.parametrize("sql", ["UPDATE entry SET text = ''", "DELETE FROM entry"])
def test_entries_are_guarded_against_accidents(path: Path, sql: str) -> None:
    base = sqlite3.connect(written(path))
    with pytest.raises(sqlite3.IntegrityError, match="never"):
        base.execute(sql)
    base.close()


def test_what_is_no_ledger_is_left_alone(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    base = sqlite3.connect(other)
    base.execute("CREATE TABLE finding (x)")
    base.close()
    with Ledger(other) as ledger, pytest.raises(StoreError, match="no ledger"):
        ledger.append(beat())
    with pytest.raises(StoreError, match="no ledger"):
        LedgerReader(other)
    (tmp_path / "text.db").write_text("not a database at all, but some text " * 100)
    with Ledger(tmp_path / "text.db") as ledger, pytest.raises(StoreError, match="not a database"):
        ledger.append(beat())


def test_a_ledger_of_a_newer_watchfloor_is_left_alone(path: Path) -> None:
    with tampered(written(path)) as base:
        base.execute("PRAGMA user_version = 99")
    with Ledger(path) as ledger, pytest.raises(StoreError, match="newer watchfloor"):
        ledger.append(beat())
    with pytest.raises(StoreError, match="newer watchfloor"):
        LedgerReader(path)


def test_a_ledger_that_is_not_there_is_not_made_by_reading(path: Path) -> None:
    with pytest.raises(StoreError, match="there is no ledger"):
        LedgerReader(path)
    assert not path.exists()


def test_what_is_not_read_to_its_end_may_be_dropped_after_its_reader_is_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(path, story())
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    with LedgerReader(path) as reader:
        entries = reader.entries(newest_first=True)
        assert next(entries).number == len(story()) - 1
    del entries
    assert complaints == []


def test_a_copy_on_a_medium_that_can_not_be_written_is_read(path: Path, small_disk: Path) -> None:
    copy = small_disk / "ledger.db"
    shutil.copy(written(path), copy)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert verdict(copy).intact and numbers(copy) == numbers(path)


# -- asking


def test_entries_are_found_by_whom_and_what_they_concern(path: Path) -> None:
    with Ledger(path, clock=iter(range(1_000_000_000, 10**12, 1_000_000_000)).__next__) as ledger:
        ledger.append_all(story())
        ledger.append(Note(ANNA, words.Stop(reason="x"), (node("n22"), "job:ray:142")))
    odd = list(range(1, 19, 2))
    assert numbers(path, Wanted(node="n2")) == odd
    assert numbers(path, Wanted(job="42")) == numbers(path, Wanted(job="slurm:42")) == odd
    assert numbers(path, Wanted(person="carol")) == odd
    assert numbers(path, Wanted(person="bob")) == [2, 5, 8, 11, 14, 17]
    assert numbers(path, Wanted(person="anna", kinds=("stop",))) == [19]
    assert numbers(path, Wanted(run="run-1")) == [6, 7, 8, 9, 10, 11]
    assert numbers(path, Wanted(plan="cdcd")) == list(range(6, 19))
    assert numbers(path, Wanted(kinds=("intent", "applied"))) == [9, 10]
    assert numbers(path, Wanted(verdict="needs-approval")) == [4]
    assert numbers(path, Wanted(verdict="permit")) == []
    assert numbers(path, Wanted(since=4.0, until=6.0)) == [3, 4, 5]
    assert numbers(path, Wanted(node="n2"), 2, True) == [17, 15]


def test_what_came_of_a_playbook_is_found_also_where_no_plan_came_of_it(path: Path) -> None:
    proposed = words.Proposed(reason="XID 79", playbook="fatal-xid")
    written(
        path,
        [
            Note(CRON, words.Proposed(reason="by hand", playbook="drain-node"), (), "r0", "aa"),
            Note(CRON, proposed, (), "r1", "bb"),
            Note(ANNA, words.Approval(reason="seen it"), (), "", "bb"),
            Note(CRON, words.Outcome(outcome="succeeded"), (), "r1"),
            Note(CRON, words.Refused(why="cooldown", what="fatal-xid")),
            Note(CRON, words.Refused(why="cooldown", what="drain-node")),
        ],
    )
    assert numbers(path, Wanted(playbook="fatal-xid")) == [1, 2, 3, 4]


def test_a_run_is_found_by_its_index(path: Path) -> None:
    base = sqlite3.connect(written(path))
    sql = "EXPLAIN QUERY PLAN SELECT number FROM entry WHERE json_extract(text, '$.entry.run') = ? ORDER BY number"
    assert "entry_run" in str(base.execute(sql, ("run-1",)).fetchall())
    base.close()


def test_an_altered_entry_that_can_not_be_read_is_named(path: Path) -> None:
    with tampered(written(path)) as base:
        base.execute("UPDATE entry SET text = '{}' WHERE number = 3")
    with LedgerReader(path) as reader, pytest.raises(StoreError, match="entry 3 of"):
        list(reader.entries())
