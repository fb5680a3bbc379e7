"""Nodes: what can't be read, what is silent, whose clock is off, whose samplers fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from operator import is_not

import numpy as np

from watchfloor.checks._tools import MOST_FINDINGS, limit, named, report
from watchfloor.distinct import distinct
from watchfloor.frame import Frame, NodeDetail
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Phase, Problem, Scope, State, Subject

# the node, or the way to it, is broken; the others tell that the console may not or can't read it
_BROKEN = {Problem.UNREACHABLE, Problem.REFUSED, Problem.HUNG, Problem.CLOSED, Problem.HOST_KEY_CHANGED}
# what the console says itself of a node that it can't read; a node that is silent takes none of its other words back
OF_SILENCE = frozenset({"node-silent", *(f"node-{problem.value.replace(' ', '-')}" for problem in Problem)})
_SICK = {"hung": State.CRITICAL, "failed": State.WARNING}


def check(frame: Frame) -> Iterator[Finding]:
    yield from _unreadable(frame)
    yield from _silent(frame)
    yield from _skewed(frame)
    yield from _sampler_faults.of(frame)


def _unreadable(frame: Frame) -> Iterator[Finding]:
    codes = frame.nodes.known("problem")  # code 0 is the empty text: no problem
    for code in distinct(codes[codes > 0]):
        problem = Problem(frame.nodes.texts[int(code)])
        state = State.CRITICAL if problem in _BROKEN else State.WARNING
        yield from report(
            frame,
            Scope.NODE,
            np.flatnonzero(codes == code),
            f"node-{problem.value.replace(' ', '-')}",
            state,
            lambda row, problem=problem: _told(frame, row, problem),
            ("age",),
        )


def _told(frame: Frame, row: int, problem: Problem) -> str:
    status = frame.statuses[row]
    words = f": {status.text}" if status.text else ""
    return f"{frame.specs[row].name} can't be read ({problem.value}){words}"


def _silent(frame: Frame) -> Iterator[Finding]:
    age = frame.nodes.known("age")
    silent = np.flatnonzero(~frame.live & (frame.nodes.known("problem") == 0) & (age > 0))
    yield from report(
        frame,
        Scope.NODE,
        silent[[frame.statuses[row].phase is Phase.STALE for row in silent.tolist()]],
        "node-silent",
        State.WARNING,
        lambda row: f"{frame.specs[row].name} is connected and has said nothing for {age[row]:.0f} s",
        ("age",),
    )


def _skewed(frame: Frame) -> Iterator[Finding]:
    skew = frame.nodes.known("skew")
    most = limit("node-clock-skew", "warning", Unit.SECONDS)
    yield from report(
        frame,
        Scope.NODE,
        np.flatnonzero((np.abs(skew) > most) & frame.live),
        "node-clock-skew",
        State.WARNING,
        lambda row: f"the clock of {named(frame, Scope.NODE, row)} is {skew[row]:+.1f} s from the console's",
        ("skew", "round_trip"),
    )


class _SamplerFaults:
    """Hung and failed samplers. What a node says of its samplers rarely changes: only what changed is read again."""

    def __init__(self) -> None:
        self._details: Sequence[NodeDetail] = ()
        self._sick: dict[int, list[tuple[str, str, State]]] = {}  # by node

    def of(self, frame: Frame) -> Iterator[Finding]:
        self._read(frame.detail)
        sick = [node for node in sorted(self._sick) if frame.live[node]]
        for node in sick[:MOST_FINDINGS]:
            for state in (State.CRITICAL, State.WARNING):
                ill = [(sampler, text) for sampler, text, of in self._sick[node] if of is state]
                if ill:
                    yield _ill(frame.specs[node].name, state, ill)
        if len(sick) > MOST_FINDINGS:
            subject = Subject(Scope.NODE, frame.specs[sick[MOST_FINDINGS]].name)
            told = f"{len(sick) - MOST_FINDINGS:,} more nodes have samplers that hang or fail, as this one"
            yield Finding(subject, "sampler-failed", State.WARNING, told)

    def _read(self, details: Sequence[NodeDetail]) -> None:
        if len(details) != len(self._details):
            self._details, self._sick = (NodeDetail(),) * len(details), {}
        for node in compress(range(len(details)), map(is_not, details, self._details)):
            faults = _faults(details[node])
            self._sick.pop(node, None)
            if faults:
                self._sick[node] = faults
        self._details = details


def _faults(detail: NodeDetail) -> list[tuple[str, str, State]]:
    return [
        (name, status.text, _SICK[status.state]) for name, status in detail.samplers.items() if status.state in _SICK
    ]


def _ill(node: str, state: State, samplers: Sequence[tuple[str, str]]) -> Finding:
    """One finding of all samplers of a node that hang, or that fail: its code is its name on record."""
    word = "hung" if state is State.CRITICAL else "failed"
    name, text = samplers[0]
    others = f", and {len(samplers) - 1} more" if len(samplers) > 1 else ""
    told = f"{node} has a {word} {name} sampler{text and ': '}{text}{others}"
    facts = tuple((sampler, said or word) for sampler, said in samplers)
    return Finding(Subject(Scope.NODE, node), f"sampler-{word}", state, told, facts)


_sampler_faults = _SamplerFaults()
