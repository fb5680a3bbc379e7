"""What watchfloor did, in lineage: joined from a ledger, told to a store as it happens, folded for people."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.support import lineages, runstory
from tests.support.lineages import GPU, MINUTE, NAMES, RUN, TEN
from tui.present.lineage import begins_folded, rows_of
from watchfloor.change import Impact, Origin, Plan, plain
from watchfloor.ledgerfollower import LedgerPicture
from watchfloor.lineage.acts import MOST_STEPS, findings_of, graph_of, of_run
from watchfloor.lineage.branch import lines
from watchfloor.lineage.graph import Edge, Entity, Graph, Key, Kind, Relation
from watchfloor.lineage.times import Times
from watchfloor.lineage.tree import tree
from watchfloor.lineage.watch import Watch
from watchfloor.lineageacts import FollowedActs
from watchfloor.lineagebook import LineageBook
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.record import Record
from watchfloor.records import ledgerwords as words
from watchfloor.records.lineage import LineageStore
from watchfloor.runs import Heard, RunRecord, fold
from watchfloor.snapshot.lineage import LineageReport

NOW = Times(TEN + 120 * MINUTE)
JOB, NODE = Key(Kind.JOB, "slurm:4242"), Key(Kind.NODE, "n2")
BY_HAND = "r0123456789"


def told(root: Key, *runs: RunRecord) -> str:
    acts, whole = graph_of(runs), lineages.graph()
    return "\n".join(
        lines(tree(Graph([*acts.entities.values(), *whole.entities.values()], [*whole.edges, *acts.edges]), root, NOW))
    )


def drained_by_hand(outcome: str = "succeeded", begun: bool = True) -> RunRecord:
    """A person drains the node while the job runs there, and names no finding."""
    plan = runstory.planned("drain-node", runstory.BOB, Origin("fan swap"), [runstory.drain("n2", "fan swap")], TEN)
    at = 30 * MINUTE
    proposed = words.Proposed(reason="fan swap", playbook="drain-node", plan=plain(plan))
    done = [(at + 1, runstory.BOB, body) for _, _, body in runstory.done(plan.steps[0], 0.0, BY_HAND)] if begun else []
    over = [(at + 9, runstory.BOB, words.Outcome(outcome=outcome, text="because"))] if outcome else []
    entries = lineages.told_of(BY_HAND, plan, (at, runstory.BOB, proposed), *done, *over)
    return fold(entries)[BY_HAND]


def book_of(folder: Path, *told: Watch) -> LineageBook:
    store = LineageStore(str(folder / "lineage.db"))
    for watch in told:
        while changes := watch.due():
            store.save(changes, TEN + 110 * MINUTE)
            watch.saved(changes)
    return LineageBook(store)


def picture(*runs: RunRecord) -> LedgerPicture:
    return LedgerPicture(Path("ledger.db"), 99, runs)


# -- joined


def test_what_somebody_did_to_the_node_of_a_job_is_told_with_the_attempt_that_was_there(tmp_path: Path) -> None:
    """No finding led to it, and no job was planned to be harmed."""
    book = book_of(tmp_path, lineages.watched())
    text = book.report("4242", NOW.now, ledger=picture(drained_by_hand())).text()
    first, second = text.split("attempt 2 runs")[-2:]
    assert "plan" in first and "of drain-node at 10:00, asked by bob: fan swap" in first, "as the first attempt ran"
    assert f"carried out as run {BY_HAND} 10:30–10:30: succeeded" in first and BY_HAND not in second
    late = replace(drained_by_hand(), run="rlater")
    assert "rlater" in book.report("n2", NOW.now, ledger=picture(late)).text()


def test_a_plan_that_never_began_says_how_it_stands_and_acted_on_nothing() -> None:
    assert f"run {BY_HAND} was refused at 10:30: because" in told(NODE, drained_by_hand("refused", begun=False))
    waits = replace(drained_by_hand("", begun=False), ruling="needs-approval")
    assert f"└ run {BY_HAND} waits for approval" in told(NODE, waits)
    acted = [one for one in of_run(waits) if isinstance(one, Edge) and one.relation is Relation.ACTED_ON]
    assert acted == [] and "carried out" not in told(NODE, waits)


def test_a_plan_that_has_all_its_approvals_waits_for_none(tmp_path: Path) -> None:
    book, entries = book_of(tmp_path, lineages.watched()), lineages.entries()
    waits, approved = (fold(entries[:most])[RUN] for most in (2, 3))
    assert f"run {RUN} waits for approval" in told(JOB, waits)
    assert f"run {RUN} may begin" in told(JOB, approved) and "waits" not in told(JOB, approved)
    answer = book.report("4242", NOW.now, ledger=picture(approved)).answer
    assert f"run {RUN} of fatal-xid, approved by anna, may begin" in answer
    disowned = replace(approved, heard={approved.given[0].number: Heard("anna", "revoked")})
    assert f"run {RUN} waits for approval" in told(JOB, disowned)


def test_a_plan_is_told_once_and_then_only_named() -> None:
    text = told(NODE, *lineages.repaired())
    assert text.count("approved by anna") == 1 and text.count("led to plan") == 1
    assert told(JOB, *lineages.repaired()).count("approved by anna") == 1


def test_of_other_jobs_that_a_run_acted_on_no_more_is_told_than_what_became_of_them(tmp_path: Path) -> None:
    other = lineages.job(lineages.FIRST, id="slurm:9", number="9", name="other")
    watch = lineages.watched()
    watch.update(TEN + 105 * MINUTE, [other], {}, (), {}, NAMES)
    book = book_of(tmp_path, watch)
    (run,) = lineages.repaired()
    hit = words.JobImpact(job="slurm:9", effect="ended", user="bob")
    text = book.report("4242", NOW.now, ledger=picture(replace(run, impacts=(*run.impacts, hit)))).text()
    assert "job 9 (bob) ended" in text and "slurm:9" not in text


def test_a_rejection_and_a_withdrawal_are_told_as_such() -> None:
    at, plan = 99.3 * MINUTE, lineages.REPAIR
    said = [
        (at, runstory.ANNA, words.Rejection(reason="not now")),
        (at, runstory.BOB, words.Withdrawal(reason="wrong node")),
    ]
    first, *rest = lineages.entries()
    run = fold([first, *lineages.told_of(RUN, plan, *said), *rest])[RUN]
    text = told(JOB, run)
    assert "rejected by anna at 11:39: not now" in text and "withdrawn by bob at 11:39: wrong node" in text


def test_what_led_to_a_plan_is_what_its_origin_names() -> None:
    def of(origin: Origin) -> list[str]:
        return findings_of(runstory.planned("p", runstory.CRON, origin, [lineages.DRAIN], TEN))

    assert of(lineages.GONE) == ["xid-fatal@n2/GPU-2-3"]
    assert of(Origin("", "finding power", "power", "node:n2")) == ["power@n2"]
    assert of(Origin("", "", "xid-fatal", "n2/GPU-2-3")) == ["xid-fatal@n2/GPU-2-3"]
    assert of(Origin("somebody wants it")) == []


def test_a_run_of_many_steps_is_bounded_and_says_how_many_there_are() -> None:
    steps = [msgspec.structs.replace(lineages.DRAIN, key=f"s{n}") for n in range(MOST_STEPS + 5)]
    plan: Plan = runstory.planned("many", runstory.CRON, Origin("x"), steps, TEN, Impact())
    proposed = words.Proposed(reason="x", playbook="many", plan=plain(plan))
    intents = [(1.0, runstory.CRON, runstory.begun(step, 0.0, "rmany")[2]) for step in steps]
    run = fold(lineages.told_of("rmany", plan, (0.0, runstory.CRON, proposed), *intents))["rmany"]
    entities = [one for one in of_run(run) if isinstance(one, Entity)]
    assert sum(one.key.kind is Kind.STEP for one in entities) == MOST_STEPS
    assert entities[0].facts["steps"] == str(MOST_STEPS + 5)


def test_no_secret_of_a_reason_is_told() -> None:
    first, *rest = lineages.entries()
    said = [(99.3 * MINUTE, runstory.BOB, words.Approval(reason="token=hf_abcdefghijklmnopqrstuvwx"))]
    run = fold([first, *lineages.told_of(RUN, lineages.REPAIR, *said), *rest])[RUN]
    assert "hf_abc" not in "".join(map(repr, of_run(run)))


# -- told to a store as it happens


class Follower:
    """A ledger of runs that are there already; `held`: it doesn't answer."""

    def __init__(self, runs: Sequence[RunRecord]) -> None:
        self.runs, self.held, self.asked = tuple(runs), threading.Event(), 0
        self.held.set()

    def look(self) -> LedgerPicture:
        self.asked += 1
        assert self.held.wait(30)
        return picture(*self.runs)


@pytest.fixture
def recent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The story is of today."""
    monkeypatch.setattr(time, "time", lambda: NOW.now)


def test_a_console_with_another_ledger_reads_it_from_the_store(recent: None, tmp_path: Path) -> None:
    """The one that acts has told it, the attempt that was on the node included; the other has no ledger at hand."""
    watch, follower = lineages.watched(), Follower([*lineages.repaired(), drained_by_hand()])
    asyncio.run(FollowedActs(follower.look, watch).close())
    book = book_of(tmp_path, watch)
    there, here = book.report("4242", NOW.now), book.report("4242", NOW.now, ledger=picture(*follower.runs))
    assert f"carried out as run {RUN} 11:39–11:40: succeeded" in there.text()
    assert there.text() == here.text() and there.answer == here.answer
    assert book.report(RUN, NOW.now).text() == book.report(RUN, NOW.now, ledger=picture(*follower.runs)).text()


def test_a_run_is_told_again_once_more_of_it_is_on_record_and_else_never(recent: None) -> None:
    watch = Watch()
    whole, *_ = lineages.repaired()
    follower = Follower([replace(whole, outcome="", ended=0.0, entries=(0, 3))])
    acts = FollowedActs(follower.look, watch)

    def news() -> set[str]:
        asyncio.run(acts.close())
        due = watch.due()
        watch.saved(due)
        return {one.facts["stands"] for one in due.entities if one.key.kind is Kind.RUN}

    assert news() == {"running"} and news() == set()
    follower.runs = (whole,)
    assert news() == {"succeeded"} and news() == set()


async def test_a_ledger_that_does_not_answer_holds_up_nothing(recent: None, monkeypatch: pytest.MonkeyPatch) -> None:
    watch, follower = Watch(), Follower(lineages.repaired())
    monkeypatch.setattr("watchfloor.lineageacts._EVERY_SECONDS", 0.0)
    monkeypatch.setattr("watchfloor.lineageacts._LAST_SECONDS", 0.01)
    follower.held.clear()
    acts = FollowedActs(follower.look, watch)
    for _ in range(5):
        acts.look()
        await asyncio.sleep(0)  # whoever looks goes on at once
    await acts.close()
    assert follower.asked <= 1 and not watch.due()
    follower.held.set()


def test_what_is_older_than_lineage_is_kept_for_is_not_told_anew(recent: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW.now + 100 * 86_400)
    watch = Watch()
    asyncio.run(FollowedActs(Follower(lineages.repaired()).look, watch).close())
    assert not watch.due()


# -- equal findings


def braked(boards: int) -> LineageReport:
    watch = Watch()

    def brake(board: int) -> Record:
        subject = Subject(Scope.ACCELERATOR, "n2", f"GPU-{board}")
        finding = Finding(subject, "power-brake", State.WARNING, f"gpu{board} of n2 is slowed")
        return Record(finding, TEN + board * 10 * MINUTE, TEN + 60 * MINUTE)

    names = replace(NAMES, of=lambda subject: f"n2/gpu{subject.key.rpartition('-')[2]}")
    other = Record(replace(lineages.XID, subject=GPU), TEN + 50 * MINUTE, TEN + 60 * MINUTE)
    watch.update(TEN + 60 * MINUTE, [lineages.job(lineages.FIRST)], {}, [*map(brake, range(boards)), other], {}, names)
    due = watch.due()
    return LineageReport(Graph(due.entities, due.edges), JOB, NOW)


def test_findings_that_say_the_same_of_several_boards_are_one_line_for_people_and_each_in_json() -> None:
    report = braked(5)
    (line,) = [line for line in report.text().splitlines() if "power-brake" in line]
    assert "finding power-brake on n2/gpu[0-4], 5 times, first 10:00, last 10:40: gpu0 of n2 is slowed" in line
    assert "XID 79" in report.text(), "another finding stands by itself"
    attempt = report.document()["tree"]["children"][0]  # type: ignore[index]
    assert sum("power-brake" in child["text"] for child in attempt["children"]) == 5
    assert braked(1).text().count("power-brake on n2/gpu0 since") == 1


def test_on_the_page_such_a_line_comes_folded_and_unfolds_to_each_of_them() -> None:
    tree = braked(5).folded
    shut = [row for row in rows_of(tree, begins_folded(tree)) if "power-brake" in row.branch.text]
    assert [row.folded for row in shut] == [True]
    assert sum("power-brake" in row.branch.text for row in rows_of(tree, ())) == 6
