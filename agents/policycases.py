"""Tables of cases: what is expected of the policies in force, in YAML, and whether they hold to it.

    nodes:
      n1: {site: lab, rack: r1, group: train, labels: {team: vision}}
    groups:
      operators: [anna]
    cases:
      - {who: anna, action: drain_node, target: n1, expect: needs-approval, needs: 1}
      - {who: agent:desk, action: drain_node, target: n1, approvals: 1, expect: permit, by: [r3-another-person]}

`approvals` is how many count already. `groups:` and `nodes:` stand in for people.yaml and the fleet; `actions:` names
actions that watchfloor doesn't have. Reading is apart from judging.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from agents.policy import judge
from agents.policyset import ActionClass, Policies
from agents.policyworld import world_of_inventory
from watchfloor.change import Impact, JobHit, Origin, Plan, Risk, Ruling, Step, Target, Verdict
from watchfloor.config import Item, Section, load
from watchfloor.model import NodeSpec, Scope
from watchfloor.people import People
from watchfloor.people import groups as read_groups
from watchfloor.records.ledgerentry import Party, Who
from watchfloor.units import nearest

_CASE = ("name", "who", "behalf", "action", "target", "risk", "playbook", "trigger", "finding", "owner")
_CASE += ("users", "out", "capacity_left", "heals", "approvals", "expect", "needs", "by")
_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    plan: Plan
    approvals: int
    ruling: Ruling
    needs: int | None
    by: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Table:
    """`people` and `specs` None: those of the console."""

    file: str
    cases: tuple[Case, ...]
    actions: Mapping[str, ActionClass] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] | None = None
    nodes: tuple[NodeSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    case: Case
    verdict: Verdict
    ruling: Ruling  # with the approvals that the case has
    wrong: str  # "" where it is as expected


def read(path: Path, known: Mapping[str, ActionClass]) -> Table:
    """Raises ConfigError with file, line and column."""
    section = load(path).section(("nodes", "groups", "actions", "cases"))
    actions = {**known, **(section.get("actions", _actions) or {})}
    cases = section.require("cases", lambda item: [_case(each, actions) for each in _some(item)])
    groups = section.get("groups", lambda item: read_groups(item, {}))
    nodes = section.get("nodes", lambda item: [_node(name, told) for name, told in item.entries().items()])
    return Table(str(path), tuple(cases), actions, groups, tuple(nodes or ()))


def run(table: Table, policies: Policies) -> Iterator[Result]:
    """`policies` are compiled with the table's actions."""
    people = policies.people if table.groups is None else People(policies.people.aliases, table.groups)
    under = replace(policies, people=people)
    for case in table.cases:
        nodes = table.nodes or tuple(NodeSpec(step.target.node) for step in case.plan.steps)
        verdict = judge(case.plan, world_of_inventory(nodes, case.plan.impact), under)
        met = verdict.ruling is Ruling.NEEDS_APPROVAL and case.approvals >= verdict.approvals
        ruling = Ruling.PERMIT if met else verdict.ruling
        yield Result(case, verdict, ruling, _wrong(case, verdict, ruling))


def _wrong(case: Case, verdict: Verdict, ruling: Ruling) -> str:
    if ruling is not case.ruling:
        return f"expected {case.ruling}, and it is {ruling}"
    if case.needs is not None and verdict.approvals != case.needs:
        return f"expected to need {case.needs} approvals, and it is {verdict.approvals}"
    missing = [name for name in case.by if name not in verdict.policies]
    return (
        f"{', '.join(missing)} had no part in it: {', '.join(verdict.policies) or 'no policy'} had" if missing else ""
    )


# -- reading


def _some(item: Item) -> list[Item]:
    return item.items() or item.fail("no case in it", "a table without cases holds nothing to anything: docs/policy.md")


def _actions(item: Item) -> dict[str, ActionClass]:
    return {name: _action(told.section(("scope", "risk"))) for name, told in item.entries().items()}


def _action(section: Section) -> ActionClass:
    scope = section.get("scope", lambda item: Scope(_one_of(item, [str(scope) for scope in Scope])))
    return ActionClass(scope or Scope.NODE, section.require("risk", _risk))


def _risk(item: Item) -> Risk:
    labels = [risk.label for risk in Risk]
    return Risk(labels.index(_one_of(item, labels)))


def _one_of(item: Item, words: list[str]) -> str:
    text = item.text()
    if text not in words:
        guess = nearest(text, words)
        item.fail(f"{text!r} is none of {', '.join(words)}", f"did you mean {guess}?" if guess else "")
    return text


def _node(name: str, item: Item) -> NodeSpec:
    section = item.section(("site", "rack", "group", "labels"))
    labels = section.get("labels", lambda told: {key: value.text() for key, value in told.entries().items()})
    site, rack, group = (section.get(key, Item.text) or "" for key in ("site", "rack", "group"))
    return NodeSpec(name, name, site=site, rack=rack, group=group, labels=labels or {})


def _case(item: Item, actions: Mapping[str, ActionClass]) -> Case:
    section = item.section(_CASE)
    told = {key: section.get(key, Item.text) or "" for key in ("name", "playbook", "trigger", "finding")}
    name = section.require("action", lambda action: _one_of(action, sorted(actions)))
    action = actions[name]
    target = section.require("target", lambda item: _target(item, action.scope))
    risk = section.get("risk", _risk)
    step = Step(
        "1", name, target, action.risk if risk is None else risk, "", heals=bool(section.get("heals", Item.flag))
    )
    origin = Origin("a case", told["trigger"], told["finding"])
    who = section.require("who", lambda item: _who(item, section.get("behalf", Item.text) or ""))
    plan = Plan(told["playbook"], who, origin, (step,), 0.0, 1.0, _impact(section, target), risk=step.risk)
    return Case(
        told["name"] or f"{name} on {target} by {section.entries['who'].text()}",
        plan,
        section.get("approvals", _count) or 0,
        section.require("expect", lambda item: Ruling(_one_of(item, [str(ruling) for ruling in Ruling]))),
        section.get("needs", _count),
        tuple(section.get("by", lambda item: [each.text() for each in item.items()]) or ()),
        item.line,
    )


def _count(item: Item) -> int:
    return item.whole(0, _MOST)


def _who(item: Item, behalf: str) -> Who:
    kind, colon, name = item.text().partition(":")
    if not colon:
        return Who(Party.PERSON, kind, on_behalf_of=behalf)
    if kind not in (Party.SERVICE, Party.AGENT) or not name:
        item.fail(f"{item.text()!r} is nobody", "a person's name, service:NAME or agent:NAME")
    return Who(Party(kind), name, on_behalf_of=behalf)


def _target(item: Item, scope: Scope) -> Target:
    text = item.text()
    if scope is Scope.JOB:
        return Target(scope, key=text)
    node, slash, key = text.partition("/")
    if (scope is Scope.NODE) == bool(slash):
        item.fail(f"{text!r} is no {scope}", "a node's name" if scope is Scope.NODE else "NODE/KEY")
    return Target(scope, node, key)


def _impact(section: Section, target: Target) -> Impact:
    users = section.get("users", lambda item: [each.text() for each in item.items()]) or []
    hits = [JobHit(f"other:{at}", "harmed", user) for at, user in enumerate(users)]
    if target.scope is Scope.JOB:
        hits.append(JobHit(target.key, "harmed", section.get("owner", Item.text) or ""))
    left = section.get("capacity_left", lambda item: item.whole(0, 100))
    out = section.get("out", lambda item: [each.text() for each in item.items()]) or []
    return Impact(tuple(hits), tuple(out), capacity_left=None if left is None else left / 100)
