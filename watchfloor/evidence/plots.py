"""What of a slice is drawn: health, and what charts of the terminal show, with what happened meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from watchfloor.evidence.slices import Series as Values
from watchfloor.evidence.slices import Slice
from watchfloor.html.markup import Html
from watchfloor.html.plot import Mark, Plot, Series, lines, steps
from watchfloor.metrics import CATALOGUE, Kind, Metric, Unit
from watchfloor.model import Scope, State
from watchfloor.snapshot.words import in_prose

MOST_LINES = 16  # of one plot
_GIB = 2.0**30  # so that an axis in bytes has round numbers


def plots(found: Slice, marks: Sequence[Mark]) -> Iterator[Html]:
    """`marks`: by time."""
    for scope in (Scope.NODE, Scope.ACCELERATOR):
        state = CATALOGUE[scope]["state"]
        yield from _plot(found, scope, state, marks, steps)
    for metric in CATALOGUE[Scope.ACCELERATOR].values():
        if metric.trend and metric.kind is Kind.GAUGE:
            yield from _plot(found, Scope.ACCELERATOR, metric, marks, lines)


def _plot(
    found: Slice, scope: Scope, metric: Metric, marks: Sequence[Mark], draw: Callable[[Plot], Html]
) -> Iterator[Html]:
    """Nothing where no value was ever there."""
    told = [one for one in found.of(scope, metric.name) if one.is_known]
    if not told:
        return
    drawn, scale = _chosen(found, told), _GIB if metric.unit is Unit.BYTES else 1.0
    left = len(told) - len(drawn)
    note = f"{left} more are in the telemetry" if left else ""
    series = [Series(found.name(one.subject), _points(found.times, one, scale)) for one in drawn]
    title = f"{_TITLES.get((scope, metric.name), metric.help or metric.title)}"
    high = float(State.CRITICAL) if metric.kind is Kind.STATE else None
    yield draw(Plot(title, series, clock, lambda value: _axis(metric, value * scale), marks, 0.0, high, note))


_TITLES = {
    (Scope.NODE, "state"): "health of the nodes, as the checks saw it",
    (Scope.ACCELERATOR, "state"): "health of the accelerators, as the checks saw it",
}


def _axis(metric: Metric, value: float) -> str:
    if metric.kind is Kind.STATE:
        return State(int(value)).label if value == int(value) and 0 <= value <= State.CRITICAL else ""
    return in_prose(metric, value)


def _chosen(found: Slice, told: Sequence[Values]) -> Sequence[Values]:
    """Those with findings before the others, in their order."""
    with_findings = {record.finding.subject for record in found.records.values()}
    first = [one for one in told if one.subject in with_findings]
    kept = {id(one) for one in (*first, *(one for one in told if one.subject not in with_findings))[:MOST_LINES]}
    return [one for one in told if id(one) in kept]


def _points(times: Sequence[float], one: Values, scale: float) -> list[tuple[float, float | None]]:
    cells = zip(times, one.whole(len(times)), strict=True)
    return [(at, value / scale if isinstance(value, float | int) else None) for at, value in cells]


def clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"
