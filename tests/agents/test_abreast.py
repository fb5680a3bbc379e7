"""Steps side by side: which may go, that they do, that the limit holds, and what becomes of the others of a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from agents.abreast import awaited, next_steps
from agents.action import done_in_order
from tests.support.road import ANNA, Road, SetValue
from watchfloor.change import Done, Outcome, Plan, Risk, Step, Target, plain, read_plan
from watchfloor.model import Scope
from watchfloor.playbook import Guards, Playbook, StepRule
from watchfloor.ports import Hands
from watchfloor.snapshot.plan import plan_text

NODES = ("dgx-01", "dgx-02", "dgx-03")
TWO = Playbook(
    "two",
    "set two values",
    steps=(
        StepRule("first", "set_value", parameters={"value": "a"}),
        StepRule("second", "set_value", parameters={"value": "b"}),
    ),
    guards=Guards(most_targets=9, parallel=2),
    rollback=True,
)


class Together(SetValue):
    """Waits within each act until so many are under way."""

    def __init__(self, many: int) -> None:
        self.under_way, self.most, self.many = 0, 0, many
        self.together = asyncio.Event()

    async def apply(self, step: Step, hands: Hands, operation: str) -> Sequence[Done]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        if self.under_way >= self.many:
            self.together.set()
        await asyncio.wait_for(self.together.wait(), 10.0)
        try:
            return await done_in_order(step.deeds, hands, operation)
        finally:
            self.under_way -= 1


def plan(road: Road, playbook: Playbook = TWO) -> Plan:
    return road.planned(playbook, *NODES)


def step(key: str, node: str = "", job: str = "", needs: tuple[str, ...] = ()) -> Step:
    target = Target(Scope.JOB, "", job) if job else Target(Scope.NODE, node)
    return Step(key, "set_value", target, Risk.REVERSIBLE, key, needs=needs)


def test_a_step_waits_for_the_one_before_it_on_its_node_and_for_those_that_it_needs() -> None:
    steps = [step("a1", "n1"), step("a2", "n2"), step("b1", "n1"), step("b2", "n2", needs=("a1",))]
    assert awaited(steps) == [frozenset(), frozenset(), {0}, {0, 1}]


def test_a_step_on_a_job_waits_for_all_before_it_and_all_after_wait_for_it() -> None:
    steps = [step("a1", "n1"), step("a2", "n2"), step("j", job="slurm:4"), step("b1", "n1"), step("k", job="slurm:5")]
    assert awaited(steps) == [frozenset(), frozenset(), {0, 1}, {2}, {2, 3}]


def test_no_more_are_begun_than_may_be() -> None:
    assert next_steps([(), (), (0,), ()], {0}, [1, 2, 3], 2) == [1, 2]
    assert next_steps([(), ()], (), [0, 1], 0) == []


async def test_nodes_go_side_by_side_up_to_the_limit_and_each_in_its_own_order(road: Road) -> None:
    road.actions["set_value"] = together = Together(2)
    harness = road.console()
    run = (await harness.propose(plan(road))).run
    result = await harness.carry_out(run, ANNA)
    assert result.outcome is Outcome.SUCCEEDED, result
    assert together.most == 2
    for name in NODES:
        assert [word for word in road.nodes.log if word.startswith(name)] == [f"{name}=a", f"{name}=b"]
    assert road.kinds().count("intent") == road.kinds().count("verified") == 6


def test_a_plan_whose_steps_follow_one_another_has_the_digest_that_it_always_had(road: Road) -> None:
    """Plans of ledgers that are older than this are read, shown and approved by theirs."""
    one = plan(road, replace(TWO, guards=Guards(most_targets=9)))
    assert "parallel" not in plain(one) and one.side_by_side == 1 and read_plan(plain(one)) == one
    two = plan(road)
    assert plain(two)["parallel"] == 2 and read_plan(plain(two)).side_by_side == 2
    assert "up to 2 steps side by side" in plan_text(two, road.now())


async def test_without_a_limit_in_the_playbook_one_follows_the_other(road: Road) -> None:
    harness = road.console()
    run = (await harness.propose(plan(road, replace(TWO, guards=Guards(most_targets=9))))).run
    assert (await harness.carry_out(run, ANNA)).outcome is Outcome.SUCCEEDED
    assert road.nodes.log == [f"{name}={value}" for name in NODES for value in "ab"]


async def test_where_one_fails_nothing_new_is_begun_and_what_was_begun_last_is_undone_first(road: Road) -> None:
    """The second node's first step is under way when the first node's fails: it comes to its end, and is undone."""
    road.actions["set_value"] = Together(2)
    road.nodes.fails["set dgx-01"] = Done(1, stderr="no")
    harness = road.console()
    run = (await harness.propose(plan(road))).run
    result = await harness.carry_out(run, ANNA)
    assert result.outcome is Outcome.ROLLED_BACK and "first dgx-01: exit code 1: no" in result.text, result
    assert road.nodes.log == ["dgx-02=a", "dgx-02=before"]


async def test_undo_goes_in_the_reverse_order_of_what_was_begun(road: Road) -> None:
    road.nodes.fails["set dgx-03"] = Done(1, stderr="no")
    harness = road.console()
    run = (await harness.propose(plan(road, replace(TWO, steps=TWO.steps[:1])))).run
    assert (await harness.carry_out(run, ANNA)).outcome is Outcome.ROLLED_BACK
    intents = [entry.body for entry in road.entries() if entry.kind == "intent"]
    done = [body["step"] for body in intents if not body["facts"].get("undo") and not body["step"].endswith("dgx-03")]
    assert [body["step"] for body in intents if body["facts"].get("undo")] == done[::-1]


async def test_a_step_that_still_waits_gives_up_when_another_fails(road: Road) -> None:
    """It would wait for hours, and what was done would stay so long."""
    rules = (TWO.steps[0], replace(TWO.steps[1], wait="cpu > 100000", wait_seconds=1e9))
    road.actions["set_value"] = Together(2)
    road.nodes.fails["set dgx-02"] = Done(1, stderr="no")
    harness = road.console()
    run = (await harness.propose(plan(road, replace(TWO, steps=rules)))).run
    assert (await harness.carry_out(run, ANNA)).outcome is Outcome.ROLLED_BACK
    assert road.nodes.log == ["dgx-01=a", "dgx-01=before"]
