"""What is kept, read: a real ledger, a real store of lineage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import lineages, runstory
from tests.support.ledgers import CRON, written
from tests.support.reports import plain, rows, value
from watchfloor.errors import StoreError
from watchfloor.lineage.graph import Changes
from watchfloor.lineage.watch import Watch
from watchfloor.model import Finding, NodeSpec, Scope, State, Subject
from watchfloor.record import Record
from watchfloor.records import ledgerwords as words
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note
from watchfloor.records.lineage import LineageStore
from watchfloor.reporting import acts, basis, changes
from watchfloor.reporting.fromledger import FromLedger, from_ledger
from watchfloor.reporting.fromlineage import KINDS, RELATIONS, attempts_of, episodes_of
from watchfloor.reporting.kept import Kept, Window
from watchfloor.reporting.reading import Places, kept
from watchfloor.reporting.spans import total, united

NOW = 1_800_000_000.0
DAY = Window(NOW - 86_400.0, NOW)
GPU = Subject(Scope.ACCELERATOR, "n1", "GPU-1")
LOST = Finding(GPU, "gpu-lost", State.CRITICAL, "gpu0 of n1 is lost", (("XID 79", "once"),))


# -- the ledger


def ledger_of(path: Path, *told: tuple[float, words.Body]) -> FromLedger:
    """`told`: seconds after the beginning of the day, in the order of their numbers."""
    clock = iter(int((DAY.since + after) * 1e9) for after, _ in told)
    with Ledger(path, "console", lambda: next(clock)) as ledger:
        for _, body in told:
            ledger.append(Note(CRON, body))
    return from_ledger(path, DAY)


def beat(session: str = "watch-1") -> words.Heartbeat:
    return words.Heartbeat(session=session, every=60.0)


def watched_seconds(found: FromLedger) -> float:
    return total(united(one.span for one in found.watching))


def test_a_daemon_watched_from_one_sign_of_life_to_the_next(tmp_path: Path) -> None:
    start = words.SessionStart(session="watch-1", version="0", mode="watch")
    stop = words.SessionStop(session="watch-1")
    told = [(0.0, start), (60.0, beat()), (120.0, beat()), (150.0, stop)]
    assert watched_seconds(ledger_of(tmp_path / "l.db", *told)) == 150.0


def test_a_daemon_that_was_killed_watched_up_to_its_last_sign(tmp_path: Path) -> None:
    told = [(0.0, beat()), (60.0, beat()), (3600.0, beat("watch-2")), (3660.0, beat("watch-2"))]
    assert watched_seconds(ledger_of(tmp_path / "l.db", *told)) == 120.0


def test_a_daemon_that_slept_watched_nothing_meanwhile(tmp_path: Path) -> None:
    assert watched_seconds(ledger_of(tmp_path / "l.db", (0.0, beat()), (60.0, beat()), (900.0, beat()))) == 60.0


def test_a_clock_that_was_set_back_is_told_and_counts_nothing_twice(tmp_path: Path) -> None:
    """A minute each: 600–660, set back to 300, 300–360."""
    found = ledger_of(tmp_path / "l.db", (600.0, beat()), (660.0, beat()), (300.0, beat()), (360.0, beat()))
    assert watched_seconds(found) == 120.0
    (remark,) = basis.section(Kept(DAY, entries=found.entries)).remarks
    assert remark == "a clock was set back once, by 360 s at most: durations across that are wrong"


def test_a_run_that_began_before_the_window_is_read_whole(tmp_path: Path) -> None:
    story = runstory.written(tmp_path / "l.db", NOW)
    story.ledger.close()
    found = from_ledger(tmp_path / "l.db", Window(NOW - 91.5 * 60, NOW))
    failed = found.runs["r8d41f00c3e"]
    assert failed.proposed == NOW - 95 * 60 and failed.plan is not None and failed.outcome == "failed"


@pytest.fixture
def morning(tmp_path: Path) -> Kept:
    story = runstory.written(tmp_path / "l.db", NOW)
    story.ledger.close()
    found = from_ledger(tmp_path / "l.db", DAY)
    return Kept(DAY, entries=found.entries, runs=found.runs, sealed=found.sealed)


def test_acts_by_verdict_and_outcome(morning: Kept) -> None:
    section = acts.section(morning)
    assert [value(section, key) for key in ("proposed", "begun", "succeeded", "commands")] == [6, 3, 1 / 3, 8]
    assert [
        row for row in rows(section, "by_verdict") if row[0] in ("drain_node", "reboot_node", "set_power_limit")
    ] == [
        ("drain_node", 3, 0, 3, 0, 0, 0),
        ("reboot_node", 1, 0, 0, 1, 0, 0),
        ("set_power_limit", 1, 1, 0, 0, 0, 0),
    ]
    outcomes = {row[0]: row[1:] for row in rows(section, "by_outcome")}
    assert outcomes["collect_evidence"] == (1, 1, 0, 0, 0, 0, 0, 1)
    assert outcomes["reboot_node"] == (0, 0, 0, 0, 0, 1, 0, 0)


def test_approvals_by_person_and_what_they_asked_for_themselves(morning: Kept) -> None:
    section = acts.section(morning)
    assert rows(section, "by_approver") == [
        ("anna", 1, 0, 0, 0, 1, pytest.approx(180.0)),
        ("bob", 1, 0, 0, 1, 0, pytest.approx(240.0)),
    ]
    assert [row[0] for row in rows(section, "by_asker")] == ["agent desk (m-1) for bob", "anna", "service cron for ops"]


def test_refusals_denials_and_missed_runs(tmp_path: Path) -> None:
    missed = words.Refused(
        why="missed", text="nobody watched when it was due", what="weekly", facts={"trigger": "cron"}
    )
    denied = words.Decided(verdict="deny", reasons=["no"], policies=[])
    held = words.Decided(verdict="interlocked", interlocks=["global-stop", "blast-radius"])
    storm = words.Refused(why="storm", text="8 at once", what="fatal-xid")
    found = ledger_of(tmp_path / "l.db", (0.0, missed), (1.0, denied), (2.0, held), (3.0, storm), (4.0, storm))
    section = acts.refusals(Kept(DAY, entries=found.entries))
    assert [row[:3] for row in rows(section, "refusals")] == [("storm", 2, "fatal-xid"), ("missed", 1, "weekly")]
    assert rows(section, "held_back") == [
        ("policy", "(none permits it)", 1),
        ("interlock", "global-stop", 1),
        ("interlock", "blast-radius", 1),
    ]
    assert rows(section, "missed") == [(DAY.since, "weekly", "missed: nobody watched when it was due")]


def test_changes_of_policy_stops_and_whether_the_ledger_is_intact(tmp_path: Path) -> None:
    policy = words.PolicyChange(digest="b" * 64, before="a" * 64, files=["default.cedar", "own.cedar"])
    limits = words.Configuration(file="/etc/watchfloor/limits.yaml", digest="c" * 64)
    found = ledger_of(tmp_path / "l.db", (0.0, policy), (1.0, limits), (2.0, words.Stop(reason="storm")))
    section = changes.section(Kept(DAY, entries=found.entries, sealed=found.sealed))
    assert [row[1:5] for row in rows(section, "changes")] == [
        ("policy", "cron", "a" * 12, "b" * 12),
        ("limits.yaml", "cron", "(first)", "c" * 12),
    ]
    assert rows(section, "stops") == [(DAY.since + 2, "stop", "cron", "storm")]
    assert value(section, "ledger_signed") == "nobody has signed any of it"


def test_an_altered_ledger_is_told_first_of_all(tmp_path: Path) -> None:
    from tests.support.ledgers import tampered  # noqa: PLC0415 - this test alone is a forger

    path = written(tmp_path / "l.db")
    with tampered(path) as base:
        base.execute("UPDATE entry SET text = replace(CAST(text AS TEXT), 'storm', 'quiet') WHERE number = 14")
    found = from_ledger(path, Window(0.0, 4e9))
    assert found.sealed.result == "altered" and "entry 14" in found.sealed.text
    figure = changes.section(Kept(DAY, sealed=found.sealed)).figures[0]
    assert figure.title == "THE LEDGER IS ALTERED" and "entry 14" in str(plain(figure.figure))


# -- lineage


def told_of(*records: tuple[float, Record]) -> Changes:
    """What one console after another makes of these sights, so many seconds into the day."""
    watch = Watch()
    for after, record in records:
        watch.update(DAY.since + after, [], {}, [record])
    return watch.due()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LineageStore]:
    store = LineageStore(str(tmp_path / "lineage.db"))
    yield store
    store.close()


def record(first: float, last: float, times: int = 1, holds: bool = True) -> Record:
    return Record(LOST, DAY.since + first, DAY.since + last, times, holds)


def spans_of(store: LineageStore) -> list[tuple[float, float | None]]:
    graph = store.between(DAY.since, DAY.until, KINDS, RELATIONS)
    found = episodes_of(graph, DAY)
    return [(one.start - DAY.since, None if one.end is None else one.end - DAY.since) for one in found]


def test_each_occurrence_of_a_finding_is_kept(store: LineageStore) -> None:
    """It held 100–200 and 5000–6000: between these it was not there, whatever lineage tells of its first and last."""
    store.save(
        told_of(
            (100.0, record(100, 100)),
            (230.0, record(100, 200, holds=False)),
            (5000.0, record(100, 5000, 2)),
            (6030.0, record(100, 6000, 2, holds=False)),
        ),
        DAY.since + 6031,
    )
    assert spans_of(store) == [(100.0, 200.0), (5000.0, 6000.0)]
    (first, _) = episodes_of(store.between(DAY.since, DAY.until, KINDS, RELATIONS), DAY)
    assert (first.node, first.part, first.scope, first.xid, first.critical) == (
        "n1", "GPU-1", "accelerator", "XID 79", True,
    )  # fmt: skip


def test_a_console_that_was_killed_leaves_no_fault_that_never_ends(store: LineageStore) -> None:
    """Its second occurrence went on when the console was killed; the next one takes it up, and sees it end."""
    before = [(100.0, record(100, 100)), (230.0, record(100, 200, holds=False)), (5000.0, record(100, 5000, 2))]
    store.save(told_of(*before), DAY.since + 5001)
    assert spans_of(store) == [(100.0, 200.0), (5000.0, None)]
    after = [(5400.0, record(100, 5060, 2)), (6030.0, record(100, 6000, 2, holds=False))]
    store.save(told_of(*after), DAY.since + 6031)
    assert spans_of(store) == [(100.0, 200.0), (5000.0, 6000.0)]


def test_attempts_say_where_they_ran_and_what_was_found_when_they_ended(store: LineageStore) -> None:
    store.save(lineages.watched().due(), lineages.TEN + 104 * lineages.MINUTE)
    window = Window(lineages.TEN, lineages.TEN + 104 * lineages.MINUTE)
    first, second = attempts_of(store.between(window.since, window.until, KINDS, RELATIONS), window)
    assert (first.name, first.user, first.account, first.nodes) == ("slurm:4242#1", "alice", "research", ("n2", "n3"))
    assert (first.accelerators, first.ended_as, first.cause) == (2, "node failed", "xid-fatal on n2/gpu3")
    assert first.last - first.start == 98 * lineages.MINUTE
    assert (second.accelerators, second.ended_as, second.last) == (None, "", window.until)


# -- all of it


def places(folder: Path, **told: Any) -> Places:
    return Places(folder / "ledger.db", str(folder / "lineage.db"), folder / "sessions", **told)


def test_where_nothing_is_kept_there_is_no_report_and_no_file_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nothing is kept"):
        kept(places(tmp_path), DAY)
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_lacks_is_named_and_the_others_are_told(tmp_path: Path) -> None:
    ledger_of(tmp_path / "ledger.db", (0.0, beat()), (60.0, beat()))
    found = kept(places(tmp_path), DAY)
    assert set(found.lacks) == {"lineage", "recordings"} and len(found.entries) == 2
    assert not (tmp_path / "lineage.db").exists()


def names(found: Kept) -> Sequence[str]:
    return [node.name for node in found.nodes]


def test_the_fleet_file_says_whose_findings_count(tmp_path: Path) -> None:
    store = LineageStore(str(tmp_path / "lineage.db"))
    store.save(told_of((100.0, record(100, 100))), DAY.since + 101)
    store.close()
    others = kept(places(tmp_path, fleet=[NodeSpec("n7", rack="r1")]), DAY)
    assert (names(others), others.episodes) == (["n7"], [])
    assert "findings on 1 node not of this fleet are left out" in others.remarks
    nobody_said = kept(places(tmp_path), DAY)
    assert names(nobody_said) == ["n1"] and nobody_said.remarks[-1].startswith("no fleet file or recording tells")
