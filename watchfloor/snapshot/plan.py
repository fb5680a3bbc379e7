"""A plan as a readable diff of the world, for a terminal and for whoever signs it. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from watchfloor.change import Command, Deed, Impact, JobHit, Plan, Step, Value
from watchfloor.snapshot.words import duration

_INDENT = "   "


def plan_text(plan: Plan, now: float) -> str:
    """The whole of it: what is not shown here is not done."""
    return "\n".join(printable(line) for line in _lines(plan, now))


def printable(text: str) -> str:
    """No name of a job or a node may move the cursor of whoever reads before signing."""
    return "".join(character if character.isprintable() else "·" for character in text)


def _lines(plan: Plan, now: float) -> Iterator[str]:
    yield f"{plan.playbook} · {plan.risk.label} · plan {plan.digest[:16]}"
    yield f"asked by {_who(plan)}: {plan.origin.reason}"
    if plan.origin.finding:
        yield f"found: {plan.origin.finding} on {plan.origin.subject}"
    yield from (f"{_INDENT}{name} {value}" for name, value in plan.origin.samples.items())
    yield _expiry(plan, now)
    if plan.side_by_side > 1:
        yield f"up to {plan.side_by_side} steps side by side, each on a node of its own"
    for number, step in enumerate(plan.steps, 1):
        yield ""
        yield from _step(number, step)
    yield ""
    yield "Impact:"
    yield from (f"{_INDENT}{line}" for line in impact_lines(plan.impact))
    if plan.state:
        yield ""
        yield "Relies on:"
        yield from (f"{_INDENT}{name}: {value_text(value)}" for name, value in plan.state.items())


def _who(plan: Plan) -> str:
    who = plan.who
    model = f" ({who.model})" if who.model else ""
    behalf = f" for {who.on_behalf_of}" if who.on_behalf_of else ""
    return f"{who.kind} {who.name}{model}{behalf}"


def _expiry(plan: Plan, now: float) -> str:
    left = plan.expires - now
    return f"void in {duration(left)}" if left > 0 else f"void since {duration(-left)} ago"


def _step(number: int, step: Step) -> Iterator[str]:
    yield f"{number}. {step.summary} · {step.action} on {step.target} · {step.risk.label}"
    yield from (f"{_INDENT}{line}" for line in _changes(step))
    yield from (f"{_INDENT}$ {deed_text(deed)}" for deed in step.deeds)
    yield from (f"{_INDENT}undone by: {deed_text(deed)}" for deed in step.undo)
    if step.needs:
        yield f"{_INDENT}after: {', '.join(step.needs)}"
    if step.wait:
        yield f"{_INDENT}waits for: {step.wait}, at most {duration(step.wait_seconds)}"
    if step.optional:
        yield f"{_INDENT}optional: the run goes on without it"
    if step.only_if:
        yield f"{_INDENT}only if: {step.only_if}"
    tried = f"tried {step.attempts} times, " if step.attempts > 1 else ""
    yield f"{_INDENT}{tried}{duration(step.timeout_seconds)} to end, {duration(step.verify_seconds)} to be seen"


def _changes(step: Step) -> Iterator[str]:
    for name in dict.fromkeys((*step.before, *step.after)):
        before, after = step.before.get(name), step.after.get(name)
        if after is None:
            yield f"{name}: {value_text(before)}"
        elif before is None or before == after:
            yield f"{name}: {value_text(after)}"
        else:
            yield f"{name}: {value_text(before)} → {value_text(after)}"


def deed_text(deed: Deed) -> str:
    """What is done, and where, as a person would type it."""
    if isinstance(deed, Command):
        given = f" < {deed.stdin!r}" if deed.stdin else ""
        return f"{shlex.join(deed.words)}{given}   ({deed.place})"
    body = f" {json.dumps(deed.body, ensure_ascii=False, sort_keys=True)}" if deed.body else ""
    return f"{deed.method} {deed.path}{body}   ({deed.place})"


def value_text(value: Value | None) -> str:
    """As people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def impact_lines(impact: Impact) -> Iterator[str]:
    if impact.nodes:
        count = "it isn't known how many" if impact.accelerators is None else impact.accelerators
        yield f"takes out {', '.join(impact.nodes)}: {count} accelerators"
    if impact.capacity_left is not None and impact.nodes:
        yield f"{impact.capacity_left:.0%} of the fleet's accelerators stay healthy and open to work"
    elif impact.accelerators != 0 and impact.nodes:
        yield "it isn't known how many of the fleet's accelerators stay healthy and open to work"
    yield from map(_hit, impact.jobs)
    if not impact.jobs:
        yield "no job is harmed"
    elif impact.cheapest:
        yield f"costs least {impact.cheapest}"


def _hit(hit: JobHit) -> str:
    boards = f", {hit.accelerators} accelerators" if hit.accelerators else ""
    lost = "what it loses is not known"
    if hit.gpu_hours_lost is not None:
        since = hit.since if " " in hit.since else f"its {hit.since or 'start'}"  # older plans have a word
        lost = f"{hit.gpu_hours_lost:.1f} accelerator hours lost since {since}"
    return f"job {hit.job} {hit.name} of {hit.user or 'somebody'}{boards}: {hit.effect}, {lost}"
