"""Findings over time: counted, over, acknowledged, kept on disk, shared by two consoles."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.boards import Boards
from tests.support.patience import PATIENCE_SECONDS
from watchfloor.checks import CONSOLE
from watchfloor.findings import KEPT, SETTLED_SECONDS, FindingLog
from watchfloor.frame import Frame
from watchfloor.jobs.model import Job, JobState, SourceState, SourceStatus
from watchfloor.jobs.view import Jobs
from watchfloor.keeper import Keeper
from watchfloor.model import Finding, NodeStatus, Phase, Scope, State, Subject
from watchfloor.record import Acknowledgement, Record
from watchfloor.records.findings import FindingStore, StoreError

SUBJECT = Subject(Scope.ACCELERATOR, "n0", "g0")
KEY = (SUBJECT, "throttled")
HOT = Finding(SUBJECT, "throttled", State.WARNING, "gpu0 is hot", (("temp", "91"),))
OF_JOB = Finding(Subject(Scope.JOB, "", "slurm:7"), "job-on-drained-node", State.WARNING, "job 7 runs on n0")
ACK = Acknowledgement("ann", 5.0, "ticket 17")


class Floor:
    """A node whose findings a test sets."""

    def __init__(self, log: FindingLog | None = None) -> None:
        self.boards = Boards()
        self.log = log or FindingLog()

    def frame(self, *findings: Finding) -> Frame:
        return replace(self.boards.frame(), findings=findings)

    def see(self, *findings: Finding, after: float = 0.0) -> Record | None:
        """A frame with these, so many seconds later."""
        self.boards.now += after
        self.boards.pass_time(1)
        return self.log.update(self.frame(*findings)).by_key.get(KEY)


def test_a_finding_is_on_record_from_when_it_was_first_seen() -> None:
    floor = Floor()
    first = floor.see(HOT)
    assert first is not None
    later = floor.see(replace(HOT, text="gpu0 is hotter"), after=100)
    assert later is not None
    assert (later.first, later.times, later.holds) == (first.first, 1, True)
    assert later.last == floor.boards.now
    assert later.finding.text == "gpu0 is hotter"
    assert floor.log.records.of(HOT) is later


def test_what_goes_for_a_moment_is_not_over_and_what_comes_back_counts() -> None:
    floor = Floor()
    floor.see(HOT)
    seen_last = floor.boards.now
    assert floor.see() == floor.see(HOT, after=SETTLED_SECONDS - 5)
    floor.see()
    gone = floor.boards.now
    over = floor.see(after=SETTLED_SECONDS)
    assert over is not None
    assert (over.holds, over.last, over.times) == (False, gone, 1)
    assert over.last > seen_last
    again = floor.see(HOT)
    assert again is not None
    assert (again.holds, again.times, again.first) == (True, 2, over.first)


def test_what_a_silent_node_had_is_not_over() -> None:
    floor = Floor()
    floor.see(HOT)
    floor.boards.fleet.status(0, NodeStatus(Phase.BACKOFF))
    record = floor.see(after=500)
    assert record is not None
    assert record.holds
    floor.boards.fleet.status(0, NodeStatus(Phase.LIVE))
    record = floor.see()
    assert record is not None
    assert record.holds


def test_what_another_fleet_has_is_left_alone_and_what_is_of_the_console_is_not() -> None:
    floor = Floor()
    elsewhere = Finding(Subject(Scope.NODE, "far"), "oom", State.WARNING, "far away")
    broken = Finding(CONSOLE, "check-failed", State.WARNING, "broke")
    floor.log.load([Record(elsewhere, 1.0, 2.0), Record(broken, 1.0, 2.0)])
    floor.see()
    floor.see(after=SETTLED_SECONDS)
    holds = {record.finding.code: record.holds for record in floor.log.records.by_key.values()}
    assert holds == {"oom": True, "check-failed": False}


@dataclass
class JobsFloor:
    """A job whose findings and source a test sets. `silent`: a node on which it has an accelerator can't be read."""

    log: FindingLog = field(default_factory=FindingLog)
    at: float = 1_000_000.0
    source: SourceState = SourceState.OK
    job: Job | None = field(default_factory=lambda: Job("slurm:7", "alpha", "slurm", "7", state=JobState.RUNNING))
    silent: bool = False

    def see(self, *findings: Finding, after: float = 1.0) -> Record | None:
        boards = Boards()
        boards.pass_time(1)
        if self.silent:
            boards.fleet.status(0, NodeStatus(Phase.BACKOFF))
        self.at += after
        told = Jobs(
            [self.job] if self.job else [],
            owners=np.zeros(2, np.int32) if self.job else np.full(2, -1, np.int32),
            sources=[SourceStatus("alpha", "slurm", self.source)],
        )
        frame = replace(boards.frame(), at=self.at, jobs=told, findings=findings)
        return self.log.update(frame).by_key.get((OF_JOB.subject, OF_JOB.code))

    def holds_much_later(self) -> bool:
        self.see()
        record = self.see(after=SETTLED_SECONDS)
        assert record is not None
        return record.holds


def test_what_a_job_had_is_over_once_it_is_told_no_more_or_the_job_is_gone() -> None:
    goes_on, waits, gone = JobsFloor(), JobsFloor(), JobsFloor()
    for floor in (goes_on, waits, gone):
        floor.see(OF_JOB)
    assert waits.job is not None
    waits.job, gone.job = replace(waits.job, state=JobState.PENDING), None
    assert [floor.holds_much_later() for floor in (goes_on, waits, gone)] == [False, False, False]
    again = goes_on.see(OF_JOB)
    assert again is not None
    assert (again.holds, again.times) == (True, 2)


def test_what_a_job_had_is_not_over_while_nobody_could_tell() -> None:
    no_answer, silent, elsewhere = JobsFloor(), JobsFloor(), JobsFloor(job=None)
    for floor in (no_answer, silent):
        floor.see(OF_JOB)
    no_answer.source, silent.silent = SourceState.FAILED, True
    elsewhere.log.load([Record(OF_JOB, 1.0, 2.0)])  # of another fleet, for all that is known here
    assert [floor.holds_much_later() for floor in (no_answer, silent, elsewhere)] == [True, True, True]


def test_an_acknowledgement_lasts_until_it_gets_worse_or_comes_anew() -> None:
    floor = Floor()
    floor.see(HOT)
    assert floor.log.acknowledge(KEY, ACK)
    assert floor.log.records.acknowledged(HOT)
    record = floor.see(replace(HOT, text="still"), after=70)
    assert record is not None
    assert record.ack == ACK
    worse = floor.see(replace(HOT, state=State.CRITICAL))
    assert worse is not None
    assert worse.ack is None
    floor.log.acknowledge(KEY, ACK)
    floor.see()
    floor.see(after=SETTLED_SECONDS)
    again = floor.see(HOT)
    assert again is not None
    assert again.ack is None
    assert floor.log.acknowledge(KEY, ACK)
    assert floor.log.acknowledge(KEY, None)
    assert not floor.log.records.acknowledged(HOT)
    assert not floor.log.acknowledge((SUBJECT, "nothing"), ACK)


def test_only_what_is_over_can_be_cleared() -> None:
    floor = Floor()
    floor.see(HOT)
    assert not floor.log.clear(KEY)
    floor.see()
    floor.see(after=SETTLED_SECONDS)
    assert floor.log.clear(KEY)
    assert not floor.log.clear(KEY)
    assert KEY not in floor.log.records.by_key


def test_the_oldest_of_what_is_over_goes_first() -> None:
    floor = Floor()
    old = [replace(HOT, code=f"c{at}") for at in range(KEPT + 10)]
    floor.log.load(Record(finding, 0.0, float(at), holds=False) for at, finding in enumerate(old))
    floor.see(HOT)
    kept = floor.log.records.by_key
    assert len(kept) == KEPT + 1
    assert (SUBJECT, "c9") not in kept
    assert (SUBJECT, "c10") in kept


# -- on disk


def keep(path: Path, *records: Record) -> None:
    store = FindingStore(path)
    store.save({record.key: record for record in records}, [])
    store.close()


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "findings.db"
    record = Record(HOT, 1.5, 2.5, 3, False, ACK)
    keep(path, record, Record(replace(HOT, code="other"), 1.0, 2.0))
    store = FindingStore(path)
    assert store.load()[KEY] == record
    store.save({}, [KEY])
    assert list(store.load()) == [(SUBJECT, "other")]
    assert path.stat().st_mode & 0o777 == 0o600


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.watchfloor.test_findings import HOT, keep
from watchfloor.record import Record
from watchfloor.records.findings import FindingStore
store = FindingStore(Path(sys.argv[1]))
record = Record(HOT, 1.0, 2.0)
store.save({record.key: record}, [])
store._base.execute("BEGIN IMMEDIATE")
store._base.execute("DELETE FROM finding")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_console_leaves_what_it_had_saved(tmp_path: Path) -> None:
    path = tmp_path / "findings.db"
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(FindingStore(path).load()) == [KEY]


def test_a_file_of_a_newer_program_and_one_that_is_no_database_are_refused(tmp_path: Path) -> None:
    newer, garbage = tmp_path / "newer.db", tmp_path / "garbage.db"
    base = sqlite3.connect(newer)
    base.execute("PRAGMA user_version = 9")
    base.close()
    garbage.write_bytes(b"no database at all, whatever its name may say " * 100)
    for path, words in ((newer, "newer watchfloor"), (garbage, "not a database")):
        with pytest.raises(StoreError, match=words):
            FindingStore(path)


async def test_a_folder_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keeper = Keeper(tmp_path / "file" / "findings.db")
    assert "findings are not kept in" in keeper.log.records.trouble
    floor = Floor(keeper.log)
    assert floor.see(HOT) is not None
    keeper.save()
    await keeper.close()


async def saved(keeper: Keeper) -> None:
    keeper.save()
    assert keeper._saving is not None
    await asyncio.wait_for(keeper._saving, PATIENCE_SECONDS)


async def test_a_restarted_console_knows_what_was(tmp_path: Path) -> None:
    path = tmp_path / "findings.db"
    first = Keeper(path)
    floor = Floor(first.log)
    floor.see(HOT)
    first.log.acknowledge(KEY, ACK)
    await first.close()
    second = Keeper(path)
    assert second.log.records.by_key == first.log.records.by_key
    again = Floor(second.log).see(HOT)
    assert again is not None
    assert (again.times, again.ack) == (1, ACK)
    await second.close()


async def test_two_consoles_share_acknowledgements_and_what_was_cleared(tmp_path: Path) -> None:
    one, other = Keeper(tmp_path / "findings.db"), Keeper(tmp_path / "findings.db")
    floors = [Floor(keeper.log) for keeper in (one, other)]
    for floor in floors:
        floor.see(HOT)
    await saved(one)
    await saved(other)
    one.log.acknowledge(KEY, ACK)
    await saved(one)
    other.log.changed.add(KEY)  # it has something of its own to say of it
    await saved(other)
    assert other.log.records.by_key[KEY].ack == ACK
    for floor in floors:
        floor.see()
        floor.see(after=SETTLED_SECONDS)
    await saved(one)
    await saved(other)
    assert one.log.clear(KEY)
    await saved(one)
    await saved(other)
    assert KEY not in other.log.records.by_key
    await one.close()
    await other.close()
    assert FindingStore(tmp_path / "findings.db").load() == {}


async def test_a_file_that_is_locked_for_a_while_is_written_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchfloor.records.findings._WAIT_SECONDS", 0.05)
    monkeypatch.setattr("watchfloor.keeper._RETRY_SECONDS", 0.0)
    path = tmp_path / "findings.db"
    keeper = Keeper(path)
    Floor(keeper.log).see(HOT)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        await saved(keeper)
        assert keeper.log.records.trouble.endswith("database is locked")
        other.execute("COMMIT")
    await saved(keeper)
    assert keeper.log.records.trouble == ""
    await keeper.close()
    assert KEY in FindingStore(path).load()


@pytest.mark.parametrize("evidence", ["5", "[1]", "null", '[["a"]]', "x"])
async def test_a_file_with_what_nobody_wrote_is_told(tmp_path: Path, evidence: str) -> None:
    keeper = Keeper(tmp_path / "findings.db")
    Floor(keeper.log).see(HOT)
    await keeper.close()
    with closing(sqlite3.connect(tmp_path / "findings.db")) as base, base:
        base.execute("UPDATE finding SET evidence = ?", (evidence,))
    assert Keeper(tmp_path / "findings.db").log.records.trouble


async def test_nothing_is_written_while_nothing_changes(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "findings.db")
    floor = Floor(keeper.log)
    floor.see(HOT)
    await saved(keeper)
    floor.see(replace(HOT, text="gpu0 is hotter"))
    assert not keeper.log.changed
    await keeper.close()
