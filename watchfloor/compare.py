"""Two moments of a fleet held against one another: whose state, findings or values differ, what matters most first.

Pure. What moves by itself (traffic, ages, energy) isn't told; what is measured counts from a change on that a person
would see in it. Subjects are the same by identity, whatever their rows are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import eq

import numpy as np
from numpy.typing import NDArray

from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Good, Kind, Metric, Unit
from watchfloor.model import Finding, Missing, Scope, State, Subject
from watchfloor.view import Cell, View

SCOPES = (Scope.ACCELERATOR, Scope.NODE, Scope.LINK, Scope.JOB)
MOST = 2_000  # subjects that are told of; how many there are is told, too

_LEAST = 0.1  # of a value's scale: below it nothing has happened
_SCALES = {Unit.PERCENT: 100.0, Unit.CELSIUS: 50.0}  # of others a change is held against the larger value
_NAMED = 2.0  # what has another name, phase, flag …, or is no longer known
_ERRORS = 1.5  # more errors than there were
_MASKED = 0.5  # other reasons for what its clocks do: an idle board has one, too
_SILENT = 1.4  # no longer known, of what nobody draws charts

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs. `weight`: how much it matters, 0 to 2."""

    metric: Metric
    before: Cell
    after: Cell
    weight: float


@dataclass(frozen=True, slots=True)
class Difference:
    """One subject that differs. A state is None where the subject isn't there."""

    subject: Subject
    before: State | None
    after: State | None
    came: Sequence[Finding]
    went: Sequence[Finding]
    changes: Sequence[Change]  # what matters most first

    @property
    def urgency(self) -> tuple[float, ...]:
        """What has another state comes first, the worst of that, and what became worse; then findings, then values."""
        states = (self.before, self.after) if self.before is not self.after else ()
        worst = max((state for state in states if state is not None), default=State.OK)
        found = max((finding.state for finding in (*self.came, *self.went)), default=State.OK)
        heaviest = self.changes[0].weight if self.changes else 0.0
        return bool(states), worst, self.after or State.OK, found, heaviest


@dataclass(frozen=True, slots=True)
class Comparison:
    """`differences`: what matters most first, MOST at most of `count`. Times: console time, seconds since the epoch."""

    before: float
    after: float
    differences: Sequence[Difference]
    count: int


def compare(before: Frame, after: Frame) -> Comparison:
    """What differs between two moments; the order of their times doesn't matter."""
    found = [one for scope in SCOPES for one in _Pair(before, after, scope).differences()]
    found.sort(key=lambda one: (*(-part for part in one.urgency), str(one.subject)))
    return Comparison(before.at, after.at, found[:MOST], len(found))


class _Pair:
    """One scope of both frames. Rows of `before` and of `after` that are one subject stand at one place."""

    def __init__(self, before: Frame, after: Frame, scope: Scope) -> None:
        self._before, self._after, self._scope = before, after, scope
        self._views = before.view(scope), after.view(scope)
        self._was, self._is, self._gone, self._new = _rows(before, after, scope)
        self._came, self._went = _found(after, before, scope), _found(before, after, scope)

    def differences(self) -> Iterator[Difference]:
        """Those that are in both, then those that are in one alone; findings of what has no row, too."""
        weights = {name: weight for name in CATALOGUE[self._scope] if (weight := self._weights(name)).any()}
        told: set[Subject] = set()
        for place in self._places(weights).tolist():
            one = self._difference(place, weights)
            told.add(one.subject)
            yield one
        for one in self._alone():
            told.add(one.subject)
            yield one
        for subject in (self._came.keys() | self._went.keys()) - told:
            yield self._told(subject, _state(self._before, subject), _state(self._after, subject), ())

    def _told(
        self, subject: Subject, before: State | None, after: State | None, changes: Sequence[Change]
    ) -> Difference:
        came, went = self._came.get(subject, ()), self._went.get(subject, ())
        return Difference(subject, before, after, came, went, changes)

    def _places(self, weights: dict[str, Floats]) -> Rows:
        was, now = (view.states for view in self._views)
        differs = was[self._was] != now[self._is]
        for weight in weights.values():
            differs |= weight > 0
        return np.flatnonzero(differs)

    def _difference(self, place: int, weights: dict[str, Floats]) -> Difference:
        before, after = self._views
        was, now = int(self._was[place]), int(self._is[place])
        subject = self._after.subject(self._scope, now)
        changes = [
            Change(CATALOGUE[self._scope][name], before.cell(was, name), after.cell(now, name), float(weight[place]))
            for name, weight in weights.items()
            if weight[place] > 0
        ]
        changes.sort(key=lambda change: -change.weight)
        return self._told(subject, State(int(before.states[was])), State(int(after.states[now])), changes)

    def _alone(self) -> Iterator[Difference]:
        before, after = self._views
        for row in self._gone:
            yield self._told(self._before.subject(self._scope, row), State(int(before.states[row])), None, ())
        for row in self._new:
            yield self._told(self._after.subject(self._scope, row), None, State(int(after.states[row])), ())

    # -- how much a value has moved, by place

    def _weights(self, name: str) -> Floats:
        metric, (before, after) = CATALOGUE[self._scope][name], self._views
        if _moves_by_itself(metric):
            return np.zeros(len(self._was))
        was, now = before.reasons(name)[self._was], after.reasons(name)[self._is]
        there = (was == Missing.NO) & (now == Missing.NO)
        if metric.kind is Kind.TEXT:  # a name stays true of what is silent
            return np.where(there & _other_texts(before, after, name, self._was, self._is), _NAMED, 0.0)
        moved = _moved(metric, before.known(name)[self._was], after.known(name)[self._is])
        known_once = (was == Missing.NO) != (now == Missing.NO)
        return np.where(there, moved, np.where(known_once, _NAMED if metric.trend else _SILENT, 0.0))


def _moves_by_itself(metric: Metric) -> bool:
    """Ages and what was worked through only grow, traffic comes and goes; states have a column of their own."""
    if metric.kind is Kind.STATE or metric.unit in (Unit.SECONDS, Unit.JOULES):
        return True
    is_traffic = metric.unit in (Unit.BYTES_PER_SECOND, Unit.PER_SECOND) or metric.name == "usage"
    return metric.good is Good.NEITHER and (is_traffic or metric.kind is Kind.COUNTER)


def _moved(metric: Metric, was: Floats, now: Floats) -> Floats:
    """0 where nothing has happened that a person would speak of."""
    if metric.kind is Kind.COUNTER:
        return np.where(now > was, _ERRORS, 0.0)
    if metric.kind in (Kind.FLAG, Kind.BITS):
        return np.where(now != was, _NAMED if metric.kind is Kind.FLAG else _MASKED, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        far = np.abs(now - was)
        scale = _SCALES.get(metric.unit) or np.maximum(np.maximum(np.abs(now), np.abs(was)), 1e-9)
        share = far / scale
    return np.where(share >= _LEAST, np.minimum(share, 1.0), 0.0)


def _other_texts(before: View, after: View, name: str, was: Rows, now: Rows) -> NDArray[np.bool_]:
    """Where the text is another one; its code may be another one in each frame."""
    codes, known = before.codes(name)[was], after.codes(name)[now]
    if before.texts is after.texts:
        return codes != known
    place = {text: code for code, text in enumerate(after.texts)}
    used = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=1))
    told = np.full(len(before.texts) + 1, -1, np.intp)
    told[used] = [place.get(before.texts[code], -2) for code in used.tolist()]
    return told[codes] != known  # -1, of what has none, is the last


def _rows(before: Frame, after: Frame, scope: Scope) -> tuple[Rows, Rows, list[int], list[int]]:
    """Rows of what both frames have, side by side; those of `before` alone, and of `after` alone."""
    count, other = before.view(scope).count, after.view(scope).count
    places = np.full(count, -1, np.intp)
    kept = _kept(before, after, scope)
    places[kept] = kept
    for row in np.flatnonzero(places < 0).tolist():
        place = after.row(before.subject(scope, row))
        places[row] = -1 if place is None else place
    was = np.flatnonzero(places >= 0)
    new = np.ones(other, np.bool_)
    new[places[was]] = False
    return was, places[was], np.flatnonzero(places < 0).tolist(), np.flatnonzero(new).tolist()


def _kept(before: Frame, after: Frame, scope: Scope) -> Rows:
    """Rows that are one subject's in both frames: nearly all, where both are of one console."""
    if scope is Scope.JOB or (before.specs is not after.specs and list(before.specs) != list(after.specs)):
        return np.empty(0, np.intp)
    one, other = before.view(scope), after.view(scope)
    count = min(one.count, other.count)
    alike = np.fromiter(map(eq, one.keys[:count], other.keys[:count]), np.bool_, count)
    return np.flatnonzero(alike & (one.node[:count] == other.node[:count]))


def _found(frame: Frame, other: Frame, scope: Scope) -> dict[Subject, list[Finding]]:
    """What was found in this frame and not in the other one, by subject."""
    known = {(finding.subject, finding.code) for finding in other.findings}
    found: dict[Subject, list[Finding]] = {}
    for finding in frame.findings:
        if finding.subject.scope is scope and (finding.subject, finding.code) not in known:
            found.setdefault(finding.subject, []).append(finding)
    return found


def _state(frame: Frame, subject: Subject) -> State | None:
    row = frame.row(subject)
    return None if row is None else State(int(frame.view(subject.scope).states[row]))
