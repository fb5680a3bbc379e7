"""What policy says of a plan: permit, needs approval, deny. The strictest step decides; whatever is wrong denies.

Cedar is asked with 0 approvals first and then with more, until it permits: the least number that does is what the step
needs. Pure: time, files and the world come in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cedarpy
from msgspec.structs import replace

from agents.policyfile import Rule
from agents.policyset import Policies
from agents.policyworld import Request, Unknown, World, entities, requests
from watchfloor.change import Plan, Risk, Ruling, Step, Verdict

_SHOWN = 5  # targets in a sentence
MOST_APPROVALS = 4  # what isn't permitted with so many isn't permitted at all


@dataclass(frozen=True, slots=True)
class Judged:
    """One step. `approvals` None: denied. `rules` decided; `lifted` forbade it with fewer approvals."""

    step: Step
    risk: Risk
    approvals: int | None
    rules: tuple[Rule, ...] = ()
    lifted: tuple[Rule, ...] = ()

    @property
    def deciding(self) -> tuple[Rule, ...]:
        return tuple(dict.fromkeys((*self.rules, *self.lifted)))


@dataclass(frozen=True, slots=True)
class _Answer:
    allowed: bool
    rules: tuple[Rule, ...]


class _Broken(Exception):
    """Cedar couldn't answer, or a policy couldn't be evaluated."""


def judge(plan: Plan, world: World, policies: Policies) -> Verdict:
    """Never raises."""
    if policies.troubles:
        return _denied(policies, [str(trouble) for trouble in policies.troubles], "mend it: `watchfloor policy check`")
    if not plan.steps:
        return _denied(policies, ["the plan has no steps: there is nothing to judge"])
    try:
        return verdict_of(judged(plan, world, policies), policies)
    except Unknown as error:
        return _denied(policies, [error.message], error.advice)
    except _Broken as error:
        return _denied(policies, [f"policy couldn't be asked: {error}"], "mend it: `watchfloor policy check`")
    except Exception as error:  # whatever it is, nothing is permitted by accident
        return _denied(policies, [f"policy couldn't be asked: {type(error).__name__}: {error}"])


def judged(plan: Plan, world: World, policies: Policies) -> list[Judged]:
    """Each step. Raises Unknown, or whatever Cedar raises."""
    asked = requests(plan, policies.people, policies.actions)
    about = cedarpy.Entities.from_json_str(json.dumps(entities(plan, world, policies.people)), policies.schema)
    open_steps: dict[int, dict[Rule, None]] = {at: {} for at in range(len(asked))}  # with what forbade them so far
    found: dict[int, Judged] = {}
    answers: dict[int, _Answer] = {}
    risks = [Risk(request["context"]["risk"]) for request in asked]
    for approvals in range(MOST_APPROVALS + 1):
        answers = dict(zip(open_steps, _ask([asked[at] for at in open_steps], approvals, about, policies), strict=True))
        for at, answer in answers.items():
            if answer.allowed:
                lifted = tuple(open_steps.pop(at))
                found[at] = Judged(plan.steps[at], risks[at], approvals, answer.rules, lifted)
            else:
                open_steps[at] |= dict.fromkeys(answer.rules)
        if not open_steps:
            break
    for at in open_steps:
        found[at] = Judged(plan.steps[at], risks[at], None, answers[at].rules)
    return [found[at] for at in range(len(asked))]


def _ask(asked: Sequence[Request], approvals: int, about: cedarpy.Entities, policies: Policies) -> list[_Answer]:
    """Steps that are alike for policy are asked once. Raises _Broken."""
    if policies.handle is None or policies.schema is None:
        raise _Broken("there are no policies in force")
    texts = [json.dumps({**request["context"], "approvals": approvals}, sort_keys=True) for request in asked]
    keys = [(each["action"]["id"], *each["resource"].values(), text) for each, text in zip(asked, texts, strict=True)]
    alike = {key: {**each, "context": text} for key, each, text in zip(keys, asked, texts, strict=True)}
    # what is asked again with more approvals has been held against the schema already, which costs as much as deciding
    schema = None if approvals else policies.schema
    told = cedarpy.is_authorized_batch(list(alike.values()), policies.handle, about, schema)
    answers = {key: _answer(result, policies) for key, result in zip(alike, told, strict=True)}
    return [answers[key] for key in keys]


def _answer(result: cedarpy.AuthzResult, policies: Policies) -> _Answer:
    """A forbid that can't be evaluated is skipped by Cedar, which would permit: any error denies."""
    errors = [str(error) for error in result.diagnostics.errors]
    if errors or result.decision not in (cedarpy.Decision.Allow, cedarpy.Decision.Deny):
        raise _Broken("; ".join(errors) or "Cedar came to no decision")
    decided = sorted(result.diagnostics.reasons, key=lambda name: int(name.removeprefix("policy")))
    return _Answer(result.decision == cedarpy.Decision.Allow, tuple(policies.rule(name) for name in decided))


# -- the verdict


def verdict_of(steps: Sequence[Judged], policies: Policies) -> Verdict:
    denied = [each for each in steps if each.approvals is None]
    if denied:
        rules = _rules(denied)
        reasons = _reasons(denied)
        change = [f"{rule.id} forbids it ({rule.where})" for rule in rules] or ["a policy that permits it"]
        return replace(_verdict(Ruling.DENY, reasons, rules, policies), would_change=tuple(change))
    most = max(each.approvals or 0 for each in steps)
    if not most:
        return _verdict(Ruling.PERMIT, _reasons(steps), _rules(steps), policies)
    waiting = [each for each in steps if each.approvals]
    rules = _rules(waiting)
    verdict = replace(
        _verdict(Ruling.NEEDS_APPROVAL, _reasons(waiting), rules, policies),
        approvals=most,
        not_requester=any(rule.not_requester for rule in rules),
        approvers=tuple(sorted({group for rule in rules for group in rule.approvers})),
    )
    return replace(verdict, would_change=(needed_words(verdict),))


def needed_words(verdict: Verdict) -> str:
    """What approvals are wanted: "2 approvals of other persons than who asks, of admins"."""
    number = verdict.approvals
    words = f"{number} approval{'s' * (number > 1)}"
    if verdict.not_requester:
        words += " of another person than who asks" if number == 1 else " of other persons than who asks"
    elif number > 1:
        words += " of different persons"
    return words + (f", of the group {' and of '.join(verdict.approvers)}" if verdict.approvers else "")


def _verdict(ruling: Ruling, reasons: Iterable[str], rules: Sequence[Rule], policies: Policies) -> Verdict:
    return Verdict(ruling, tuple(dict.fromkeys(reasons)), tuple(rule.id for rule in rules), policies.digest)


def _denied(policies: Policies, reasons: Sequence[str], advice: str = "") -> Verdict:
    """It couldn't be asked."""
    would_change = (advice,) if advice else ()
    return replace(_verdict(Ruling.DENY, reasons, (), policies), would_change=would_change, sound=False)


def _rules(steps: Iterable[Judged]) -> list[Rule]:
    return list(dict.fromkeys(rule for each in steps for rule in each.deciding))


def _reasons(steps: Iterable[Judged]) -> list[str]:
    """A sentence for all that were judged alike: a plan may have hundreds of steps."""
    alike: dict[tuple[str, Risk, tuple[Rule, ...]], list[str]] = {}
    for each in steps:
        alike.setdefault((each.step.action, each.risk, each.deciding), []).append(str(each.step.target))
    return [
        f"{action} on {_some(targets)} ({risk.label}): {_because(rules)}"
        for (action, risk, rules), targets in alike.items()
    ]


def _because(rules: Sequence[Rule]) -> str:
    return "; ".join(rule.explain for rule in rules) or "no policy permits it, whoever approves"


def _some(targets: Sequence[str]) -> str:
    more = len(targets) - _SHOWN
    return ", ".join(targets[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
