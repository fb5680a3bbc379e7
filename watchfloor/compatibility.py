"""Versions that don't go together: rules from data, held against the software of one node.

A rule says when it applies, and what it then asks for. What a user's process has mapped is held against what the node
has and against what the same user has mapped, never against another user's. Where a thing is there in several
versions, one that fits is enough: the console can't tell which of them works with which.

Must not do: I/O beyond its own data file, judging.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from watchfloor import config
from watchfloor.frame import Frame
from watchfloor.model import State
from watchfloor.report import Software
from watchfloor.shippeddata import shipped
from watchfloor.stack import Numbers, Stacks, models, numbers

_PART = re.compile(r"(>=|<=|<|>|==)(\d[\w.]*)")
_FILE = Path(__file__).parent / "checks" / "incompatible.toml"
_KEYS = ("when", "needs", "same", "ordered", "unless", "boards", "machine", "state", "why", "advice", "source")
_STATES = {"warning": State.WARNING, "critical": State.CRITICAL}


@dataclass(frozen=True, slots=True)
class Range:
    """Versions between bounds, as in `>=13.0 <14`."""

    text: str
    bounds: tuple[tuple[str, Numbers], ...]

    @staticmethod
    def parse(item: config.Item) -> Range:
        """Raises ConfigError."""
        words = item.text().split()
        parts = [_PART.fullmatch(word) for word in words]
        if not words or not all(parts):
            item.fail(f"{item.text()!r} is no range of versions", "as in >=13.0 <14")
        return Range(item.text(), tuple((part[1], numbers(part[2])) for part in parts if part))

    def holds(self, version: str) -> bool:
        return all(_compared(numbers(version), sign, bound) for sign, bound in self.bounds)


def _compared(mine: Numbers, sign: str, bound: Numbers) -> bool:
    left, right = _alike(mine, bound)
    return {">=": left >= right, "<=": left <= right, ">": left > right, "<": left < right, "==": left == right}[sign]


def _alike(one: Numbers, other: Numbers) -> tuple[Numbers, Numbers]:
    """Both with as many parts: 580 is 580.0."""
    width = max(len(one), len(other))
    return one + (0,) * (width - len(one)), other + (0,) * (width - len(other))


@dataclass(frozen=True, slots=True)
class Rule:
    """Which versions don't go together, who says so, and what to do."""

    name: str
    when: Mapping[str, Range]
    needs: Mapping[str, Range]
    same: tuple[str, ...]  # these must agree
    ordered: tuple[str, ...]  # the first may not be newer than the second
    unless: tuple[str, ...]  # not where one of these is there
    boards: re.Pattern[str] | None  # only with an accelerator of such a model
    machine: str  # only on this architecture
    state: State
    why: str
    advice: str
    source: str


@dataclass(frozen=True, slots=True)
class Clash:
    """A rule that is broken, by these rows; `text` says how, without the node."""

    rule: Rule
    rows: tuple[Software, ...]
    text: str


@cache
def rules() -> Sequence[Rule]:
    """All of watchfloor/checks/incompatible.toml. Raises ConfigError."""
    return [_rule(name, item) for name, item in shipped(_FILE).items()]


def _rule(name: str, item: config.Item) -> Rule:
    item.section(_KEYS)
    entries = item.entries()

    def words(key: str) -> str:
        return entries[key].text() if key in entries else ""

    boards = words("boards")
    return Rule(
        name,
        _ranges(entries.get("when")),
        _ranges(entries.get("needs")),
        _names(entries.get("same")),
        _names(entries.get("ordered")),
        _names(entries.get("unless")),
        re.compile(boards) if boards else None,
        words("machine"),
        _STATES[words("state")],
        words("why"),
        words("advice"),
        words("source"),
    )


def _ranges(item: config.Item | None) -> Mapping[str, Range]:
    return {name: Range.parse(one) for name, one in item.entries().items()} if item else {}


def _names(item: config.Item | None) -> tuple[str, ...]:
    return tuple(one.text() for one in item.items()) if item else ()


def clashes(rows: Sequence[Software], models: Iterable[str] = (), machine: str = "") -> list[Clash]:
    """Every broken rule, once for the node and once for each user whose software breaks it."""
    found: dict[tuple[str, tuple[Software, ...]], Clash] = {}
    boards = sorted(models)
    for user in sorted({row.user for row in rows} | {""}):
        seen = [row for row in rows if row.user in ("", user) and numbers(row.version)]
        for rule in rules():
            clash = _clash(rule, seen) if _applies(rule, seen, boards, machine) else None
            if clash is not None:
                found.setdefault((rule.name, clash.rows), clash)
    return list(found.values())


def _applies(rule: Rule, rows: Sequence[Software], models: Sequence[str], machine: str) -> bool:
    if rule.machine and rule.machine != machine:
        return False
    if rule.boards is not None and not any(rule.boards.search(model) for model in models):
        return False
    return not any(row.name in rule.unless for row in rows)


def _clash(rule: Rule, rows: Sequence[Software]) -> Clash | None:
    if rule.same or rule.ordered:
        return _unrelated(rule, rows)
    cause: list[Software] = []
    for name, wanted in rule.when.items():
        fitting = [row for row in rows if row.name == name and wanted.holds(row.version)]
        if not fitting:
            return None
        cause.append(fitting[0])
    if not rule.needs:
        return Clash(rule, tuple(cause), f"{_named(cause)}: {rule.why}")
    for name, wanted in rule.needs.items():
        there = [row for row in rows if row.name == name]
        if there and not any(wanted.holds(row.version) for row in there):
            text = f"{_named(cause)} beside {_named(there[:1])}, where {wanted.text} is needed: {rule.why}"
            return Clash(rule, (*cause, there[0]), text)
    return None


def _unrelated(rule: Rule, rows: Sequence[Software]) -> Clash | None:
    """Two things that ought to agree, or to be in order, and no version of them does."""
    left, right = ([row for row in rows if row.name == name] for name in rule.same or rule.ordered)
    pairs = [_alike(numbers(one.version), numbers(other.version)) for one in left for other in right]
    if not pairs or any(one == other if rule.same else one <= other for one, other in pairs):
        return None
    return Clash(rule, (left[0], right[0]), f"{_named([left[0], right[0]])}: {rule.why}")


def _named(rows: Sequence[Software]) -> str:
    return " and ".join(f"{row.name} {row.version}" for row in rows)


def fleet_clashes(frame: Frame, stacks: Stacks) -> Iterator[tuple[int, Clash]]:
    """Node and clash, by node. Thousands of equal nodes, which share their rows, are asked about once."""
    boards = models(frame)
    known: dict[tuple[int, frozenset[str], str], Sequence[Clash]] = {}
    for node, rows in enumerate(stacks.rows):
        hello = frame.detail[node].hello
        machine = hello.facts.get("architecture", "") if hello else ""
        key = id(rows), frozenset(boards[node]), machine
        if key not in known:
            known[key] = clashes(rows, boards[node], machine)
        for clash in known[key]:
            yield node, clash
