"""The one road: what is permitted is done once and accounted for; what isn't is refused, and that is on record, too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from agents.action import Parameter
from agents.fingerprint import change
from agents.interlocks import Limits
from agents.plan import Asked, CannotPlan, make_plan, single
from tests.support.road import ANNA, Killed, Points, Road, SetValue, node, origin
from watchfloor.change import Done, Effect, Outcome, Plan, Ruling, Seen, Step, Verdict, digest_of
from watchfloor.playbook import Guards, Playbook, StepRule
from watchfloor.ports import Floor, Hands
from watchfloor.records.ledgerentry import Party, Who
from watchfloor.stopping import resumed, stopped

TWO = Playbook(
    "two",
    "set two values",
    steps=(
        StepRule("first", "set_value", parameters={"value": "a"}),
        StepRule("second", "set_value", parameters={"value": "b of {node}"}, needs=("first",)),
    ),
    guards=Guards(most_targets=20),
)
OUT = Playbook("out", "drain", steps=(StepRule("out", "drain", parameters={"value": "drained"}),), guards=TWO.guards)


def plan(road: Road, playbook: Playbook = TWO, *names: str) -> Plan:
    return road.planned(playbook, *names)


async def done(road: Road, a_plan: Plan) -> tuple[Outcome, str]:
    harness = road.console()
    decision = await harness.propose(a_plan)
    result = await harness.carry_out(decision.run, ANNA)
    return result.outcome, result.text


async def test_a_permitted_plan_is_done_once_and_every_step_of_the_way_is_on_record(road: Road) -> None:
    outcome, text = await done(road, plan(road))
    assert outcome is Outcome.SUCCEEDED, text
    assert road.nodes.log == ["dgx-01=a", "dgx-01=b of dgx-01"]
    each = ["intent", "applied", "verified"]
    assert road.kinds() == ["proposed", "decided", "decided", *each, *each, "outcome"]
    assert {entry.plan for entry in road.entries()} == {plan(road).digest}
    assert not road.leases.all() and not road.nodes.kept


async def test_what_policy_denies_is_not_done_and_that_is_on_record(road: Road) -> None:
    road.verdict = Verdict(Ruling.DENY, ("nobody may",))
    outcome, text = await done(road, plan(road))
    assert (outcome, road.nodes.log) == (Outcome.REFUSED, []) and "nobody may" in text
    assert road.kinds() == ["proposed", "decided", "refused", "outcome"]


def test_an_action_that_takes_a_reason_has_that_of_the_plan_unless_another_is_given(road: Road) -> None:
    action = road.actions["set_value"]
    action.parameters = {**action.parameters, "reason": Parameter("why")}  # type: ignore[misc]
    for given, reason in (({}, "because"), ({"reason": "xid 79"}, "xid 79")):
        (step,) = plan(road, single("set_value", action, {"value": "a", **given})).steps
        assert step.parameters == {"value": "a", "reason": reason}
    (step,) = plan(road, single("drain", road.actions["drain"], {"value": "a"})).steps
    assert step.parameters == {"value": "a"}


async def test_an_approval_is_waited_for_and_the_run_can_be_tried_again(road: Road) -> None:
    road.verdict = Verdict(Ruling.NEEDS_APPROVAL, approvals=1)
    harness = road.console()
    decision = await harness.propose(plan(road))
    assert decision.ruling == Ruling.NEEDS_APPROVAL
    assert (await harness.carry_out(decision.run, ANNA)).text == "not-approved: 0 of 1"
    road.approved = True
    assert (await harness.carry_out(decision.run, ANNA)).outcome is Outcome.SUCCEEDED
    told = [entry.body.get("reasons", []) for entry in road.entries() if entry.kind == "decided"]
    assert told[-1][0] == "approvals: 1 of 1"


async def test_a_plan_that_is_too_old_is_void(road: Road) -> None:
    old = plan(road)
    road.fleet.step(1)
    road.floor = type(road.floor)(road.fleet)
    outcome, text = await done(road, msgspec.structs.replace(old, expires=road.now()))
    assert outcome is Outcome.REFUSED and text.startswith("expired")


async def test_a_plan_is_void_when_the_state_has_moved(road: Road) -> None:
    made = plan(road)
    harness = road.console()
    decision = await harness.propose(msgspec.structs.replace(made, state={**made.state, "dgx-01 boot": "another"}))
    result = await harness.carry_out(decision.run, ANNA)
    assert result.outcome is Outcome.REFUSED and "dgx-01 boot was another, and is boot-0000" in result.text
    assert road.nodes.log == []


def test_what_has_moved_is_told_in_the_words_of_the_plan(road: Road) -> None:
    made = plan(road)
    (told,) = change(road.floor.frame(), made.steps, {**made.state, "dgx-01 boot": True}).moved
    assert told == "dgx-01 boot was yes, and is boot-0000"


async def test_a_message_that_cannot_be_looked_at_is_not_told_as_seen(road: Road) -> None:
    road.actions["tell"] = Tell()
    steps = (*TWO.steps, StepRule("third", "tell", parameters={"value": "c"}))
    assert (await done(road, plan(road, replace(TWO, steps=steps[2:]))))[1] == (
        "1 of 1 steps done; of tell it may only be known that it ended well"
    )
    assert (await done(road, plan(road, replace(TWO, steps=steps))))[1] == (
        "3 of 3 steps done, and those that can be looked at seen to have taken effect; "
        "of tell it may only be known that it ended well"
    )


class Tell(SetValue):
    """Leaves nothing to be seen."""

    traceless = True

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        return Seen(Effect.UNKNOWN, "what was told can't be looked at")


async def test_a_deed_that_fails_ends_the_run_and_what_was_done_is_undone_where_the_plan_says_so(road: Road) -> None:
    made = plan(road, msgspec_rollback(TWO))
    road.nodes.fails["set dgx-01"] = Done(3, stderr="Invalid value")
    outcome, text = await done(road, made)
    assert outcome is Outcome.FAILED and "exit code 3: Invalid value" in text, "nothing was done, nothing to undo"
    road.actions["set_value"].why_not = ""
    harness = road.console()
    decision = await harness.propose(made)
    road.nodes.fails.clear()
    original = road.actions["set_value"].precheck
    calls = iter(["", "it has changed"])
    road.actions["set_value"].precheck = lambda scene, step: next(calls, "")  # type: ignore[method-assign]
    result = await harness.carry_out(decision.run, ANNA)
    road.actions["set_value"].precheck = original  # type: ignore[method-assign]
    assert result.outcome is Outcome.ROLLED_BACK and "it has changed" in result.text
    assert road.nodes.values["dgx-01"] == "before"


def msgspec_rollback(playbook: Playbook) -> Playbook:
    return replace(playbook, rollback=True)


async def test_what_is_transient_is_tried_again_and_nothing_else(road: Road) -> None:
    step = plan(road).steps[0]
    twice = msgspec.structs.replace(plan(road), steps=(msgspec.structs.replace(step, attempts=2),))
    road.nodes.fails["set dgx-01"] = Done(1, stderr="busy", transient=True)
    assert (await done(road, twice))[0] is Outcome.SUCCEEDED
    assert road.kinds().count("intent") == 2
    road.nodes.fails["set dgx-01"] = Done(1, stderr="no such thing")
    assert (await done(road, twice))[0] is Outcome.FAILED


async def test_an_end_that_nobody_knows_is_looked_at_never_repeated(road: Road) -> None:
    road.nodes.fails["set dgx-01"] = Done(None)  # it took effect, and nobody heard how it ended
    outcome, _ = await done(road, plan(road))
    assert outcome is Outcome.SUCCEEDED and road.nodes.log == ["dgx-01=a", "dgx-01=b of dgx-01"]


async def test_two_consoles_contend_for_one_lease(road: Road) -> None:
    one, two = road.console("one"), road.console("two")
    first, second = await one.propose(plan(road)), await two.propose(plan(road))
    held = road.leases.take([f"run {first.run}", "dgx-01"], first.run, "one", road.now(), 60.0)
    assert held == []
    result = await two.carry_out(second.run, ANNA)
    assert result.outcome is Outcome.REFUSED and "dgx-01 is held by run r1" in result.text
    assert (await one.carry_out(first.run, ANNA)).outcome is Outcome.SUCCEEDED
    assert (await two.carry_out(second.run, ANNA)).outcome is Outcome.SUCCEEDED, "free again"


async def test_everything_is_stopped_until_a_person_resumes(road: Road) -> None:
    harness = road.console()
    road.ledger.append(stopped(ANNA, "the cooling plant is down"))
    decision = await harness.propose(plan(road))
    assert decision.ruling == "interlocked" and "cooling plant" in str(decision.held)
    assert (await harness.carry_out(decision.run, ANNA)).outcome is Outcome.REFUSED
    with pytest.raises(PermissionError):
        road.ledger.append(resumed(Who(Party.AGENT, "claude"), "go on"))
    road.ledger.append(resumed(ANNA, "it is up again"))
    assert (await harness.carry_out(decision.run, ANNA)).outcome is Outcome.SUCCEEDED


async def test_a_blast_radius_is_bounded_by_rack_and_group_also_over_several_runs(road: Road) -> None:
    decision = await road.console().propose(plan(road, OUT, "dgx-01", "dgx-02"))
    assert decision.ruling == "interlocked" and "rack" in decision.held["blast_radius"]
    road.limits = Limits(rack_nodes=2, group_share=1.0, healthy_share=0.0)
    assert (await done(road, plan(road, OUT, "dgx-01", "dgx-02")))[0] is Outcome.SUCCEEDED
    third = await road.console().propose(plan(road, OUT, "dgx-03"))
    assert "3 nodes of rack r1 would be out" in third.held["blast_radius"], "what was taken out just now counts"


async def test_capacity_that_must_stay_stays(road: Road) -> None:
    road.limits = Limits(rack_nodes=9, group_share=1.0, healthy_share=0.95)
    decision = await road.console().propose(plan(road, OUT, "dgx-01"))
    assert "of the accelerators would stay healthy" in decision.held["healthy_capacity"]


async def test_a_storm_of_failures_opens_the_breaker_until_a_person_closes_it(road: Road) -> None:
    for _ in range(road.limits.breaker_failures):
        road.nodes.fails["set dgx-01"] = Done(1, stderr="no")
        assert (await done(road, plan(road)))[0] is Outcome.FAILED
    decision = await road.console().propose(plan(road))
    assert "3 runs failed within" in decision.held["circuit_breaker"]
    healing = msgspec.structs.replace(
        plan(road), steps=tuple(msgspec.structs.replace(step, heals=True) for step in plan(road).steps)
    )
    assert (await done(road, healing))[0] is Outcome.SUCCEEDED, "what makes healthy passes"
    road.fleet.step(1)
    road.ledger.append(resumed(ANNA, "looked at it"))
    assert (await done(road, plan(road)))[0] is Outcome.SUCCEEDED


async def test_a_silent_node_is_not_acted_on(road: Road) -> None:
    made = plan(road)
    road.fleet.now += 120.0
    road.floor = type(road.floor)(road.fleet)
    decision = await road.console().propose(made)
    assert "dgx-01" in decision.held["fresh_telemetry"]


def test_no_plan_is_made_of_nothing_and_of_too_much(road: Road) -> None:
    with pytest.raises(CannotPlan, match="nothing in the fleet"):
        make_plan(TWO, [], road.scene(), road.actions, Asked(ANNA, origin(), road.now()))
    with pytest.raises(CannotPlan, match="takes 1 at once"):
        make_plan(
            Playbook("one", "one", steps=TWO.steps),
            [node("dgx-01"), node("dgx-02")],
            road.scene(),
            road.actions,
            Asked(ANNA, origin(), road.now()),
        )


async def test_a_killed_console_is_followed_by_another_that_repeats_nothing_and_loses_nothing(tmp_path: Path) -> None:
    """Killed at every single moment: before and after each entry, each deed, each acknowledgement."""
    moments = Points()
    whole = Road(tmp_path / "whole", points=moments)
    decision = await whole.console().propose(plan(whole))
    begun = moments.count
    await whole.console().carry_out(decision.run, ANNA)
    whole.close()
    assert moments.count - begun > 15
    for moment in range(begun + 1, moments.count + 1):
        road = Road(tmp_path / str(moment))
        decision = await road.console(points=Points()).propose(plan(road))
        with pytest.raises(Killed):
            await road.console("first", Points(die_at=moment - begun)).carry_out(decision.run, ANNA)
        road.leases.release(decision.run, "first")
        result = await road.console("second", Points()).carry_out(decision.run, ANNA)
        assert result.outcome is Outcome.SUCCEEDED, (moment, result.text)
        assert road.nodes.log == ["dgx-01=a", "dgx-01=b of dgx-01"], f"killed at moment {moment}"
        assert road.kinds().count("outcome") == 1
        road.close()


async def test_what_looks_like_a_secret_is_in_no_plan_so_that_what_is_kept_is_what_was_approved(road: Road) -> None:
    steps = (StepRule("first", "set_value", parameters={"value": "password=hunter2"}),)
    made = plan(road, Playbook("secret", "secret", steps=steps))
    decision = await road.console().propose(made)
    kept = road.book.run(decision.run)
    assert kept is not None and kept.plan is not None and kept.plan == made
    assert kept.digest == made.digest == digest_of(kept.plan)
    assert "hunter2" not in str(road.entries()) and "hunter2" not in str(made)


async def test_a_playbook_has_so_many_runs_at_once_as_it_says(road: Road) -> None:
    guards = Guards(at_once=2, most_targets=9)
    playbook = Playbook("few", "few", steps=TWO.steps[:1], guards=guards)
    harness = [road.console(name) for name in ("one", "two", "three")]
    names = ("dgx-01", "dgx-02", "dgx-03")
    runs = [(await each.propose(plan(road, playbook, name))).run for each, name in zip(harness, names, strict=True)]
    for place, (run, holder) in enumerate(zip(runs[:2], ("one", "two"), strict=True), 1):
        assert not road.leases.take([f"few, place {place} of 2"], run, holder, road.now(), 60.0)
    result = await harness[2].carry_out(runs[2], ANNA)
    assert result.why == "lease" and "few, place 2 of 2 is held by run r2" in result.text
    road.leases.release(runs[0], "one")
    assert (await harness[2].carry_out(runs[2], ANNA)).outcome is Outcome.SUCCEEDED


async def test_a_dead_console_holds_nothing_up_and_one_that_may_live_does(road: Road) -> None:
    run = (await road.console().propose(plan(road))).run
    road.leases.take([f"run {run}", "dgx-01"], run, "gone", road.now(), 60.0)
    assert (await road.console("two").carry_out(run, ANNA)).why == "lease"
    assert (await road.console("two", dead="gone").carry_out(run, ANNA)).outcome is Outcome.SUCCEEDED


async def test_somebody_who_is_against_it_holds_up_also_what_policy_permits(road: Road) -> None:
    road.rejected = ("bob: not today",)
    harness = road.console()
    run = (await harness.propose(plan(road))).run
    assert (await harness.carry_out(run, ANNA)).why == "rejected" and not road.nodes.log
    road.rejected = ()
    assert (await harness.carry_out(run, ANNA)).outcome is Outcome.SUCCEEDED


async def test_a_run_goes_on_without_an_optional_step_and_says_so(road: Road) -> None:
    steps = (replace(TWO.steps[0], optional=True), replace(TWO.steps[1], needs=()))
    road.nodes.fails["set dgx-01"] = Done(1, stderr="no tickets today")
    outcome, text = await done(road, plan(road, replace(TWO, steps=steps)))
    assert outcome is Outcome.SUCCEEDED and "without first dgx-01: exit code 1: no tickets today" in text
    assert road.nodes.log == ["dgx-01=b of dgx-01"]
