"""A playbook's YAML -> a Playbook. The keys are those of `schemas/playbook.schema.json`; a test holds the two together.

What is read here makes sense by itself: queries are parsed, schedules and windows understood, keys of steps unique and
what they need before them. Whether there are the actions that it names, whoever joins the rooms looks up. See
docs/playbooks.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from watchfloor import query, schedule
from watchfloor.advice import ADVICE, advice
from watchfloor.change import Risk, Value
from watchfloor.config import LARGEST_FILE_BYTES, Item, Section, parse, whole
from watchfloor.errors import ConfigError, QueryError
from watchfloor.metrics import CATALOGUE, Unit
from watchfloor.model import Scope
from watchfloor.playbook import (
    EventTrigger,
    Guards,
    Playbook,
    QueryTrigger,
    RunsTrigger,
    ScheduleTrigger,
    StepRule,
    Trigger,
)
from watchfloor.report import EVENT_KINDS
from watchfloor.units import nearest

PLAYBOOK_KEYS = (
    "name", "summary", "scope", "triggers", "evidence", "steps", "planner", "options", "guards", "risk", "rollback",
    "lifetime",
)  # fmt: skip
TRIGGER_KEYS: Mapping[str, tuple[str, ...]] = {
    "query": ("query", "for", "clear", "after", "every"),
    "event": ("event", "codes"),
    "finding": ("finding",),
    "schedule": ("schedule", "of"),
    "runs": ("runs", "within", "of"),
}
STEP_KEYS = (
    "key", "action", "of", "with", "needs", "only_if", "wait", "wait_for", "timeout", "attempts", "verify", "optional",
)  # fmt: skip
GUARD_KEYS = ("cooldown", "at_once", "targets", "parallel", "fresh", "windows", "fold", "storm")
SCOPES = tuple(scope.value for scope in (Scope.NODE, Scope.ACCELERATOR, Scope.JOB))
OF = ("target", "node", "one-node", "jobs", "accelerators")
WORDS = ("target", "subject", "node", "rack", "site", "group", "job", "trigger", "reason", "who")
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_KEY = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,39}")
_WORD = re.compile(r"\{([^{}]*)\}")
_Read = TypeVar("_Read")


def read(path: Path) -> Playbook:
    """Raises ConfigError with file, line and column."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"can't be read: {error.strerror}", file=str(path)) from error
    return read_bytes(data, str(path))


def read_bytes(data: bytes, file: str) -> Playbook:
    """Raises ConfigError; `file` is named in it."""
    if len(data) > LARGEST_FILE_BYTES:
        raise ConfigError(f"is larger than {LARGEST_FILE_BYTES // 2**20} MiB", file=file)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8", "save it as UTF-8", file=file, line=line) from error
    return _playbook(parse(text, file), sha256(data).hexdigest())


def _playbook(item: Item, digest: str) -> Playbook:
    root = item.section(PLAYBOOK_KEYS)
    scope = Scope(root.get("scope", _one_of(SCOPES)) or Scope.NODE)
    steps = tuple(root.get("steps", _steps) or ())
    planner = root.get("planner", _matching(_IDENTIFIER, "the name of a planner", "rack_power")) or ""
    _either(root, steps, planner)
    return Playbook(
        name=root.require("name", _matching(_NAME, "a name", "fatal-xid")),
        summary=root.require("summary", Item.text),
        scope=scope,
        triggers=tuple(root.get("triggers", lambda at: [_trigger(one, scope) for one in _list(at)]) or ()),
        evidence=tuple(root.get("evidence", _metrics(scope)) or ()),
        steps=steps,
        planner=planner,
        options=root.get("options", _values) or {},
        guards=root.get("guards", _guards) or Guards(),
        risk=Risk[_RISKS[root.get("risk", _one_of(tuple(_RISKS))) or "R0"]],
        rollback=root.get("rollback", Item.flag) or False,
        lifetime_seconds=_or(root.get("lifetime", _seconds), Playbook("", "").lifetime_seconds),
        digest=digest,
        file=item.file,
        places=_places(root),
    )


def _places(root: Section) -> dict[str, tuple[int, int]]:
    """Where names stand that are looked up later: the planner, its options as "options.NAME", playbooks of triggers."""
    found: dict[str, tuple[int, int]] = {}
    for trigger in root.get("triggers", _list) or ():
        for key in ("after", "of"):
            named = trigger.entries().get(key)
            found.update({one.text(): (one.line, one.column) for one in (named.items() if named else ())})
    for name, one in (root.get("options", Item.entries) or {}).items():
        found[f"options.{name}"] = one.key_at
    if planner := root.entries.get("planner"):
        found["planner"] = (planner.line, planner.column)
    return found


_RISKS = {risk.label: risk.name for risk in Risk}


def _either(root: Section, steps: tuple[StepRule, ...], planner: str) -> None:
    if bool(steps) == bool(planner):
        root.item.fail("a playbook has either steps: or a planner:", "steps name actions; a planner computes them")
    if not planner and "options" in root.entries:
        root.entries["options"].fail("options: are a planner's", "a step has with:")


# -- triggers


def _trigger(item: Item, scope: Scope) -> Trigger:
    entries = item.entries()
    kinds = [kind for kind in TRIGGER_KEYS if kind in entries]
    if len(kinds) != 1:
        every = [key for keys in TRIGGER_KEYS.values() for key in keys]
        item.section(every)
        item.fail(f"{item.named} should be one of {', '.join(TRIGGER_KEYS)}", "one trigger an entry of the list")
    section = item.section(TRIGGER_KEYS[kinds[0]])
    return _TRIGGERS[kinds[0]](section, scope)


def _query_trigger(section: Section, scope: Scope) -> QueryTrigger:
    return QueryTrigger(
        section.require("query", _query(scope)),
        _or(section.get("for", _seconds), 0.0),
        section.get("clear", _query(scope)) or "",
        tuple(section.get("after", _names) or ()),
        _or(section.get("every", _seconds), 0.0),
    )


def _event_trigger(section: Section, scope: Scope) -> EventTrigger:
    kinds = section.require("event", _known(EVENT_KINDS, EVENT_KINDS.__contains__, "a kind of event"))
    return EventTrigger(events=kinds, codes=tuple(section.get("codes", _codes) or ()))


def _finding_trigger(section: Section, scope: Scope) -> EventTrigger:
    return EventTrigger(
        findings=section.require(
            "finding", _known(tuple(ADVICE), lambda code: advice(code, ""), "the code of a finding")
        )
    )


def _schedule_trigger(section: Section, scope: Scope) -> ScheduleTrigger:
    return ScheduleTrigger(
        section.require("schedule", _understood(schedule.cron)), section.get("of", _query(scope)) or ""
    )


def _runs_trigger(section: Section, scope: Scope) -> RunsTrigger:
    if scope is not Scope.NODE:
        section.item.fail("runs: are counted by node", "scope: node")
    return RunsTrigger(
        section.require("runs", whole(1, 1000)),
        section.require("within", _seconds),
        tuple(section.get("of", _names) or ()),
    )


_TRIGGERS: Mapping[str, Callable[[Section, Scope], Trigger]] = {
    "query": _query_trigger,
    "event": _event_trigger,
    "finding": _finding_trigger,
    "schedule": _schedule_trigger,
    "runs": _runs_trigger,
}


# -- steps


def _steps(item: Item) -> list[StepRule]:
    found: list[StepRule] = []
    for one in _list(item):
        step = _step(one.section(STEP_KEYS), [rule.key for rule in found])
        if step.key in [rule.key for rule in found]:
            one.fail(f"the key {step.key!r} is there twice", "each step has a key of its own")
        found.append(step)
    if not found:
        item.fail("no step in it")
    return found


def _step(section: Section, before: list[str]) -> StepRule:
    action = section.require("action", _matching(_IDENTIFIER, "an action", "drain_node"))
    return StepRule(
        key=section.get("key", _matching(_KEY, "a key", "drain")) or action,
        action=action,
        of=section.get("of", _one_of(OF)) or "",
        parameters=section.get("with", _values) or {},
        needs=tuple(_need(one, before) for one in section.get("needs", Item.items) or ()),
        only_if=section.get("only_if", _query(None)) or "",
        wait=section.get("wait", _query(None)) or "",
        wait_seconds=_wait(section),
        timeout_seconds=section.get("timeout", _seconds),
        attempts=section.get("attempts", whole(1, 20)),
        verify_seconds=section.get("verify", _seconds),
        place=(section.item.line, section.item.column),
        optional=section.get("optional", Item.flag) or False,
    )


def _wait(section: Section) -> float:
    seconds = section.get("wait_for", _seconds)
    if (seconds is None) != ("wait" not in section.entries):
        section.item.fail(f"{section.item.named} needs both wait: and wait_for:", "a query, and how long at the most")
    return seconds or 0.0


def _need(item: Item, before: list[str]) -> str:
    name = item.text()
    if name not in before:
        guess = nearest(name, before)
        item.fail(
            f"no step before this one has the key {name!r}",
            f"did you mean {guess}?" if guess else "steps are done in their order",
        )
    return name


def _guards(item: Item) -> Guards:
    section, usual = item.section(GUARD_KEYS), Guards()
    return Guards(
        cooldown_seconds=_or(section.get("cooldown", _seconds), usual.cooldown_seconds),
        at_once=_or(section.get("at_once", whole(0, 1000)), usual.at_once),
        most_targets=_or(section.get("targets", whole(1, 1000)), usual.most_targets),
        parallel=_or(section.get("parallel", whole(1, 100)), usual.parallel),
        fresh_seconds=_or(section.get("fresh", _seconds), usual.fresh_seconds),
        windows=tuple(section.get("windows", _windows) or ()),
        fold_seconds=_or(section.get("fold", _seconds), usual.fold_seconds),
        storm=_or(section.get("storm", whole(1, 100_000)), usual.storm),
    )


def _windows(item: Item) -> list[str]:
    return [_understood(schedule.window)(one) for one in item.items()]


# -- values


def _or(told: _Read | None, usual: _Read) -> _Read:
    return usual if told is None else told


def _list(item: Item) -> list[Item]:
    if not isinstance(item.value, list):
        item.fail(f"{item.named} should be a list", "each entry begins with -")
    return item.value


def _known(choices: tuple[str, ...], is_one: Callable[[str], object], what: str) -> Callable[[Item], tuple[str, ...]]:
    """Each of a list is one of these, or of those that are made, such as services'; another is refused."""

    def reader(item: Item) -> tuple[str, ...]:
        for one in item.items():
            if not is_one(text := one.text()):
                guess = nearest(text, list(choices))
                one.fail(f"{text!r} is not {what}", f"did you mean {guess}?" if guess else "see docs/playbooks.md")
        return tuple(one.text() for one in item.items())

    return reader


def _metrics(scope: Scope) -> Callable[[Item], list[str]]:
    known = list(dict.fromkeys((*CATALOGUE[scope], *CATALOGUE[Scope.NODE])))

    def reader(item: Item) -> list[str]:
        return [_one_of(tuple(known), "a metric")(one) for one in item.items()]

    return reader


def _names(item: Item) -> list[str]:
    return [_matching(_NAME, "the name of a playbook", "fatal-xid")(one) for one in item.items()]


def _codes(item: Item) -> list[str]:
    return [str(one.whole(0, 100_000)) for one in item.items()]


def _seconds(item: Item) -> float:
    found = item.quantity(Unit.SECONDS)
    if not 0 <= found <= 366 * 86_400:
        item.fail(f"{item.named}: {item.value} is no time that makes sense here", "at most a year")
    return found


def _values(item: Item) -> Mapping[str, Value]:
    return {name: _value(one) for name, one in item.entries().items()}


def _value(item: Item) -> Value:
    """A text, or what YAML takes a plain scalar for. Raises ConfigError."""
    if not isinstance(item.value, str) or item.plain == "null":
        item.fail(f"{item.named} should be a text, a number, true or false")
    if item.plain == "bool":
        return item.flag()
    if item.plain in ("int", "float", "number"):
        number = item.number()
        if number != number or abs(number) > 1e15:
            item.fail(f"{item.named}: {item.value} is no number to reckon with")
        return int(number) if number.is_integer() and item.plain == "int" else number
    return _filled(item)


def _filled(item: Item) -> str:
    text = item.text()
    for word in _WORD.findall(text):
        if word not in WORDS:
            guess = nearest(word, list(WORDS))
            item.fail(
                f"{item.named}: {{{word}}} is nothing that is known",
                f"did you mean {{{guess}}}?" if guess else f"known are {', '.join(WORDS)}",
            )
    return text


def _one_of(choices: tuple[str, ...], what: str = "") -> Callable[[Item], str]:
    """`what`: where there are too many to name."""

    def reader(item: Item) -> str:
        text = item.text()
        if text not in choices:
            guess = nearest(text, list(choices))
            others = f"{what} of `watchfloor metrics`" if what else f"one of {', '.join(choices)}"
            item.fail(f"{item.named}: {text!r} is not known", f"did you mean {guess}?" if guess else others)
        return text

    return reader


def _matching(pattern: re.Pattern[str], what: str, such_as: str) -> Callable[[Item], str]:
    def reader(item: Item) -> str:
        text = item.text()
        if not pattern.fullmatch(text) or len(text) > 63:
            item.fail(f"{item.named}: {text!r} is not {what}", f"such as {such_as}")
        return text

    return reader


def _understood(parser: Callable[[str], object]) -> Callable[[Item], str]:
    def reader(item: Item) -> str:
        text = item.text()
        try:
            parser(text)
        except ValueError as error:
            item.fail(f"{item.named}: {error}")
        return text

    return reader


def _query(scope: Scope | None) -> Callable[[Item], str]:
    """A query that makes sense of these subjects; an error points into it."""

    def reader(item: Item) -> str:
        text = item.text()
        try:
            query.parse(text, scope)
        except QueryError as error:
            raise ConfigError(
                f"{item.named}: {error.message}", error.advice, file=item.file, line=item.line,
                column=_column(item, text, error.column),
            ) from error  # fmt: skip
        return text

    return reader


def _column(item: Item, text: str, column: int) -> int:
    """Within the file, where the text stands on one line as written; else where it begins."""
    if "\n" in text or not column:
        return item.column
    return item.column + (0 if item.plain else 1) + column - 1
