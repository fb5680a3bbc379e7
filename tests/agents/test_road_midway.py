"""What happens between the steps of a run: everything is stopped, policy says otherwise by then; and what follows."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from agents.action import Scene
from agents.plan import Asked, make_plan
from tests.support.road import ANNA, Killed, Points, Road, SetValue, node, origin
from watchfloor.change import (
    Deed,
    Done,
    Effect,
    On,
    Outcome,
    Place,
    Plan,
    Request,
    Ruling,
    Seen,
    Step,
    Verdict,
)
from watchfloor.playbook import Guards, Playbook, StepRule
from watchfloor.ports import Floor, Hands
from watchfloor.records.ledgerentry import Note
from watchfloor.records.ledgerwords import Configuration
from watchfloor.stopping import resumed, stopped

ONE = Playbook(
    "one",
    "set",
    steps=(StepRule("first", "set_value", parameters={"value": "a"}),),
    guards=Guards(at_once=0, most_targets=20),
    rollback=True,
)


def two_steps(road: Road) -> Plan:
    targets = [node("dgx-01"), node("dgx-02")]
    return make_plan(ONE, targets, road.scene(), road.actions, Asked(ANNA, origin(), road.now()))


async def test_a_run_that_the_global_stop_meets_midway_goes_on_after_it(road: Road) -> None:
    """Nothing is begun or undone meanwhile, and the run isn't given up."""
    console = road.console()
    run = (await console.propose(two_steps(road))).run
    stop = console._desk.book.stopped
    console._desk.book.stopped = lambda: "fire" if road.nodes.log else ""  # type: ignore[method-assign]
    result = await console.carry_out(run, ANNA)
    assert (result.outcome, result.why) == (Outcome.REFUSED, "stopped") and "fire" in result.text
    assert "watchfloor resume" in result.text and "done before: first dgx-01" in result.text
    assert (await console.carry_out(run, ANNA)).why == "stopped", "it is taken up, and still held"
    assert road.nodes.log == ["dgx-01=a"] and "outcome" not in road.kinds()
    console._desk.book.stopped = stop  # type: ignore[method-assign]
    assert (await console.carry_out(run, ANNA)).outcome is Outcome.SUCCEEDED
    assert road.nodes.log == ["dgx-01=a", "dgx-02=a"] and road.kinds().count("outcome") == 1


async def test_what_fails_while_everything_is_stopped_is_undone_after_the_stop(road: Road) -> None:
    console = road.console()
    run = (await console.propose(two_steps(road))).run
    road.nodes.fails["set dgx-02"] = Done(1, stderr="no")
    stop, fails = console._desk.book.stopped, road.nodes.fails
    console._desk.book.stopped = lambda: "" if fails else "fire"  # type: ignore[method-assign]
    assert (await console.carry_out(run, ANNA)).why == "stopped"
    assert road.nodes.log == ["dgx-01=a"]
    console._desk.book.stopped = stop  # type: ignore[method-assign]
    result = await console.carry_out(run, ANNA)
    assert result.outcome is Outcome.ROLLED_BACK and road.nodes.log == ["dgx-01=a", "dgx-01=before"], result


async def test_a_void_plan_is_not_begun_after_a_stop(road: Road) -> None:
    made = two_steps(road)
    console = road.console()
    run = (await console.propose(msgspec.structs.replace(made, expires=road.now() + 5))).run
    road.ledger.append(stopped(ANNA, "fire"))
    assert (await console.carry_out(run, ANNA)).why == "interlocked"
    road.ledger.append(resumed(ANNA, "out"))
    road.fleet.step(6)
    assert (await console.carry_out(run, ANNA)).why == "expired"
    assert not road.nodes.log


async def test_policy_is_asked_before_each_step_and_what_it_denies_by_then_is_not_done(road: Road) -> None:
    console, made = road.console(), two_steps(road)
    run = (await console.propose(made)).run
    observe = road.actions["set_value"].observe

    async def forbidden(step: Step, hands: Hands, floor: Floor) -> Seen:
        road.verdict = Verdict(Ruling.DENY, ("a freeze since noon",), ("freeze",), "d2")
        return await observe(step, hands, floor)

    road.actions["set_value"].observe = forbidden
    result = await console.carry_out(run, ANNA)
    assert result.outcome is Outcome.ROLLED_BACK and "denied: a freeze since noon" in result.text
    assert road.nodes.log == ["dgx-01=a", "dgx-01=before"]
    (refused,) = [entry.body for entry in road.entries() if entry.kind == "refused"]
    assert refused["why"] == "denied"
    assert refused["facts"] == {"ruling": "deny", "policy": "d2", "policies": ["freeze"]}


async def test_the_verdict_of_each_step_is_on_record_and_what_changed_before_it(road: Road) -> None:
    console = road.console()
    told = iter([(), (), ("people.yaml",)])
    console = type(console)(replace(console._desk, changes=lambda: map(_changed, next(told, ()))))
    run = (await console.propose(two_steps(road))).run
    assert (await console.carry_out(run, ANNA)).outcome is Outcome.SUCCEEDED
    kinds = road.kinds()
    assert kinds.index("configuration") < kinds.index("intent"), "what decides is on record before it decides"
    intents = [entry.body["facts"] for entry in road.entries() if entry.kind == "intent"]
    assert [facts["ruling"] for facts in intents] == ["permit", "permit"]
    assert all(facts["policies"] == ["test"] for facts in intents)


def _changed(file: str) -> Note:
    return Note(ANNA, Configuration(file=file, digest="d2", before="d1"))


async def test_policy_that_asks_for_approval_by_now_holds_the_next_step(road: Road) -> None:
    console, made = road.console(), msgspec.structs.replace(two_steps(road), rollback=False)
    run = (await console.propose(made)).run
    observe = road.actions["set_value"].observe

    async def tightened(step: Step, hands: Hands, floor: Floor) -> Seen:
        road.verdict = Verdict(Ruling.NEEDS_APPROVAL, approvals=1)
        return await observe(step, hands, floor)

    road.actions["set_value"].observe = tightened
    result = await console.carry_out(run, ANNA)
    assert (result.outcome, result.why) == (Outcome.ABANDONED, "not-approved") and road.nodes.log == ["dgx-01=a"]


# -- calls that nobody but their console remembers


class Told(SetValue):
    """A message to an endpoint: there is nothing to see of it."""

    traceless = True

    def prepare(self, scene: Scene, step: Step) -> Step:
        call = Request(Place(On.HERE, "tickets"), "POST", "", {"text": "broken"})
        return msgspec.structs.replace(step, deeds=(call,), verify_seconds=0.0)

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        return Seen(Effect.UNKNOWN, "the other side knows")


@pytest.mark.parametrize(("notes", "outcome"), [("anna@b:/notes", "unverified"), ("anna@a:/notes", "succeeded")])
async def test_a_call_of_another_console_is_not_sent_by_one_that_cannot_read_its_notes(
    road: Road, notes: str, outcome: str
) -> None:
    """Whether it went out before the kill is noted there; where the notes are one's own, they say that it didn't."""
    road.actions["set_value"] = Told()
    made = road.planned(ONE, "dgx-01")
    run = (await road.console(points=Points()).propose(made)).run
    first = road.console("one", notes="anna@a:/notes")
    sent = Posts(dies=True)
    with pytest.raises(Killed):
        await type(first)(replace(first._desk, hands=sent)).carry_out(run, ANNA)
    road.leases.release(run, "one")
    second, posts = road.console("two", notes=notes), Posts()
    result = await type(second)(replace(second._desk, hands=posts)).carry_out(run, ANNA)
    assert result.outcome == outcome
    assert len(posts.sent) == (outcome == "succeeded")
    told = [entry.body for entry in road.entries() if entry.kind == "applied"]
    assert told[0].get("exit_code") == (0 if outcome == "succeeded" else None)


class Posts:
    """Hands whose console has no note of anything."""

    def __init__(self, dies: bool = False) -> None:
        self.sent: list[str] = []
        self._dies = dies

    async def do(self, deed: Deed, operation: str) -> Done:
        if self._dies:
            raise Killed
        self.sent.append(operation)
        return Done(0, operation=operation)

    async def recall(self, deed: Deed, operation: str) -> Done | None:
        return None

    async def acknowledge(self, deed: Deed, operation: str) -> None: ...

    async def look(self, deed: Deed) -> Done:
        raise AssertionError("there is nothing to look at")

    async def close(self) -> None: ...
