"""Software: nodes that differ from the others of their group, or of their job, and versions that don't go together.

What rarely changes is worked out rarely: the findings of a frame whose software is that of the last one are the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from watchfloor.checks._tools import MOST_FINDINGS, limit, thresholds
from watchfloor.compatibility import Clash, fleet_clashes
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Missing, NodeSpec, Scope, State, Subject
from watchfloor.report import Software
from watchfloor.stack import Grouping, Stacks, Thing, may_wait, things

_SHOWN = 12  # pieces of evidence of one finding


def check(frame: Frame) -> Iterator[Finding]:
    yield from _memory.findings(frame)


@dataclass(frozen=True, slots=True)
class _Odd:
    """A thing of which a node has another version than most."""

    thing: Thing
    versions: tuple[str, ...]  # the node's own


_Work = Callable[[Frame, Stacks], Mapping[int, Sequence[Finding]]]


class _Memory:
    """Findings by node, as of the last time that software, groups or jobs changed."""

    def __init__(self) -> None:
        self._stacks = Stacks()
        self._keys: dict[str, tuple[object, ...]] = {}
        self._at: dict[str, float] = {}
        self._found: dict[str, Mapping[int, Sequence[Finding]]] = {}

    def findings(self, frame: Frame) -> Iterator[Finding]:
        self._stacks.update(frame)
        software = (self._stacks.changed, frame.specs)
        self._renew(frame, "nodes", software, _of_nodes)
        self._renew(frame, "jobs", (*software, *_jobs(frame)), _of_jobs)
        by_node = [(node, one) for found in self._found.values() for node, every in found.items() for one in every]
        heard = (finding for node, finding in sorted(by_node, key=lambda pair: pair[0]) if frame.live[node])
        yield from islice(heard, MOST_FINDINGS)

    def _renew(self, frame: Frame, name: str, key: tuple[object, ...], work_out: _Work) -> None:
        known = self._keys.get(name)
        other_fleet = known is None or known[1] is not key[1]
        if known == key or (not other_fleet and may_wait(frame, self._at[name])):
            return
        self._keys[name], self._at[name], self._found[name] = key, frame.at, work_out(frame, self._stacks)


def _jobs(frame: Frame) -> tuple[bytes, bytes]:
    return frame.accelerators.last("job").tobytes(), frame.accelerators.last("user").tobytes()


def _of_nodes(frame: Frame, stacks: Stacks) -> Mapping[int, Sequence[Finding]]:
    """Nodes that differ from their group, and what doesn't go together on one."""
    found: dict[int, list[Finding]] = defaultdict(list)
    for node, differences in _odd(things(frame, stacks, Grouping.GROUP), "version-drift").items():
        found[node].append(_drift(frame, node, "version-drift", differences))
    for node, spec in enumerate(frame.specs):
        if spec.versions:
            found[node].extend(_other_than_said(spec, stacks.rows[node]))
    for node, clash in fleet_clashes(frame, stacks):
        found[node].append(_incompatible(frame, node, clash))
    return found


def _of_jobs(frame: Frame, stacks: Stacks) -> Mapping[int, Sequence[Finding]]:
    odd = _odd(things(frame, stacks, Grouping.JOB), "job-version-drift")
    return {node: [_drift(frame, node, "job-version-drift", differences)] for node, differences in odd.items()}


def _odd(every: Iterable[Thing], code: str) -> Mapping[int, list[_Odd]]:
    """Node -> where it differs, of things of which enough nodes agree."""
    found: dict[int, list[_Odd]] = defaultdict(list)
    layers = {item.text() for item in thresholds()[code]["layers"].items()}
    for thing in every:
        share = 100 * len(thing.majority.nodes) / max(1, thing.nodes)
        if not thing.drift or thing.layer not in layers or thing.nodes < limit(code, "nodes"):
            continue
        if share < limit(code, "share", Unit.PERCENT):
            continue
        for node, versions in _others(thing).items():
            found[node].append(_Odd(thing, tuple(versions)))
    return found


def _others(thing: Thing) -> Mapping[int, list[str]]:
    """Node -> its versions beside that of the majority. A user may well run several things, one as the others do."""
    found: dict[int, list[str]] = defaultdict(list)
    usual = set(thing.majority.nodes) if thing.running else set[int]()
    for version in thing.versions[1:]:
        for node in version.nodes if version.missing is Missing.NO else ():
            if node not in usual:
                found[node].append(version.version)
    return found


def _drift(frame: Frame, node: int, code: str, odd: Sequence[_Odd]) -> Finding:
    name, first = frame.specs[node].name, odd[0]
    thing, most = first.thing, len(first.thing.majority.nodes)
    what = "its job" if code == "job-version-drift" else "its group"
    more = f"; and {len(odd) - 1} more" if len(odd) > 1 else ""
    usual, odd_ones = thing.majority.version, ", ".join(first.versions)
    share = f"{most} of {thing.nodes} have"
    beside = node in thing.majority.nodes  # one of its adapters was left behind, another has the usual version
    told = f"{odd_ones} beside {usual}, which {share}" if beside else f"{odd_ones}, where {share} {usual}"
    text = f"{name} differs from {what} ({thing.group}): {thing.name} {told}{more}"
    evidence = tuple(
        (one.thing.name, f"{', '.join(one.versions)}; most have {one.thing.majority.version}") for one in odd[:_SHOWN]
    )
    return Finding(Subject(Scope.NODE, name), code, State.WARNING, text, evidence)


def _other_than_said(spec: NodeSpec, rows: Sequence[Software]) -> Iterator[Finding]:
    """What the node itself has in another version than the fleet file names. What users bring along is theirs."""
    had: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if not row.user and not row.missing and row.name in spec.versions and row.version not in had[row.name]:
            had[row.name].append(row.version)
    wrong = {name: versions for name, versions in had.items() if not set(versions) <= set(spec.versions[name])}
    if wrong:
        facts = tuple((name, f"{', '.join(had)}; it ought to be {_said(spec, name)}") for name, had in wrong.items())
        name, versions = next(iter(wrong.items()))
        more = f"; and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        text = f"{spec.name} has {name} {', '.join(versions)}, the fleet file says {_said(spec, name)}{more}"
        yield Finding(Subject(Scope.NODE, spec.name), "version-other-than-said", State.WARNING, text, facts[:_SHOWN])


def _said(spec: NodeSpec, name: str) -> str:
    return " or ".join(spec.versions[name])


def _incompatible(frame: Frame, node: int, clash: Clash) -> Finding:
    name = frame.specs[node].name
    rows = tuple(
        (row.name, " ".join(word for word in (row.version, row.user and f"({row.user})", row.where) if word))
        for row in clash.rows
    )
    facts = (("rule", clash.rule.name), *rows, ("advice", clash.rule.advice), ("source", clash.rule.source))
    return Finding(
        Subject(Scope.NODE, name), "incompatible-versions", clash.rule.state, f"{name} has {clash.text}", facts
    )


_memory = _Memory()
