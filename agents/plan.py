"""A playbook, its targets and the newest frame -> a plan: concrete, finite, ready to be judged. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import msgspec
import numpy as np

from agents.action import Action, CannotPrepare, Scene
from agents.fingerprint import state_of
from agents.impact import impact_of
from agents.onnode import jobs_on_node
from watchfloor.change import Origin, Plan, Risk, Step, Target, Value, as_kept, plain
from watchfloor.errors import CannotPlan, NothingToDo
from watchfloor.frame import Frame
from watchfloor.model import Scope, Subject
from watchfloor.playbook import Guards, Playbook, StepRule, Wish
from watchfloor.records.ledgerclean import MOST_BYTES
from watchfloor.records.ledgerentry import Who

_WORD = re.compile(r"\{(\w+)\}")
_LONGEST_REASON = 1_000  # characters
MOST_STEPS = 1_000  # of a plan: nobody can read more


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for it, why, and when."""

    who: Who
    origin: Origin
    at: float


def make_plan(
    playbook: Playbook, targets: Sequence[Subject], scene: Scene, actions: Mapping[str, Action], asked: Asked
) -> Plan:
    """Raises CannotPlan where a step can't be prepared, there is no target, or there would be too many steps."""
    bounded(playbook, targets)
    scene = replace(scene, who=asked.who.name)
    steps = [step for target in targets for step in _steps(playbook, target, scene, actions, asked)]
    if not steps:
        raise CannotPlan(f"{playbook.name} has nothing to do for {', '.join(map(str, targets))}")
    return planned(playbook, steps, scene, asked)


def bounded(playbook: Playbook, targets: Sequence[Subject]) -> None:
    """Raises CannotPlan where there are no targets, or more than the playbook takes."""
    if not targets:
        raise CannotPlan(f"nothing in the fleet is what {playbook.name} was asked for", "see what --target finds")
    if len(targets) > playbook.guards.most_targets:
        raise CannotPlan(
            f"{len(targets)} targets, and {playbook.name} takes {playbook.guards.most_targets} at once",
            "ask for fewer, or raise guards: targets: in the playbook",
        )


def single(name: str, action: Action, given: Mapping[str, Value]) -> Playbook:
    """An action by itself, as a playbook of one step. Its reason, where it takes one, is the plan's unless given."""
    usual = {"reason": "{reason}"} if "reason" in action.parameters else {}
    rule = StepRule(name, name, "target", {**usual, **given})
    told = json.dumps([name, dict(given)], sort_keys=True)
    return Playbook(
        name.replace("_", "-"),
        action.summary,
        action.scope,
        steps=(rule,),
        guards=Guards(at_once=0, most_targets=MOST_STEPS),
        digest=sha256(told.encode()).hexdigest(),
    )


def planned(playbook: Playbook, steps: Sequence[Step], scene: Scene, asked: Asked) -> Plan:
    """The plan of these prepared steps: of a playbook's, or of a planner's."""
    if len(steps) > MOST_STEPS:
        raise CannotPlan(f"{len(steps)} steps are more than the {MOST_STEPS} that anybody can read", "ask for less")
    plan = Plan(
        playbook=playbook.name,
        playbook_digest=playbook.digest,
        who=asked.who,
        origin=asked.origin,
        steps=tuple(steps),
        created=asked.at,
        expires=asked.at + playbook.lifetime_seconds,
        impact=impact_of(scene, steps, asked.at),
        state=state_of(scene.frame, steps),
        rollback=playbook.rollback,
        at_once=playbook.guards.at_once,
        parallel=playbook.guards.parallel if playbook.guards.parallel > 1 else msgspec.UNSET,
        risk=max([playbook.risk, *(step.risk for step in steps)], default=Risk.READ),
    )
    return _kept(plan)


def _kept(plan: Plan) -> Plan:
    """As the ledger keeps it, whole: of what is cut nobody could say what was approved. Raises CannotPlan."""
    try:
        return as_kept(plan)
    except msgspec.ValidationError as error:
        size, most = len(json.dumps(plain(plan)).encode()) / 2**20, MOST_BYTES / 2**20
        targets = len({step.target for step in plan.steps})
        raise CannotPlan(
            f"{len(plan.steps)} steps on {targets} targets make a plan of {size:.1f} MiB, and {most:.0f} MiB is the "
            "most that is kept and approved as a whole",
            "ask for fewer targets at a time: a narrower --target, rack by rack or node by node",
        ) from error


def wished(
    playbook: Playbook, wishes: Sequence[Wish], scene: Scene, actions: Mapping[str, Action], asked: Asked
) -> Plan:
    """The plan of what a planner wants. Raises NothingToDo, or CannotPlan where none of it can be prepared."""
    if not wishes:
        raise NothingToDo(f"{playbook.name} finds nothing to do")
    scene = replace(scene, who=asked.who.name)
    steps: list[Step] = []
    left_out: list[str] = []
    for number, wish in enumerate(wishes, 1):
        action = actions.get(wish.action)
        if action is None:
            raise CannotPlan(f"the planner {playbook.planner} names the action {wish.action}, which there is not")
        try:
            steps.append(
                prepared(
                    action, wish.action, wish.target, wish.parameters, scene, f"{number} {wish.action} {wish.target}"
                )
            )
        except CannotPrepare as error:
            left_out.append(f"{wish.action} on {wish.target} is left out: {error.message}")
    if not steps:
        raise CannotPlan(f"nothing of what {playbook.name} wants can be done: {left_out[0]}")
    why = tuple(dict.fromkeys(wish.why for wish in wishes if wish.why))
    origin = msgspec.structs.replace(asked.origin, considered=(*asked.origin.considered, *why, *left_out))
    return planned(playbook, steps, scene, replace(asked, origin=origin))


def prepared(action: Action, name: str, target: Subject, given: Mapping[str, Value], scene: Scene, key: str) -> Step:
    """One step of a planner. Raises CannotPrepare."""
    bare = Step(
        key,
        name,
        Target(target.scope, target.node, target.key),
        action.risk,
        action.summary,
        parameters=dict(given),
        harms=action.harms,
        heals=action.heals,
    )
    return action.prepare(scene, bare)


def _steps(
    playbook: Playbook, target: Subject, scene: Scene, actions: Mapping[str, Action], asked: Asked
) -> Iterator[Step]:
    keys: dict[str, list[str]] = {}
    for rule in playbook.steps:
        action = actions.get(rule.action)
        if action is None:
            raise CannotPlan(f"{playbook.name} names the action {rule.action}, which there is not")
        mine = keys.setdefault(rule.key, [])
        for subject in subjects_of(rule, action, target, scene.frame):
            words = _words(subject, target, scene.frame, asked)
            try:
                step = _prepared(rule, action, subject, words, scene)
            except CannotPrepare as error:
                if rule.optional:
                    continue
                raise CannotPlan(
                    f"{rule.key} of {playbook.name} on {subject}: {error.message}", error.advice
                ) from error
            needs = tuple(key for name in rule.needs for key in keys.get(name, ()))
            mine.append(step.key)
            yield msgspec.structs.replace(step, needs=needs)


def _prepared(rule: StepRule, action: Action, subject: Subject, words: Mapping[str, str], scene: Scene) -> Step:
    given = {name: filled(value, words) for name, value in rule.parameters.items()}
    step = prepared(action, rule.action, subject, given, scene, f"{rule.key} {subject}")
    own = {
        "timeout_seconds": rule.timeout_seconds,
        "attempts": rule.attempts,
        "verify_seconds": rule.verify_seconds,
    }
    told = {name: value for name, value in own.items() if value is not None}
    return msgspec.structs.replace(
        step, only_if=rule.only_if, wait=rule.wait, wait_seconds=rule.wait_seconds, optional=rule.optional, **told
    )


def filled(value: Value, words: Mapping[str, str]) -> Value:
    """A text with its {words} filled in. Raises CannotPrepare for a word that isn't known."""
    if not isinstance(value, str):
        return value

    def word(found: re.Match[str]) -> str:
        if found[1] not in words:
            raise CannotPrepare(f"{{{found[1]}}} is nothing that is known here", f"one of {', '.join(sorted(words))}")
        return words[found[1]]

    return _WORD.sub(word, value)


def _words(subject: Subject, target: Subject, frame: Frame, asked: Asked) -> dict[str, str]:
    node = frame.node_index.get(subject.node or target.node)
    spec = frame.specs[node] if node is not None else None
    return {
        "target": str(Target(target.scope, target.node, target.key)),
        "subject": str(Target(subject.scope, subject.node, subject.key)),
        "node": spec.name if spec else "",
        "rack": spec.rack if spec else "",
        "site": spec.site if spec else "",
        "group": spec.group if spec else "",
        "job": subject.key if subject.scope is Scope.JOB else "",
        "trigger": asked.origin.trigger or asked.origin.finding or "asked for",
        "reason": _one_line(asked.origin.reason),
        "who": asked.who.name,
    }


def _one_line(text: str) -> str:
    """What a node or a person said, as a parameter takes it: a plain line that no program takes for an option."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain.lstrip("- ")[:_LONGEST_REASON]


# -- whose a step is


def subjects_of(rule: StepRule, action: Action, target: Subject, frame: Frame) -> list[Subject]:
    """The subjects of a step, in the order in which the fleet has them."""
    of = rule.of or _usual(action.scope, target.scope)
    match of:
        case "target":
            return [target]
        case "node" | "nodes":
            return [Subject(Scope.NODE, name) for name in _nodes(target, frame)]
        case "one-node":
            return [Subject(Scope.NODE, name) for name in _nodes(target, frame)[:1]]
        case "jobs":
            return [Subject(Scope.JOB, "", frame.jobs.rows[row].id) for row in sorted(_jobs(target, frame))]
        case "accelerators":
            return [frame.subject(Scope.ACCELERATOR, row) for row in _accelerators(target, frame)]
    raise CannotPlan(f"{rule.key}: of: {of} is not known", "target, node, one-node, jobs or accelerators")


def _usual(wanted: Scope, of_target: Scope) -> str:
    if wanted is of_target:
        return "target"
    return {Scope.NODE: "node", Scope.JOB: "jobs", Scope.ACCELERATOR: "accelerators"}.get(wanted, "target")


def _jobs(target: Subject, frame: Frame) -> set[int]:
    node = frame.node_index.get(target.node)
    if target.scope is Scope.NODE and node is not None:
        return jobs_on_node(frame, node)
    return {frame.jobs.owner_of(row) for row in _accelerators(target, frame)} - {-1}


def _nodes(target: Subject, frame: Frame) -> list[str]:
    if target.scope is not Scope.JOB:
        return [target.node]
    boards = _accelerators(target, frame)
    return [frame.specs[node].name for node in sorted({int(frame.accelerators.node[row]) for row in boards})]


def _accelerators(target: Subject, frame: Frame) -> list[int]:
    row = frame.row(target)
    if row is None:
        return []
    match target.scope:
        case Scope.ACCELERATOR:
            return [row]
        case Scope.JOB:
            return np.asarray(frame.jobs.accelerators_of(row)).tolist()
        case _:
            return frame.rows_of(Scope.ACCELERATOR, frame.node_index[target.node]).tolist()
