"""Following a ledger: what is appended shows, what isn't costs nothing, and a file that goes or comes is noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

from agents.plan import Asked, make_plan, single
from tests.support.ledgers import CRON, story, written
from tests.support.road import ANNA, Road, node, origin
from watchfloor.change import Plan, Ruling, Verdict
from watchfloor.ledgerfollower import MOST_RUNS, LedgerFollower
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note
from watchfloor.records.ledgerreader import Wanted
from watchfloor.records.ledgerwords import Approval, Proposed, Rejection, Resume, Stop
from watchfloor.runs import Standing

WAITS = Verdict(Ruling.NEEDS_APPROVAL, ("it takes a node out",), ("r3",), approvals=1)


def plan(road: Road, name: str = "dgx-01") -> Plan:
    playbook = single("drain", road.actions["drain"], {"value": "drained"})
    return make_plan(playbook, [node(name)], road.scene(), road.actions, Asked(ANNA, origin(), road.now()))


def test_where_no_ledger_is_nothing_is_read_until_there_is_one(tmp_path: Path) -> None:
    place = tmp_path / "ledger.db"
    follower = LedgerFollower(place)
    before = follower.look()
    assert (before.size, before.runs, before.trouble) == (0, (), "")
    assert follower.look() is before
    written(place)
    after = follower.look()
    assert after.size == len(story()) and after.runs


def test_nothing_new_is_the_same_picture_and_one_entry_makes_another(tmp_path: Path) -> None:
    place = written(tmp_path / "ledger.db")
    follower = LedgerFollower(place)
    first = follower.look()
    assert all(follower.look() is first for _ in range(9))
    with Ledger(place) as ledger:
        ledger.append(Note(ANNA, Stop(reason="storm")))
        assert follower.look().stopped == "storm (anna)"
        ledger.append(Note(ANNA, Resume(reason="over")))
        assert follower.look().stopped == ""


async def test_a_plan_waits_until_enough_have_said_yes_somebody_no_or_it_is_too_old(tmp_path: Path) -> None:
    road = Road(tmp_path, verdict=WAITS)
    follower = LedgerFollower(road.ledger.path)
    decision = await road.console().propose(plan(road))
    picture, now = follower.look(), road.now()
    assert [run.run for run in picture.waiting(now)] == [decision.run]
    assert picture.waiting(decision.plan.expires) == []
    road.ledger.append(Note(CRON, Rejection(reason="no"), (), decision.run, decision.plan.digest))
    assert follower.look().waiting(now) == []
    other = await road.console().propose(plan(road, "dgx-02"))
    road.ledger.append(Note(ANNA, Approval(reason="go"), (), "", other.plan.digest))
    run = follower.look().run(other.run)
    assert run is not None and run.approved_by == ("anna",) and not run.waits(now)
    assert run.standing is Standing.WAITING
    road.close()


def gone(place: Path) -> None:
    for file in place.parent.glob("ledger*"):
        file.unlink()


async def test_a_ledger_that_is_another_one_is_read_anew(tmp_path: Path) -> None:
    road = Road(tmp_path / "one", verdict=WAITS)
    await road.console().propose(plan(road))
    follower = LedgerFollower(road.ledger.path)
    assert len(follower.look().runs) == 1
    road.close()
    gone(road.ledger.path)
    assert follower.look().runs == ()
    other = written(tmp_path / "two.db", [Note(ANNA, Stop(reason="x"))])
    shutil.copy(other, road.ledger.path)
    assert follower.look().size == 1


def test_what_cannot_be_read_is_told_and_what_was_known_stays(tmp_path: Path) -> None:
    place = tmp_path / "ledger.db"
    place.write_text("this is no database, " * 100)
    follower = LedgerFollower(place)
    told = follower.look()
    assert "ledger" in told.trouble
    assert follower.look() is told


def test_the_newest_runs_of_a_long_ledger_are_told(tmp_path: Path) -> None:
    notes = [Note(ANNA, Proposed(reason="x"), (), f"r{at}", f"{at:064x}") for at in range(MOST_RUNS + 20)]
    follower = LedgerFollower(written(tmp_path / "ledger.db", notes))
    runs = follower.look().runs
    assert (len(runs), runs[0].run, runs[-1].run) == (MOST_RUNS, f"r{MOST_RUNS + 19}", "r20")


def test_the_newest_entries_come_first_and_verification_tells_how_far(tmp_path: Path) -> None:
    follower = LedgerFollower(written(tmp_path / "ledger.db"))
    assert [entry.number for entry in follower.entries(Wanted(), 3)] == [18, 17, 16]
    verdict = follower.verified()
    assert verdict.intact and verdict.size == len(story())
