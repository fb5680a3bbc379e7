"""What policy says of plans: the shipped policies by a table, one's own beside them, nothing permitted by accident."""

from __future__ import annotations

from dataclasses import replace as swapped
from pathlib import Path

import pytest
from msgspec.structs import replace

from agents.policy import judge
from agents.policycases import read, run
from agents.policyset import InForce, Policies, compiled
from agents.policyset import read as read_policies
from agents.policywhy import reasoning
from agents.policyworld import world_of_frame
from tests.support.frames import SyntheticFleet
from tests.support.governed import (
    ACTIONS,
    CRON,
    DESK,
    plan,
    policies,
    schema,
    shipped,
    step,
    world,
)
from tests.support.parts import ROOT
from watchfloor.change import Impact, JobHit, Plan, Risk, Ruling, Target, Verdict
from watchfloor.model import Scope
from watchfloor.people import People
from watchfloor.places import PolicyPlaces
from watchfloor.records.ledgerentry import Party, Who

SHIPPED = ROOT / "playbooks" / "policies"


def of(a_plan: Plan, own: str = "", people: People | None = None) -> Verdict:
    return judge(a_plan, world(a_plan), policies(own, people))


def own(text: str, name: str = "mine") -> str:
    return f'@id("{name}")\n@explain("it is so")\n{text}\n'


# -- the shipped policies


def test_the_shipped_policies_do_what_their_table_says() -> None:
    table = read(SHIPPED / "default.cases.yaml", {})
    in_force = read_policies(PolicyPlaces(SHIPPED), table.actions)
    assert not in_force.troubles
    results = list(run(table, in_force))
    assert [(result.case.name, result.wrong) for result in results if result.wrong] == []
    assert len(results) > 15


def test_the_strictest_step_decides() -> None:
    verdict = of(plan("look", "label_node", "flash_firmware", "requeue_job"))
    assert (verdict.ruling, verdict.approvals, verdict.not_requester) == (Ruling.NEEDS_APPROVAL, 2, True)
    assert verdict.policies == ("r4-two-people", "r2-one-person")
    assert verdict.would_change == ("2 approvals of other persons than who asks",)
    assert len(verdict.policy_digest) == 64


def test_a_playbook_that_says_it_is_riskier_is_judged_as_riskier() -> None:
    calm = plan("label_node")
    assert of(calm).ruling is Ruling.PERMIT
    assert of(replace(calm, risk=Risk.TAKES_OUT)).policies == ("r3-another-person",)


def test_the_risk_is_what_the_action_says_of_this_very_step() -> None:
    assert of(plan(step("requeue_job", risk=Risk.REVERSIBLE))).ruling is Ruling.PERMIT
    assert of(plan(step("requeue_job", risk=Risk.TAKES_OUT))).policies == ("r3-another-person",)


def test_an_agent_is_held_back_whatever_else_is_permitted() -> None:
    verdict = of(plan("drain_node", who=DESK), own("permit (principal, action, resource);"))
    assert (verdict.ruling, verdict.approvals) == (Ruling.NEEDS_APPROVAL, 1)
    assert "agents-need-people" in verdict.policies
    assert of(plan("drain_node", who=CRON), own("permit (principal, action, resource);")).ruling is Ruling.PERMIT


# -- one's own


def test_a_policy_of_the_same_id_replaces_the_shipped_one() -> None:
    text = '@id("r3-another-person") @explain("x") permit (principal, action, resource) when { context.risk == 3 };'
    assert of(plan("drain_node"), text).ruling is Ruling.PERMIT
    assert of(plan("flash_firmware"), text).ruling is Ruling.NEEDS_APPROVAL


def test_a_forbid_outdoes_every_permit_and_tells_where_it_stands() -> None:
    verdict = of(plan("look"), own('forbid (principal, action, resource) when { resource in Rack::"lab/r1" };'))
    assert (verdict.ruling, verdict.policies) == (Ruling.DENY, ("mine",))
    assert verdict.would_change == ("mine forbids it (mine.cedar:1)",)


@pytest.mark.parametrize(
    ("condition", "ruling"),
    [
        ('resource in Site::"lab"', Ruling.DENY),
        ('resource in NodeGroup::"serve"', Ruling.PERMIT),
        ('resource.hasTag("team") && resource.getTag("team") == "vision"', Ruling.DENY),
        ('resource has rack && resource.rack == "r2"', Ruling.PERMIT),
        ("context.foreign_jobs > 0", Ruling.DENY),
        ('context.users.contains("carol")', Ruling.DENY),
        ("context has gpu_hours_lost", Ruling.PERMIT),
        ('principal == Person::"anna"', Ruling.DENY),
        ('context.playbook == "by-hand"', Ruling.DENY),
    ],
)
def test_policies_see_where_a_node_stands_and_what_a_plan_harms(condition: str, ruling: Ruling) -> None:
    assert (
        of(plan("label_node"), own(f"forbid (principal, action, resource is Node) when {{ {condition} }};")).ruling
        is ruling
    )


def test_an_accelerator_stands_where_its_node_does() -> None:
    forbidden = own('forbid (principal, action, resource is Accelerator) when { resource in Rack::"lab/r1" };')
    assert of(plan("flash_firmware"), forbidden).ruling is Ruling.DENY


def test_more_approvals_are_asked_for_by_a_forbid() -> None:
    text = own('@approvers("admins")\nforbid (principal, action, resource) unless { context.approvals >= 3 };')
    verdict = of(plan("label_node"), text)
    assert (verdict.ruling, verdict.approvals, verdict.approvers) == (Ruling.NEEDS_APPROVAL, 3, ("admins",))
    assert set(verdict.policies) == {"r1-operators", "mine", "r2-one-person"}


def test_jobs_of_the_one_who_asks_are_not_foreign() -> None:
    mine = Impact((JobHit("slurm:42", "requeued", "anna"),))
    text = own("forbid (principal, action, resource) when { context.foreign_jobs > 0 };")
    assert of(plan("label_node", impact=mine), text).ruling is Ruling.PERMIT
    behalf = replace(plan("look", impact=mine), who=Who(Party.AGENT, "desk", on_behalf_of="anna"))
    assert of(behalf, text).ruling is Ruling.PERMIT
    unknown = Impact((JobHit("slurm:42", "requeued"),))
    assert of(plan("label_node", impact=unknown), text).ruling is Ruling.DENY


def test_groups_come_from_people() -> None:
    people = People(
        aliases={"SHA256:abc": "anna"}, groups={"operators": frozenset({"group:staff"}), "staff": frozenset({"anna"})}
    )
    assert of(plan("label_node"), people=people).ruling is Ruling.PERMIT
    by_key = Who(Party.PERSON, "root", "SHA256:abc")
    assert of(plan("label_node", who=by_key), people=people).ruling is Ruling.PERMIT
    assert of(plan("label_node", who=Who(Party.PERSON, "mallory")), people=people).ruling is Ruling.NEEDS_APPROVAL
    assert of(plan("label_node", who=Who(Party.AGENT, "anna")), people=people).ruling is Ruling.NEEDS_APPROVAL


def test_the_optional_policies_are_sound_and_do_what_they_say() -> None:
    watch = Who(Party.SERVICE, "watch")
    text = (SHIPPED / "optional" / "automatic-drain.cedar").read_text("utf-8")
    one = Impact((JobHit("slurm:42", "requeued", "carol"),), ("n1",), 8, 0.95)
    calm = plan("drain_node", "requeue_job", who=watch, playbook="fatal-xid", impact=one)
    assert of(calm, text).ruling is Ruling.PERMIT
    assert of(calm).ruling is Ruling.NEEDS_APPROVAL
    for other in (
        replace(calm, playbook="other"),
        replace(calm, impact=replace(calm.impact, capacity_left=0.8999)),
        replace(calm, impact=replace(calm.impact, jobs=one.jobs * 5)),
        replace(calm, impact=replace(calm.impact, nodes=("n1", "n2"))),
        replace(calm, who=CRON),
    ):
        assert of(other, text).ruling is Ruling.NEEDS_APPROVAL


def test_a_frame_tells_where_nodes_stand() -> None:
    frame = SyntheticFleet().frame()
    drained = plan(step("drain_node", Target(Scope.NODE, "dgx-01")), impact=Impact())
    text = own('forbid (principal, action, resource) when { resource in Rack::"lab/r1" };')
    assert judge(drained, world_of_frame(frame), policies(text)).policies == ("mine",)


# -- nothing by accident


def denied(verdict: Verdict, words: str) -> None:
    assert verdict.ruling is Ruling.DENY, verdict
    assert words in " ".join(verdict.reasons), verdict.reasons


def test_what_is_not_known_is_denied() -> None:
    denied(of(plan(step("label_node", Target(Scope.NODE, "n9")))), "there is no node n9")
    denied(of(plan(step("requeue_job", Target(Scope.JOB, key="slurm:9")))), "nobody knows a job slurm:9")
    denied(of(plan(replace(step("look"), action="format_disks"))), "no action format_disks is known")
    denied(of(plan(step("drain_node", Target(Scope.JOB, key="slurm:42")))), "is done to a node")
    denied(of(plan()), "no steps")


def test_without_policies_everything_is_denied() -> None:
    nothing = compiled([], schema(), ACTIONS)
    denied(judge(plan("look"), world(plan("look")), nothing), "there is no policy")


def test_an_unevaluable_forbid_denies() -> None:
    """Cedar skips a policy that can't be evaluated: overflow is what the schema can't rule out."""
    text = own(
        "forbid (principal, action, resource) when { context.risk * 9223372036854775807 + 9223372036854775807 > 1 };"
    )
    denied(of(plan("label_node"), text), "overflow")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("permit (principal, action, resource) when { ", 1, "not Cedar"),
        ("// fine\n\nforbid (principal, action, resource);", 3, "needs an id"),
        ('@id("a b") @explain("x") forbid (principal, action, resource);', 1, "needs an id"),
        ('@id("a") forbid (principal, action, resource);', 1, "explains nothing"),
        ('@id("a") @explain("x") @aprovers("y") forbid (principal, action, resource);', 1, "did you mean @approvers"),
        ('@id("a") @explain("x") @not_requester("yes") permit (principal, action, resource);', 1, "neither true"),
        ('@id("a") @explain("x") permit (principal == ?principal, action, resource);', 1, "template"),
        ('@id("a") @explain("x") permit (principal, action == Action::"nope", resource);', 1, "unrecognized action"),
        (
            '\n\n@id("a") @explain("x") forbid (principal, action, resource) when { resource.rack == "r1" };',
            3,
            "guarantee safety",
        ),
        ('@id("a") @explain("x") permit (principal, action, resource) when { context.rick == 1 };', 1, "rick"),
        ('@id("a") @explain("a;b") forbid (principal, action, resource); ;', 1, "not Cedar"),
    ],
)
def test_a_broken_file_denies_everything_and_says_where(text: str, line: int, words: str) -> None:
    in_force = policies(text)
    verdict = judge(plan("look"), world(plan("look")), in_force)
    assert verdict.ruling is Ruling.DENY
    told = " ".join(verdict.reasons)
    assert f"mine.cedar:{line}: " in told and words in told, told


def test_an_id_that_is_there_twice_denies_everything() -> None:
    text = own("permit (principal, action, resource) when { context.risk == 0 };") * 2
    denied(of(plan("look"), text), "mine.cedar:4: the id mine is taken by mine.cedar:1")


def test_a_broken_schema_denies_everything() -> None:
    broken = compiled(shipped(), swapped(schema(), text="entity ;"), ACTIONS)
    denied(judge(plan("look"), world(plan("look")), broken), "the schema is broken")


def test_the_digest_is_of_all_that_decides() -> None:
    def digest(in_force: Policies) -> str:
        return in_force.digest

    usual = policies()
    assert digest(usual) == digest(policies())
    others = [
        policies(own("forbid (principal, action, resource);")),
        compiled(shipped(), schema(), {**ACTIONS, "more": ACTIONS["look"]}),
        compiled(shipped(), schema(), ACTIONS, None, "groups: {}"),
        compiled([swapped(text, name="shipped/other.cedar") for text in shipped()], schema(), ACTIONS),
    ]
    assert len({digest(each) for each in [usual, *others]}) == 5


def test_a_policy_counts_once_it_is_saved(tmp_path: Path) -> None:
    in_force = InForce(PolicyPlaces(SHIPPED, tmp_path, people=tmp_path / "people.yaml"), ACTIONS)
    asked = plan("label_node")
    assert judge(asked, world(asked), in_force.now()).ruling is Ruling.PERMIT
    assert in_force.now() is in_force.now()
    (tmp_path / "people.yaml").write_text("groups: {operators: bob}\n", "utf-8")
    assert judge(asked, world(asked), in_force.now()).ruling is Ruling.NEEDS_APPROVAL
    (tmp_path / "mine.cedar").write_text(own("forbid (principal, action, resource);"), "utf-8")
    assert judge(asked, world(asked), in_force.now()).policies == ("mine",)
    (tmp_path / "mine.cedar").write_text("forbid", "utf-8")
    denied(judge(asked, world(asked), in_force.now()), "mine.cedar:1")
    (tmp_path / "mine.cedar").unlink()
    assert judge(asked, world(asked), in_force.now()).ruling is Ruling.NEEDS_APPROVAL


# -- what would change it


def test_what_would_change_a_verdict_is_what_cedar_says_of_it() -> None:
    people = People(groups={"operators": frozenset({"anna"})})
    asked = plan("label_node", who=Who(Party.SERVICE, "watch"), playbook="home-made")
    why = reasoning(asked, world(asked), policies(people=people))
    playbooks = next(words for words, ruling in why.otherwise if words.startswith("by the playbook"))
    assert "fatal-xid" in playbooks and "service-repair" in playbooks
    assert ("asked by one of the group operators", "permit") not in why.otherwise  # a service is no person
    bob = plan("label_node", who=Who(Party.PERSON, "bob"))
    assert ("asked by one of the group operators", "permit") in reasoning(
        bob, world(bob), policies(people=people)
    ).otherwise


def test_a_forbid_that_denies_is_named_with_what_comes_without_it() -> None:
    asked = plan("label_node")
    text = own("forbid (principal, action, resource) when { context.jobs > 0 };")
    why = reasoning(asked, world(asked), policies(text))
    assert why.verdict.ruling is Ruling.DENY
    assert ("without the policy mine (mine.cedar:1)", "permit") in why.otherwise
    assert ("if it harmed no job", "permit") in why.otherwise
