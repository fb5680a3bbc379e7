"""Joins policy and approvals to the files of this user, for commands that judge and sign, and act on nothing.

Must not do: anything of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from agents import approvals, policycases, policylint, policyset, policywhy
from agents.action import actions
from agents.onrecord import verdict_of as verdict_on_record
from agents.policy import needed_words
from agents.policyset import ActionClass, Policies
from agents.policywhy import Reasoning
from agents.policyworld import world_of_inventory
from watchfloor.change import Plan, Ruling, Verdict
from watchfloor.model import NodeSpec
from watchfloor.people import People
from watchfloor.places import PolicyPlaces, policy_places, signers_file
from watchfloor.records.ledgerentry import Entry
from watchfloor.runs import Grounds, Heard, Rule, RunRecord
from watchfloor.signing import Signers

__all__ = [
    "approvals",
    "grounds",
    "known_actions",
    "needed_words",
    "policies",
    "policycases",
    "policylint",
    "reasoned",
    "signers",
    "verdict_on_record",
]


def known_actions() -> dict[str, ActionClass]:
    return {name: ActionClass(action.scope, action.risk) for name, action in actions().items()}


def policies(
    own: Path | None = None, people: Path | None = None, known: Mapping[str, ActionClass] | None = None
) -> Policies:
    """Those in force; a named folder or file goes before the usual one."""
    return policyset.read(policy_places(own, people), known_actions() if known is None else known)


def reasoned(plan: Plan, specs: list[NodeSpec], in_force: Policies) -> Reasoning:
    """A plan judged with nodes as the fleet file has them, and jobs as the plan tells of them."""
    return policywhy.reasoning(plan, world_of_inventory(specs, plan.impact), in_force)


def signers(file: Path) -> Signers:
    return Signers(file, approvals.NAMESPACE)


def grounds(run: RunRecord, now: float) -> Grounds:
    """What policies, people and signers of this console say of it. `now`: seconds since the epoch."""
    in_force = policies()
    rules = {rule.id: Rule(rule.where, rule.text.strip()) for rule in in_force.rules}
    decided = {name for entry in run.decisions for name in entry.body.get("policies", ())}
    digest = run.decided.policy_digest if run.decided is not None else ""
    named = {name: rule for name, rule in rules.items() if name in decided}
    return Grounds(_heard(run, now), named, bool(digest) and digest != in_force.digest)


def heard(run: RunRecord, now: float) -> RunRecord:
    """The run with whose word each is by its signature, and why it doesn't count; of what was said before it began, as
    of then."""
    return replace(run, heard=_heard(run, now)) if run.given else run


def _people_now() -> People:
    places = policy_places()
    return _people(places, policyset.stamp_of(places.people) if places.people is not None else ())


@lru_cache(maxsize=1)
def _people(places: PolicyPlaces, stamp: tuple[object, ...]) -> People:
    """They are asked for with every look at what waits: read once for each state of their file."""
    del stamp
    people, *_ = policyset.people_of(places)
    return people


def _heard(run: RunRecord, now: float) -> dict[int, Heard]:
    if run.plan is None:
        return {}
    check = signers(signers_file())
    verdict = verdict_on_record(run.decided) or Verdict(Ruling.NEEDS_APPROVAL, approvals=run.needed)
    people = _people_now()

    def stands(entries: Iterable[Entry], at: float) -> dict[int, Heard]:
        assert run.plan is not None
        return approvals.standing(run.plan, verdict, approvals.statements(entries), at, people, check).heard

    before = [entry for entry in run.given if not run.begun or entry.seconds <= run.begun]
    return stands(run.given, now) | stands(before, run.begun or now)
