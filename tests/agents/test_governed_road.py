"""The road with real policies and real signatures: nothing is done before those have signed whom policy wants."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agents.approvals import NAMESPACE, Choice, Statement, Tally
from agents.harness import Harness
from agents.policy import judge
from agents.policyset import ActionClass, compiled
from agents.policyworld import world_of_frame
from tests.support.governed import Person, person, schema, shipped
from tests.support.road import ANNA, Road
from watchfloor.change import Outcome, Plan, Ruling
from watchfloor.people import People
from watchfloor.playbook import Guards, Playbook, StepRule
from watchfloor.records.ledgerentry import Note, Party, Who, time_of
from watchfloor.signing import Signers, SshSigner

OUT = Playbook(
    "out",
    "drain",
    steps=(StepRule("out", "drain", parameters={"value": "drained"}),),
    guards=Guards(most_targets=20),
)


@pytest.fixture
def harness(road: Road, tmp_path: Path) -> Harness:
    classes = {name: ActionClass(action.scope, action.risk) for name, action in road.actions.items()}
    policies = compiled(shipped(), schema(), classes)
    assert not policies.troubles
    tally = Tally(People(), Signers(tmp_path / "allowed_signers", NAMESPACE))
    desk = replace(
        road.console()._desk, judge=lambda plan, frame: judge(plan, world_of_frame(frame), policies), tally=tally
    )
    return Harness(desk)


@pytest.fixture
def people(tmp_path: Path) -> dict[str, Person]:
    found = {name: person(tmp_path, f"{name}@example.org") for name in ("anna", "carol")}
    (tmp_path / "allowed_signers").write_text("".join(each.line() for each in found.values()), "utf-8")
    return found


def plan(road: Road) -> Plan:
    return road.planned(OUT)


def signed(road: Road, digest: str, who: Person, choice: Choice = Choice.APPROVE) -> Statement:
    bare = Statement(choice, digest, "seen", time_of(int(road.now() * 1e9)))
    return replace(bare, signature=SshSigner(who.key).sign(NAMESPACE, bare.text))


def keep(road: Road, statement: Statement, plan: Plan, run: str) -> None:
    road.ledger.append(Note(Who(Party.PERSON, "somebody"), statement.body, (), run, plan.digest))


async def test_a_node_goes_out_when_another_person_has_signed(
    road: Road, harness: Harness, people: dict[str, Person]
) -> None:
    drained = plan(road)
    decision = await harness.propose(drained)
    assert (decision.ruling, decision.verdict.policies) == (Ruling.NEEDS_APPROVAL, ("r3-another-person",))
    assert (await harness.carry_out(decision.run, ANNA)).why == "not-approved"
    keep(road, signed(road, drained.digest, people["anna"]), drained, decision.run)
    refused = await harness.carry_out(decision.run, ANNA)
    assert (refused.outcome, refused.why) == (Outcome.REFUSED, "not-approved") and not road.nodes.log
    keep(road, signed(road, drained.digest, people["carol"]), drained, decision.run)
    result = await harness.carry_out(decision.run, ANNA)
    assert result.outcome is Outcome.SUCCEEDED and road.nodes.log


async def test_what_was_signed_for_one_plan_carries_no_other(
    road: Road, harness: Harness, people: dict[str, Person]
) -> None:
    first = plan(road)
    approval = signed(road, first.digest, people["carol"])
    road.fleet.step(1)
    second = plan(road)
    assert first.digest != second.digest
    decision = await harness.propose(second)
    keep(road, approval, second, decision.run)
    assert (await harness.carry_out(decision.run, ANNA)).why == "not-approved"
    assert road.kinds()[-1] == "refused" and not road.nodes.log


async def test_a_withdrawn_approval_carries_nothing(road: Road, harness: Harness, people: dict[str, Person]) -> None:
    drained = plan(road)
    decision = await harness.propose(drained)
    keep(road, signed(road, drained.digest, people["carol"]), drained, decision.run)
    road.fleet.step(1)
    keep(road, signed(road, drained.digest, people["carol"], Choice.WITHDRAW), drained, decision.run)
    assert (await harness.carry_out(decision.run, ANNA)).why == "not-approved"
    assert not road.nodes.log


async def test_who_may_approve_is_on_record_with_the_decision(road: Road, harness: Harness) -> None:
    await harness.propose(plan(road))
    facts = road.entries()[-1].body["facts"]
    assert facts["not_requester"] is True and facts["ruling"] == "needs-approval"
