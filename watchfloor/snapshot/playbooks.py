"""Playbooks as text and JSON: what there is, and what one of them says. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from watchfloor.playbook import EventTrigger, Playbook, QueryTrigger, RunsTrigger, ScheduleTrigger, StepRule, Trigger

FORMAT = "watchfloor.playbooks/1"


def list_text(playbooks: Sequence[Playbook], own: frozenset[str]) -> str:
    width = max((len(playbook.name) for playbook in playbooks), default=0)
    lines = [
        f"{playbook.name:<{width}}  {playbook.summary}{' (yours)' if playbook.name in own else ''}"
        for playbook in playbooks
    ]
    return "\n".join(lines) or "there are no playbooks"


def playbook_text(playbook: Playbook) -> str:
    return "\n".join(_lines(playbook))


def _lines(playbook: Playbook) -> Iterator[str]:
    guards = playbook.guards
    yield f"{playbook.name}: {playbook.summary}"
    yield f"  of       {playbook.scope.value}s, {playbook.file}"
    yield f"  digest   {playbook.digest}"
    for number, trigger in enumerate(playbook.triggers):
        yield f"  {'when' if not number else '  or':8} {trigger_text(trigger)}"
    if not playbook.triggers:
        yield "  when     somebody asks"
    for number, step in enumerate(playbook.steps, 1):
        yield f"  {number:>2}.      {step_text(step)}"
    if playbook.planner:
        options = ", ".join(f"{name} {value}" for name, value in playbook.options.items())
        yield f"  steps    by the planner {playbook.planner}" + (f" ({options})" if options else "")
    if playbook.rollback:
        yield "  undone   in reverse order where a step fails"
    yield f"  rests    {_span(guards.cooldown_seconds)} between two runs on one target"
    at_once = f"{guards.at_once} runs at a time" if guards.at_once else "any number of runs at a time"
    yield f"  bounds   {guards.most_targets} targets a plan, {at_once}, {guards.storm} targets together are a storm"
    if guards.parallel > 1:
        yield f"  parallel up to {guards.parallel} nodes side by side"
    yield f"  fresh    what began longer than {_span(guards.fresh_seconds)} ago is left alone"
    if guards.windows:
        yield f"  windows  {', '.join(guards.windows)}"


def trigger_text(trigger: Trigger) -> str:
    match trigger:
        case QueryTrigger():
            parts = [trigger.query]
            parts += [f"for {_span(trigger.for_seconds)}"] if trigger.for_seconds else []
            parts += [f"after {', '.join(trigger.after)}"] if trigger.after else []
            parts += [f"every {_span(trigger.every_seconds)}"] if trigger.every_seconds else []
            parts += [f"until {trigger.clear}"] if trigger.clear else []
            return ", ".join(parts)
        case EventTrigger():
            codes = f" {', '.join(trigger.codes)}" if trigger.codes else ""
            events = [f"{kind}{codes}" for kind in trigger.events]
            return " or ".join([*events, *(f"finding {code}" for code in trigger.findings)])
        case ScheduleTrigger():
            return f"at {trigger.cron}" + (f", of {trigger.query}" if trigger.query else "")
        case RunsTrigger():
            of = f" of {', '.join(trigger.playbooks)}" if trigger.playbooks else ""
            return f"{trigger.times} runs{of} on one node within {_span(trigger.within_seconds)}"


def step_text(step: StepRule) -> str:
    of = f" of {step.of}" if step.of else ""
    given = ", ".join(f"{name} {value!r}" for name, value in step.parameters.items())
    parts = [f"{step.action.replace('_', '-')}{of}" + (f" ({given})" if given else "")]
    parts += [f"needs {', '.join(step.needs)}"] if step.needs else []
    parts += [f"waits up to {_span(step.wait_seconds)} for {step.wait}"] if step.wait else []
    parts += [f"only if {step.only_if}"] if step.only_if else []
    parts += ["where it can be prepared"] if step.optional else []
    return "; ".join(parts)


def document(playbook: Playbook, own: bool) -> dict[str, Any]:
    found = asdict(playbook)
    found["scope"], found["risk"] = playbook.scope.value, playbook.risk.label
    found["triggers"] = [{"kind": _KINDS[type(one)], **asdict(one)} for one in playbook.triggers]
    found["own"] = own
    return found


_KINDS = {QueryTrigger: "query", EventTrigger: "event", ScheduleTrigger: "schedule", RunsTrigger: "runs"}


def _span(seconds: float) -> str:
    for size, word in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and not seconds % size:
            return f"{seconds / size:g} {word}"
    return f"{seconds:g} s"
