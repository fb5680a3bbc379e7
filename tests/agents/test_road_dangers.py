"""What would hurt somebody on the one road: acts done twice, beside one another, without leave, or told wrongly."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from agents.action import done_in_order
from agents.approvals import Choice, Said, Statement, is_requester
from agents.carrying import Result
from agents.harness import Harness
from agents.interlocks import Case, Happened, Limits
from agents.interlocks.circuit_breaker import opened
from agents.plan import CannotPlan
from agents.watchman import Account
from tests.support.frames import SyntheticFleet
from tests.support.road import ANNA, Killed, Points, Road, origin
from watchfloor.actingfeed import ActingFeed
from watchfloor.change import Deed, Done, Effect, On, Outcome, Place, Plan, Ruling, Seen, Step, Verdict
from watchfloor.commands.run import asking, myself
from watchfloor.commands.watch import _code
from watchfloor.errors import HandsError
from watchfloor.exits import Exit
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.people import People
from watchfloor.playbook import Guards, Playbook, StepRule
from watchfloor.ports import Concern, Floor, Hands, Remedy
from watchfloor.records.ledgerentry import Note, Party, Who
from watchfloor.records.ledgerwords import Intent, Rejection

WIDE = Guards(at_once=0, most_targets=20)
ONE = Playbook("one", "set", steps=(StepRule("first", "set_value", parameters={"value": "a"}),), guards=WIDE)
OUT = Playbook("out", "drain", steps=(StepRule("out", "drain", parameters={"value": "x"}),), guards=WIDE)
ASKED = Verdict(Ruling.NEEDS_APPROVAL, approvals=1)


def plan(road: Road, playbook: Playbook = ONE, *names: str) -> Plan:
    return road.planned(playbook, *names)


def two_steps(road: Road, *names: str) -> Plan:
    return msgspec.structs.replace(plan(road, ONE, *(names or ("dgx-01", "dgx-02"))), rollback=True)


# -- twice, or beside one another


async def test_a_run_that_another_console_ended_meanwhile_is_not_done_again(road: Road) -> None:
    first, second = road.console("one"), road.console("two")
    run = (await first.propose(plan(road))).run
    results = await asyncio.gather(first.carry_out(run, ANNA), _late(second, run))
    assert [result.outcome for result in results] == [Outcome.SUCCEEDED, Outcome.SUCCEEDED]
    assert road.nodes.log == ["dgx-01=a"] and road.kinds().count("outcome") == 1


async def _late(console: Harness, run: str) -> Result:
    """It has read that the run may begin; by the time that it has the lease, the run is over."""
    desk = console._desk

    async def slow() -> None:
        for _ in range(10_000):
            if (record := desk.book.run(run)) and record.outcome and not desk.leases.all():
                return
            await asyncio.sleep(0.001)  # between two looks, up to a deadline: the ledger tells nobody

    console._told_of_changes = slow
    return await console.carry_out(run, ANNA)


async def test_two_runs_of_one_console_contend_for_a_lease_as_those_of_two_do(road: Road) -> None:
    console = road.console("one")
    run = (await console.propose(plan(road))).run
    assert not road.leases.take(["run r9", "dgx-01"], "r9", "one", road.now(), 60.0)
    result = await console.carry_out(run, ANNA)
    assert result.why == "lease" and not road.nodes.log


async def test_one_console_keeps_to_so_many_runs_at_once_as_the_playbook_says(road: Road) -> None:
    console = road.console("one")
    run = (await console.propose(plan(road, replace(ONE, guards=Guards(at_once=1, most_targets=9))))).run
    assert not road.leases.take(["one, place 1 of 1"], "r9", "one", road.now(), 60.0)
    assert (await console.carry_out(run, ANNA)).why == "lease"


async def test_one_run_is_not_carried_out_twice_at_once_by_one_console(road: Road) -> None:
    console = road.console("one")
    run = (await console.propose(plan(road))).run
    results = await asyncio.gather(console.carry_out(run, ANNA), console.carry_out(run, ANNA))
    assert sorted(result.why for result in results) == ["", "lease"]
    assert road.nodes.log == ["dgx-01=a"] and road.kinds().count("outcome") == 1


async def test_of_two_acts_that_begin_at_once_the_second_sees_the_first(road: Road) -> None:
    """Each alone is within the blast radius of the rack; both are not."""
    road.limits = Limits(rack_nodes=1, rack_share=0.0, group_share=1.0, healthy_share=0.0)
    one, two = road.console("one"), road.console("two")
    first = (await one.propose(plan(road, OUT, "dgx-01"))).run
    second = (await two.propose(plan(road, OUT, "dgx-02"))).run
    for console in (one, two):
        _slow_to_keep_intents(console)
    results = await asyncio.gather(one.carry_out(first, ANNA), two.carry_out(second, ANNA))
    assert sorted(str(result.outcome) for result in results) == ["refused", "succeeded"], results
    assert len(road.nodes.log) == 1


def _slow_to_keep_intents(console: Harness) -> None:
    book = console._desk.book
    keep = book.keep

    async def slow(note: Note) -> None:
        # not waited for: it holds the gap open in which the other console would slip through
        await asyncio.sleep(0.2 if isinstance(note.body, Intent) else 0.0)
        await keep(note)

    book.keep = slow


class _DeafAfter:
    """Hands to which the way is lost after the first deed."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def do(self, deed: Deed, operation: str) -> Done:
        if self.done:
            raise HandsError("no connection", transient=True)
        self.done.append(operation)
        return Done(0)


async def test_what_was_done_before_the_way_was_lost_is_told_as_done(road: Road) -> None:
    step = plan(road).steps[0]
    hands: Hands = _DeafAfter()  # type: ignore[assignment]
    done = await done_in_order((*step.deeds, *step.deeds), hands, "r1-0-1")
    assert [(one.exit_code, one.operation) for one in done] == [(0, "r1-0-1.0"), (1, "r1-0-1.1")]


async def test_a_step_whose_second_deed_finds_no_way_is_not_begun_anew(road: Road) -> None:
    made = plan(road)
    step = made.steps[0]
    lost = msgspec.structs.replace(step.deeds[0], place=Place(On.NODE, "lost"))
    road.nodes.deaf.add("lost")
    made = msgspec.structs.replace(made, steps=(msgspec.structs.replace(step, deeds=(*step.deeds, lost), attempts=3),))
    run = (await road.console().propose(made)).run
    await road.console().carry_out(run, ANNA)
    assert road.nodes.log == ["dgx-01=a"]
    applied = [entry.body for entry in road.entries() if entry.kind == "applied"]
    told = [(body.get("operation"), body.get("exit_code")) for body in applied]
    assert told == [(f"{run}-0-1.0", 0), (f"{run}-0-1.1", 1)]


# -- undoing


async def test_what_another_run_holds_by_now_is_not_undone(road: Road) -> None:
    console = road.console("one")
    run = (await console.propose(two_steps(road))).run

    def taken(scene: object, step: Step) -> str:
        if not road.nodes.log:
            return ""
        road.leases.release(run, "one")
        road.leases.take(["dgx-01"], "r9", "two", road.now(), 60.0)
        return "another has taken over"

    road.actions["set_value"].precheck = taken  # type: ignore[method-assign,assignment]
    result = await console.carry_out(run, ANNA)
    assert result.outcome is Outcome.ABANDONED and "lease was lost" in result.text
    assert road.nodes.log == ["dgx-01=a"]


@pytest.mark.parametrize("told", [Effect.NONE, Effect.UNKNOWN])
async def test_what_somebody_else_changed_since_is_not_undone(road: Road, told: Effect) -> None:
    """Actions say either of what is neither as before nor as they made it."""
    console = road.console("one")
    observe = road.actions["set_value"].observe

    async def observed(step: Step, hands: Hands, floor: Floor) -> Seen:
        seen = await observe(step, hands, floor)
        return seen if seen.effect is Effect.TOOK else msgspec.structs.replace(seen, effect=told)

    road.actions["set_value"].observe = observed
    run = (await console.propose(two_steps(road))).run

    def changed(scene: object, step: Step) -> str:
        if not road.nodes.log:
            return ""
        road.nodes.values["dgx-01"] = "an operator's"
        return "no further"

    road.actions["set_value"].precheck = changed  # type: ignore[method-assign,assignment]
    result = await console.carry_out(run, ANNA)
    assert road.nodes.values["dgx-01"] == "an operator's"
    assert result.outcome is Outcome.ABANDONED and "not undone" in result.text


async def test_a_run_of_which_something_could_not_be_undone_is_not_told_as_rolled_back(road: Road) -> None:
    road.nodes.fails["set dgx-03"] = Done(1, stderr="no")
    road.nodes.fails["unset dgx-02"] = Done(1, stderr="still no")
    run = (await road.console().propose(two_steps(road, "dgx-01", "dgx-02", "dgx-03"))).run
    result = await road.console().carry_out(run, ANNA)
    assert result.outcome is Outcome.FAILED and "not undone: first dgx-02" in result.text, result
    assert road.nodes.values["dgx-01"] == "before"


# -- what is told


async def test_a_run_that_was_begun_and_may_not_go_on_is_not_told_as_refused(road: Road) -> None:
    run = await _killed_in_the_middle(road, two_steps(road))
    road.verdict = Verdict(Ruling.DENY, ("not any more",))
    result = await road.console("two", Points()).carry_out(run, ANNA)
    assert result.outcome is Outcome.ABANDONED and "not any more" in result.text and result.why == "denied"
    record = road.book.run(run)
    assert record is not None and record.outcome == "abandoned" and "first dgx-01" in record.text


async def _killed_in_the_middle(road: Road, made: Plan) -> str:
    run = (await road.console(points=Points()).propose(made)).run

    class Dies(Points):
        def pass_by(self) -> None:
            if road.nodes.log:
                raise Killed

    with pytest.raises(Killed):
        await road.console("one", Dies()).carry_out(run, ANNA)
    assert road.nodes.log == ["dgx-01=a"]
    return run


async def test_what_became_of_a_void_plan_is_told_again_with_its_word(road: Road) -> None:
    made = plan(road)
    console = road.console()
    run = (await console.propose(msgspec.structs.replace(made, state={**made.state, "dgx-01 boot": "other"}))).run
    assert (await console.carry_out(run, ANNA)).why == "moved"
    again = await console.carry_out(run, ANNA)
    assert (again.outcome, again.why) == (Outcome.REFUSED, "moved")


# -- approvals


async def test_an_approval_counts_for_one_run_of_a_plan(road: Road) -> None:
    road.verdict, road.approved = ASKED, True
    console, made = road.console(), plan(road)
    first, second = (await console.propose(made)).run, (await console.propose(made)).run
    assert (await console.carry_out(first, ANNA)).outcome is Outcome.SUCCEEDED
    result = await console.carry_out(second, ANNA)
    assert result.outcome is Outcome.REFUSED and f"run {first}" in result.text
    assert road.nodes.log == ["dgx-01=a"]


async def test_a_run_that_was_begun_with_approval_goes_on_when_the_plan_is_old(road: Road) -> None:
    road.verdict, road.approved = ASKED, True
    made = two_steps(road)
    run = await _killed_in_the_middle(road, made)
    console = road.console("two", Points())

    def tally(plan: Plan, verdict: Verdict, entries: Sequence[object], now: float):
        from tests.support.road import Count  # noqa: PLC0415

        return Count(now < plan.expires, "as of then")

    desk = replace(console._desk, tally=tally)
    late = type(console)(replace(desk, clock=_At(made.expires + 1, road)))
    result = await late.carry_out(run, ANNA)
    assert result.why != "not-approved", result


class _At:
    def __init__(self, now: float, road: Road) -> None:
        self._now, self._road = now, road

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._road.monotonic()


async def test_a_rejection_stops_a_run_that_is_under_way_before_its_next_act(road: Road) -> None:
    console, made = road.console(), two_steps(road)
    run = (await console.propose(made)).run
    observe = road.actions["set_value"].observe

    async def rejected(step: Step, hands: Hands, floor: Floor) -> Seen:
        if not road.rejected:
            road.rejected = ("bob: not today",)
            await road.book.keep(Note(ANNA, Rejection(reason="not today"), (), run, made.digest))
        return await observe(step, hands, floor)

    road.actions["set_value"].observe = rejected
    result = await console.carry_out(run, ANNA)
    assert result.outcome is Outcome.ROLLED_BACK and "rejected" in result.text
    assert road.nodes.log == ["dgx-01=a", "dgx-01=before"]


async def test_what_is_half_done_is_not_told_as_without_effect(road: Road) -> None:
    step = plan(road).steps[0]
    mark = msgspec.structs.replace(step.deeds[0], argv=("mark", "dgx-01.mark", "b"))
    made = msgspec.structs.replace(step, deeds=(mark, *step.deeds))
    road.nodes.fails["set dgx-01"] = Done(1, stderr="no")
    run = (await road.console().propose(msgspec.structs.replace(plan(road), steps=(made,)))).run
    result = await road.console().carry_out(run, ANNA)
    assert result.outcome is Outcome.UNVERIFIED and "1 of 2 commands were done" in result.text


# -- stale frames


async def test_a_floor_that_stands_still_is_not_acted_upon(road: Road) -> None:
    """Ages of samples are as of their frame: an old frame tells that everything in it is young."""
    made = plan(road)
    console = road.console()
    console = type(console)(replace(console._desk, clock=_At(road.now() + 120.0, road)))
    decision = await console.propose(made)
    assert "frame" in decision.held["fresh_telemetry"]


# -- who asks


def test_who_asks_as_a_service_is_still_known_by_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one could approve one's own plan, by a principal that isn't the account's name."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    monkeypatch.setenv("WATCHFLOOR_KEY", str(tmp_path / "key"))
    fingerprint = myself().fingerprint
    who = asking("cron")
    assert fingerprint and (who.kind, who.name, who.fingerprint) == (Party.SERVICE, "cron", fingerprint)
    told = Statement(Choice.APPROVE, "digest", "fine", "2026-01-01T00:00:00Z")
    said = Said(told, "chief", "chief@example.org", fingerprint, 0.0)
    asked = Plan("one", who, origin(), (), 0.0, 1.0)
    assert is_requester(asked, said, People())


async def test_who_asks_on_a_screen_is_known_by_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    anna = Who(Party.PERSON, "anna", "SHA256:annas")
    monkeypatch.setattr("watchfloor.actingfeed.myself", lambda: anna)
    asked: list[Who] = []

    class Asked:
        """As much of a post as is asked, until the plan is made."""

        class harness:
            @staticmethod
            def weigh(plan: Plan) -> None: ...

        async def until(self, complete: object, seconds: float) -> object:
            return SyntheticFleet().fleet.frame().with_findings(())

        def playbook(self, name: str, given: object) -> Playbook:
            return ONE

        def planned(self, playbook: Playbook, targets: object, who: Who, origin: object) -> Plan:
            asked.append(who)
            raise CannotPlan("enough")

    remedy = Remedy("one", "", Scope.NODE, 'node == "dgx-01"', {}, "")
    finding = Finding(Subject(Scope.NODE, "dgx-01"), "code", State.CRITICAL, "text")
    with pytest.raises(CannotPlan):
        await ActingFeed._weighed(Asked(), remedy, Concern(finding.subject, finding))  # type: ignore[arg-type]
    assert asked == [anna]


def test_a_single_look_whose_run_was_refused_does_not_end_as_if_all_were_done() -> None:
    assert _code(Account(rulings=["permit"], outcomes=[Outcome.REFUSED], refused=["lease"])) == Exit.INTERLOCKED
    assert _code(Account(rulings=["permit"], outcomes=[Outcome.REFUSED], refused=["moved"])) == Exit.VOID
    assert _code(Account(rulings=["permit"], outcomes=[Outcome.SUCCEEDED])) == Exit.OK


async def test_a_clock_that_is_set_back_closes_no_circuit_breaker(road: Road) -> None:
    failed = [Happened(road.now() + 600.0, "failed", run=f"r{number}") for number in range(3)]
    case = Case(plan(road), None, road.floor.frame(), road.now(), happened=failed)
    assert "3 runs failed" in opened(case)


# -- actions that are wrong


async def test_an_action_that_is_wrong_ends_its_run_and_not_the_console(road: Road) -> None:
    async def observed(step: Step, hands: Hands, floor: Floor) -> Seen:
        raise KeyError("mark")

    road.actions["set_value"].observe = observed
    run = (await road.console().propose(plan(road))).run
    result = await road.console().carry_out(run, ANNA)
    assert result.outcome is Outcome.UNVERIFIED and "set_value couldn't look: KeyError: 'mark'" in result.text

    def checked(scene: object, step: Step) -> str:
        raise IndexError("no such row")

    road.actions["set_value"].precheck = checked  # type: ignore[method-assign,assignment]
    run = (await road.console().propose(plan(road, ONE, "dgx-02"))).run
    result = await road.console().carry_out(run, ANNA)
    assert result.outcome is Outcome.REFUSED and "no such row" in result.text and len(road.nodes.log) == 1


async def test_a_run_whose_action_is_gone_ends_when_it_is_taken_up(road: Road) -> None:
    run = await _killed_in_the_middle(road, two_steps(road))
    del road.actions["set_value"]
    result = await road.console("two", Points()).carry_out(run, ANNA)
    assert result.outcome is Outcome.ABANDONED and "no action set_value any more" in result.text
