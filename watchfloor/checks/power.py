"""Power: boards beyond their limit, nodes and racks beyond their budget."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._tools import limit, named, report
from watchfloor.columns import Floats
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State, Subject

_AT = Scope.ACCELERATOR
_SECONDS = 10.0


def check(frame: Frame) -> Iterator[Finding]:
    yield from _over_limit(frame)
    if np.any(frame.nodes.last("power_budget") > 0):
        yield from _over_budget(frame)


def _over_limit(frame: Frame) -> Iterator[Finding]:
    """On the mean of ten seconds: a board may overshoot for a moment."""
    view, over = frame.accelerators, 1 + limit("power-over-limit", "above", Unit.PERCENT) / 100
    most = view.last("power_limit")
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero((view.last("power") > over * most) & (most > 0))
    drawn = _mean(frame, rows)
    chosen = np.array([row for row in rows.tolist() if drawn[row] > over * most[row]], np.intp)
    yield from report(
        frame,
        _AT,
        chosen,
        "power-over-limit",
        State.WARNING,
        lambda row: f"{named(frame, _AT, row)} draws {drawn[row]:,.0f} W, its limit is {most[row]:,.0f} W",
        ("power", "power_limit", "throttle"),
    )


def _mean(frame: Frame, rows: NDArray[np.intp]) -> dict[int, float]:
    if not rows.size:
        return {}
    watts = frame.history.window(_AT, "power", _SECONDS, rows)
    means = watts.mean(axis=0).tolist() if len(watts) else [0.0] * len(rows)
    return dict(zip(rows.tolist(), means, strict=True))


def _over_budget(frame: Frame) -> Iterator[Finding]:
    nodes, boards = frame.nodes, frame.accelerators
    drawn: Floats = np.bincount(boards.node, np.nan_to_num(boards.known("power")), nodes.count).astype(np.float64)
    budget = np.nan_to_num(nodes.last("power_budget"))
    share = limit("power-budget", "above", Unit.PERCENT) / 100
    yield from report(
        frame,
        Scope.NODE,
        np.flatnonzero((drawn > share * budget) & (budget > 0)),
        "power-budget",
        State.WARNING,
        lambda row: f"the accelerators of {_drawn(frame.specs[row].name, drawn[row], budget[row])}",
        ("power_budget", "rack"),
    )
    yield from _racks(frame, drawn, budget, share)


def _racks(frame: Frame, drawn: Floats, budget: Floats, share: float) -> Iterator[Finding]:
    """A rack whose nodes draw more, together, than they may: of racks all of whose nodes have a budget."""
    racks = np.nan_to_num(frame.nodes.last("rack")).astype(np.intp)
    size = int(racks.max(initial=0)) + 1
    watts, allowed = (np.bincount(racks, values, size) for values in (drawn, budget))
    unbounded = np.bincount(racks, budget <= 0, size) > 0
    for rack in np.flatnonzero((watts > share * allowed) & (allowed > 0) & ~unbounded).tolist():
        members = np.flatnonzero(racks == rack)
        if rack == 0 or len(members) < 2:
            continue
        largest = int(members[drawn[members].argmax()])
        text = f"the accelerators of {_drawn(f'rack {frame.nodes.texts[rack]}', watts[rack], allowed[rack])}"
        facts = (("nodes", str(len(members))), ("largest", f"{frame.specs[largest].name}, {drawn[largest]:,.0f} W"))
        yield Finding(Subject(Scope.NODE, frame.specs[largest].name), "rack-power-budget", State.WARNING, text, facts)


def _drawn(whose: str, watts: float, budget: float) -> str:
    return f"{whose} draw {watts / 1000:,.1f} kW, the budget is {budget / 1000:,.1f} kW"
