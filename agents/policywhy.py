"""Why a verdict is what it is, and what would change it: the plan is judged again as if something were otherwise. Pure.

Nothing is guessed: whatever is said here, Cedar has said of the plan that is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from msgspec.structs import replace as altered

from agents.policy import Judged, judge, judged, needed_words
from agents.policyset import Policies
from agents.policyworld import World
from watchfloor.change import Impact, Plan, Ruling, Verdict
from watchfloor.people import People
from watchfloor.records.ledgerentry import Party

_GROUP = re.compile(r'Group::"([^"]+)"')
_TEXT = re.compile(r'"([^"\\]+)"')
_Variant = tuple[str, str, Plan, Policies]
_STRICTNESS = (Ruling.PERMIT, Ruling.NEEDS_APPROVAL, Ruling.DENY)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """`steps` is empty where nothing could be judged; `otherwise`: (what were different, how it would be judged)."""

    verdict: Verdict
    steps: tuple[Judged, ...] = ()
    otherwise: tuple[tuple[str, str], ...] = ()


def reasoning(plan: Plan, world: World, policies: Policies) -> Reasoning:
    verdict = judge(plan, world, policies)
    if policies.troubles:
        return Reasoning(verdict)
    try:
        steps = tuple(judged(plan, world, policies))
    except Exception:  # the verdict tells what broke
        return Reasoning(verdict)
    otherwise: dict[tuple[str, str], list[str]] = {}  # by kind and ruling
    for kind, word, other, under in _variants(plan, policies, steps):
        found = judge(other, world, under)
        if _milder(found, verdict):
            otherwise.setdefault((kind, ruled(found)), []).append(word)
    told = ((kind.replace("*", " or ".join(words)), ruling) for (kind, ruling), words in otherwise.items())
    return Reasoning(verdict, steps, tuple(told))


def ruled(verdict: Verdict) -> str:
    """A verdict in a few words."""
    return needed_words(verdict) if verdict.ruling is Ruling.NEEDS_APPROVAL else str(verdict.ruling)


def _milder(found: Verdict, than: Verdict) -> bool:
    def strictness(verdict: Verdict) -> tuple[int, int, bool, int]:
        rank = _STRICTNESS.index(verdict.ruling)
        return rank, verdict.approvals, verdict.not_requester, len(verdict.approvers)

    return strictness(found) < strictness(than)


def _variants(plan: Plan, policies: Policies, steps: tuple[Judged, ...]) -> Iterator[_Variant]:
    """What might be otherwise: a sentence with * for a word, the word, and what is to be judged then, by what."""
    who, people = plan.who, policies.people
    if who.kind is not Party.PERSON:
        yield "asked by a person", "", altered(plan, who=altered(who, kind=Party.PERSON)), policies
    for group in _named(policies, _GROUP):
        if group not in people.groups_of(who):
            yield "asked by one of the group *", group, plan, replace(policies, people=_joined(people, plan, group))
    for playbook in _playbooks(policies):
        if playbook != plan.playbook:
            yield "by the playbook *", playbook, altered(plan, playbook=playbook), policies
    if plan.impact.jobs:
        yield "if it harmed no job", "", altered(plan, impact=altered(plan.impact, jobs=())), policies
    if plan.impact != Impact():
        nothing = altered(plan, impact=Impact(capacity_left=1.0))
        yield "if it harmed no job and took nothing out", "", nothing, policies
    for rule in dict.fromkeys(rule for each in steps for rule in each.deciding if not rule.permits):
        yield "without the policy *", f"{rule.id} ({rule.where})", plan, policies.without(rule.id)


def _joined(people: People, plan: Plan, group: str) -> People:
    who = plan.who
    name = people.person(who.name, who.fingerprint) if who.kind is Party.PERSON else f"{who.kind}:{who.name}"
    members = people.groups.get(group, frozenset()) | {name}
    return replace(people, groups={**people.groups, group: members})


def _named(policies: Policies, pattern: re.Pattern[str]) -> list[str]:
    return sorted({name for rule in policies.rules for name in pattern.findall(rule.text)})


def _playbooks(policies: Policies) -> list[str]:
    """Texts in conditions that look at the playbook: one that is no playbook's name changes nothing."""
    looking = (rule.text.partition("when")[2] for rule in policies.rules if "context.playbook" in rule.text)
    return sorted({name for text in looking for name in _TEXT.findall(text)})
