"""Whether there is what a playbook names: actions with these parameters, a planner with these options. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agents.action import Action, Kind, Parameter
from watchfloor.change import Value
from watchfloor.errors import ConfigError
from watchfloor.playbook import Planner, Playbook, QueryTrigger, RunsTrigger, StepRule
from watchfloor.units import nearest


def troubles(
    playbook: Playbook, actions: Mapping[str, Action], planners: Mapping[str, Planner], names: set[str]
) -> Iterator[ConfigError]:
    """Everything that it names and there isn't. `names`: of all playbooks."""
    for rule in playbook.steps:
        for text, advice in _of_step(rule, actions):
            line, column = rule.place
            yield ConfigError(f"{rule.key}: {text}", advice, file=playbook.file, line=line, column=column)
    if playbook.planner:
        yield from _of_planner(playbook, planners)
    for name in sorted(_named(playbook) - names - {playbook.name}):
        guess = nearest(name, sorted(names))
        text = f"a trigger names the playbook {name}, which there is not"
        yield _at(playbook, name, text, f"did you mean {guess}?" if guess else "")


def _at(playbook: Playbook, name: str, text: str, advice: str) -> ConfigError:
    line, column = playbook.places.get(name, (0, 0))
    return ConfigError(text, advice, file=playbook.file, line=line, column=column)


def _of_step(rule: StepRule, actions: Mapping[str, Action]) -> Iterator[tuple[str, str]]:
    action = actions.get(rule.action)
    if action is None:
        guess = nearest(rule.action, list(actions))
        yield f"there is no action {rule.action}", f"did you mean {guess}?" if guess else "see docs/actions.md"
        return
    declared = action.parameters
    for name in sorted(rule.parameters.keys() - declared.keys()):
        guess = nearest(name, list(declared))
        known = f"known are {', '.join(declared)}" if declared else "it takes none"
        yield f"{rule.action} has no parameter {name}", f"did you mean {guess}?" if guess else known
    for name, parameter in declared.items():
        if name in rule.parameters:
            if wrong := _wrong(rule.parameters[name], parameter):
                yield f"{name} is {rule.parameters[name]!r}", wrong
        elif parameter.default is None:
            yield f"{rule.action} needs the parameter {name}", parameter.summary


def _wrong(value: Value, parameter: Parameter) -> str:
    """What it should be; "" where it is right. What a text becomes when its words are filled in, nobody knows yet."""
    match parameter.kind:
        case Kind.FLAG:
            return "" if isinstance(value, bool) else "true or false"
        case Kind.NUMBER:
            return _no_number(value, parameter)
        case Kind.TEXT:
            if not isinstance(value, str):
                return "a text, in quotes"
            known = not parameter.choices or value in parameter.choices or "{" in value
            return "" if known else f"one of {', '.join(parameter.choices)}"


def _no_number(value: Value, parameter: Parameter) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "a number"
    if parameter.least is not None and value < parameter.least:
        return f"{parameter.least:g} is the least"
    if parameter.most is not None and value > parameter.most:
        return f"{parameter.most:g} is the most"
    return ""


def _of_planner(playbook: Playbook, planners: Mapping[str, Planner]) -> Iterator[ConfigError]:
    planner = planners.get(playbook.planner)
    if planner is None:
        guess = nearest(playbook.planner, list(planners))
        advice = f"did you mean {guess}?" if guess else f"known are {', '.join(planners)}"
        yield _at(playbook, "planner", f"there is no planner {playbook.planner}", advice)
        return
    for name, value in playbook.options.items():
        usual = planner.OPTIONS.get(name)
        if usual is None:
            known = f"known are {', '.join(planner.OPTIONS)}" if planner.OPTIONS else "it takes none"
            guess = nearest(name, list(planner.OPTIONS))
            advice = f"did you mean {guess}?" if guess else known
            yield _at(playbook, f"options.{name}", f"{playbook.planner} has no option {name}", advice)
        elif isinstance(value, str) != isinstance(usual, str) or isinstance(value, bool) != isinstance(usual, bool):
            yield _at(playbook, f"options.{name}", f"options: {name} is {value!r}", f"such as {usual!r}")


def _named(playbook: Playbook) -> set[str]:
    """Playbooks that its triggers speak of."""
    found: set[str] = set()
    for trigger in playbook.triggers:
        if isinstance(trigger, QueryTrigger):
            found |= set(trigger.after)
        elif isinstance(trigger, RunsTrigger):
            found |= set(trigger.playbooks)
    return found
