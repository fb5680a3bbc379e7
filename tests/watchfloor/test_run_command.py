"""`watchfloor run`: how long it waits for an approval, what ends that, and what it says and ends with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.plan import Asked, CannotPlan, make_plan
from tests.support.frames import settled
from tests.support.road import ANNA, Road, node, origin
from tui.present.choice import Sort
from tui.present.rows import Column
from tui.present.runs import RunTable, steps_lines
from tui.present.style import UNICODE
from watchfloor import cli
from watchfloor.actingfeed import ActingFeed
from watchfloor.change import Plan, Ruling, Verdict
from watchfloor.cli import _explained
from watchfloor.commands import run as command
from watchfloor.errors import NothingToDo
from watchfloor.exits import Exit
from watchfloor.lineage.times import Times
from watchfloor.model import Scope
from watchfloor.playbook import Guards, Playbook, StepRule
from watchfloor.ports import Weighed
from watchfloor.records.ledgerentry import Note
from watchfloor.records.ledgerreader import LedgerReader
from watchfloor.records.ledgerwords import Outcome as Ended
from watchfloor.snapshot.runs import runs_text
from watchfloor.stopping import stopped

ONE = Playbook(
    "one",
    "set",
    steps=(StepRule("first", "set_value", parameters={"value": "a"}),),
    guards=Guards(at_once=0, most_targets=1000),
)
LONG = 3600.0  # seconds; nobody waits for so long here


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    road = Road(tmp_path)
    road.verdict = Verdict(Ruling.NEEDS_APPROVAL, approvals=1)
    yield road
    road.close()


def plan(road: Road) -> Plan:
    return road.planned(ONE, "dgx-01")


def asked(wait: float, apply: bool = True) -> Any:
    return command._Asked("one", 'node == "dgx-01"', {}, "because", apply, wait, True, ANNA)


async def applied(road: Road, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Plan, str], object]) -> int:
    """What the command ends with; something happens once it waits."""
    monkeypatch.setattr(command, "_POLL_SECONDS", 0.01)
    harness = road.console()
    waits = asyncio.Event()

    def approved(plan: Plan) -> bool:
        waits.set()
        return road.approved

    at: Any = SimpleNamespace(harness=harness, approved=approved, book=road.book)
    decision = await harness.propose(plan(road))
    waiting = asyncio.create_task(command._applied(asked(LONG), at, decision))
    await waits.wait()
    meanwhile(decision.plan, decision.run)
    return await asyncio.wait_for(waiting, 30.0)


def rejected(road: Road) -> Callable[..., object]:
    return lambda *_: setattr(road, "rejected", ("bob",))


def taken_back(road: Road) -> Callable[..., object]:
    return lambda *_: setattr(road, "withdrawn", ("bob",))


def denied(road: Road) -> Callable[..., object]:
    return lambda *_: setattr(road, "verdict", Verdict(Ruling.DENY, ("a freeze",)))


def grown_old(road: Road) -> Callable[..., object]:
    def passes(plan: Plan, run: str) -> None:
        road.fleet.now = plan.expires

    return passes


def all_stopped(road: Road) -> Callable[..., object]:
    return lambda *_: road.ledger.append(stopped(ANNA, "the cooling plant is down"))


def ended_elsewhere(road: Road) -> Callable[..., object]:
    def ended(plan: Plan, run: str) -> None:
        body = Ended(outcome="refused", text="over: run r9 has begun with the approvals of this plan")
        road.ledger.append(Note(ANNA, body, (), run, plan.digest))

    return ended


@pytest.mark.parametrize(
    ("happens", "code", "said"),
    [
        (rejected, Exit.DENIED, "rejected: 0 of 1"),
        (taken_back, Exit.WAITS_FOR_APPROVAL, "not-approved"),
        (denied, Exit.DENIED, "denied: a freeze"),
        (grown_old, Exit.VOID, "expired"),
        (all_stopped, Exit.INTERLOCKED, "the cooling plant is down"),
        (ended_elsewhere, Exit.VOID, "run r9 has begun"),
    ],
)
async def test_nobody_is_waited_for_whose_approval_could_not_count_any_more(
    road: Road,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    happens: Callable[[Road], Callable[..., object]],
    code: Exit,
    said: str,
) -> None:
    assert await applied(road, monkeypatch, happens(road)) == code
    told = json.loads(capsys.readouterr().out)
    assert said in told["said"] and not road.nodes.log


async def test_what_an_interlock_holds_while_it_lacks_an_approval_ends_as_interlocked(
    road: Road, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the dry run says it, and not as if an approval were all that it lacks."""
    made = plan(road)
    road.fleet.now += 120.0
    harness = road.console()
    decision = await harness.propose(made)
    assert decision.ruling == "interlocked" and "fresh_telemetry" in decision.held
    at: Any = SimpleNamespace(harness=harness, approved=lambda plan: road.approved, book=road.book)
    assert await command._applied(asked(0.0), at, decision) == Exit.INTERLOCKED
    assert json.loads(capsys.readouterr().out)["why"] == "interlocked"
    assert not harness.in_vain(decision.run), "interlocks let go: an approval may still come"


async def test_the_cause_of_an_interlock_comes_before_what_policy_says(road: Road) -> None:
    """In the answer at the terminal, in the table of runs, and on the runs page: each has one line."""
    road.verdict = Verdict(Ruling.NEEDS_APPROVAL, ("another person has to approve",), approvals=1)
    made = plan(road)
    road.fleet.now += 120.0
    at: Any = SimpleNamespace(harness=road.console())
    put = await ActingFeed._proposed(at, Weighed(made, "interlocked"))
    assert f"run {put.run} is held back by fresh_telemetry: the newest frame is" in put.said
    run = road.book.run(put.run)
    assert run is not None and run.held_back.startswith("the newest frame is")
    table = runs_text([run], Times(road.now(), UTC))
    assert "interlocked: the newest frame is" in table and "another person" not in table
    page = "".join(text for text, _ in steps_lines(run, 120, 3, road.now(), UNICODE)[0])
    assert "interlocked   the newest frame is" in page
    cells = RunTable([run], [Column("note", "NOTE", 60)], Sort("when", True), Times(road.now(), UTC)).cells(0)
    assert cells[0][0].startswith("dgx-01: the newest frame is")


async def test_once_it_is_approved_it_is_done(
    road: Road, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await applied(road, monkeypatch, lambda *_: setattr(road, "approved", True)) == Exit.OK
    assert road.nodes.log == ["dgx-01=a"] and json.loads(capsys.readouterr().out)["result"] == "succeeded"


# -- plans that can't be


def test_a_plan_that_the_ledger_could_not_keep_whole_is_refused_in_words(road: Road) -> None:
    steps = tuple(StepRule(f"s{n}", "set_value", parameters={"value": "v" * 9000}) for n in range(60))
    with pytest.raises(CannotPlan, match=r"60 steps on 1 targets make a plan of \d\.\d MiB, and 1 MiB") as told:
        make_plan(replace(ONE, steps=steps), [node("dgx-01")], road.scene(), road.actions, Asked(ANNA, origin(), 0.0))
    assert "--target" in told.value.advice
    assert _explained(told.value)[0] is Exit.NO_PLAN and _explained(NothingToDo("all is well"))[0] is Exit.NOTHING_TO_DO


@pytest.mark.parametrize(
    ("scope", "target", "named"),
    [
        (Scope.ACCELERATOR, 'node == "dgx-04" and util > 500', ["dgx-04: "]),
        (Scope.ACCELERATOR, "util > 500 for 10m", ["dgx-04: ", "l40-03: "]),
        (Scope.ACCELERATOR, 'node == "dgx-01" and util > 500', []),
        (Scope.ACCELERATOR, 'rack == "r1" and node ~ "^l40" and util > 500', []),
        (Scope.NODE, "load1 > 5000", ["dgx-04: ", "l40-03: "]),
        (Scope.NODE, 'name == "nobody"', []),
        (Scope.JOB, 'user == "nobody"', []),
    ],
)
async def test_no_target_is_no_word_of_nodes_that_have_not_told(scope: Scope, target: str, named: list[str]) -> None:
    """Whoever reads "nothing to do" takes it for that: it is said only where nothing can be on what isn't known."""
    put: list[CannotPlan] = []

    async def not_planned(playbook: Playbook, who: object, error: CannotPlan) -> None:
        put.append(error)

    at: Any = SimpleNamespace(floor=SimpleNamespace(frame=settled), not_planned=not_planned)
    wanted = command._Asked("one", target, {}, "because", True, 0.0, False, ANNA)
    playbook = replace(ONE, scope=scope)
    assert command._targets(wanted, playbook, settled()) == []
    untold = command._untold(wanted, playbook, settled())
    assert [name for name in ("dgx-04: ", "l40-03: ") if name in untold] == named
    if not named:
        assert await command._nothing(wanted, at, playbook, untold) is Exit.NOTHING_TO_DO and not put
        return
    with pytest.raises(CannotPlan) as told:
        await command._nothing(wanted, at, playbook, untold)
    assert [name for name in ("dgx-04: ", "l40-03: ") if name in told.value.message] == named
    assert put == [told.value] and _explained(told.value)[0] is Exit.NO_PLAN


@pytest.mark.parametrize(("apply", "kinds"), [(True, ["refused"]), (False, [])])
async def test_what_could_not_be_planned_is_on_record_where_it_was_to_be_done(
    road: Road, apply: bool, kinds: list[str]
) -> None:
    from watchfloor.acting import Post  # noqa: PLC0415

    def too_large(*_: object) -> Plan:
        raise CannotPlan("900 steps are too much", "ask for less")

    at: Any = SimpleNamespace(plan=too_large, book=road.book)
    at.not_planned = lambda *given: Post.not_planned(at, *given)
    road.ledger.append(Note(ANNA, Ended(outcome="failed"), (), "r0"))  # so that there is a ledger
    with pytest.raises(CannotPlan):
        await command._planned(asked(0.0, apply), at, ONE, [node("dgx-01")])
    told = road.entries()[1:]
    assert [entry.kind for entry in told] == kinds
    assert all("900 steps" in entry.body["text"] and entry.body["what"] == "one" for entry in told)


@pytest.mark.parametrize("apply", [True, False])
def test_what_is_refused_for_limits_that_cannot_be_read_is_on_record_where_it_was_to_be_done(
    apply: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "config" / "watchfloor").mkdir(parents=True)
    (tmp_path / "config" / "watchfloor" / "limits.yaml").write_text("rack_nodes: many\n")
    words = ["run", "drain-node", "--target", 'node == "n1"', *(["--apply", "--no-record"] if apply else [])]
    assert cli.run(words) == Exit.USAGE
    assert "limits.yaml:1:13" in capsys.readouterr().err
    ledger = tmp_path / "state" / "watchfloor" / "ledger.db"
    assert ledger.exists() is apply
    if apply:
        with LedgerReader(ledger) as reader:
            (entry,) = reader.entries()
        assert (entry.kind, entry.body["why"], entry.body["what"]) == ("refused", "no-settings", "drain-node")
        assert "limits.yaml:1:13" in entry.body["text"]
