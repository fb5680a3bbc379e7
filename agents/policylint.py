"""What is odd about policies that are sound: those that can never match, groups that nobody is of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

import cedarpy

from agents.policyfile import Rule, Trouble
from agents.policyset import Policies

_GROUP = re.compile(r'Group::"([^"]+)"')


def remarks(policies: Policies) -> Iterator[Trouble]:
    """Nothing of this denies anything."""
    for rule in policies.rules:
        if never_matches(rule, policies):
            yield rule.trouble(f"{rule.id} can never match: its conditions are false whatever is asked")
        for group in dict.fromkeys((*_GROUP.findall(rule.text), *rule.approvers)):
            if not policies.people.groups.get(group):
                where = policies.people.file or "people.yaml"
                yield rule.trouble(f"{rule.id} speaks of the group {group}, of which nobody is", f"see {where}")
        if rule.not_requester and rule.permits and "context.approvals" not in rule.text:
            yield rule.trouble(f"{rule.id} has @not_requester and asks for no approval", "ask for context.approvals")
        if rule.approvers and rule.permits and "context.approvals" not in rule.text:
            yield rule.trouble(f"{rule.id} has @approvers and asks for no approval", "ask for context.approvals")


def never_matches(rule: Rule, policies: Policies) -> bool:
    """Whether Cedar finds a policy false for every action, with all the rest unknown."""
    alone = cedarpy.PolicySet.from_str(rule.text)
    return bool(policies.actions) and not any(_may_match(name, alone) for name in policies.actions)


def _may_match(action: str, alone: cedarpy.PolicySet) -> bool:
    told = cedarpy.is_authorized_partial({"action": f'Action::"{action}"'}, alone, "[]").diagnostics
    return bool(told.reasons or told.nontrivial_residuals or told.may_be_determining)
