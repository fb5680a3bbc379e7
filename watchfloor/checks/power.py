"""Power: boards beyond their limit or what they can draw, nodes beyond their budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._tools import current, limit, models, named, report, thresholds
from watchfloor.columns import Floats
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State

_AT = Scope.ACCELERATOR
_SECONDS = 10.0


def check(frame: Frame) -> Iterator[Finding]:
    yield from _over_limit(frame)
    yield from _implausible(frame)
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


def _implausible(frame: Frame) -> Iterator[Finding]:
    """A draw that no such board has, on the mean of ten seconds: its sensor or its supply is broken."""
    view = frame.accelerators
    ranges = _ranges(frame)
    if not ranges:
        return
    watts, codes = view.last("power"), np.nan_to_num(view.last("model")).astype(np.intp)
    least, most = (np.full(len(view.texts), np.nan) for _ in range(2))
    for code, (low, high) in ranges.items():
        least[code], most[code] = low, high
    rows = current(view, "power", (watts < least[codes]) | (watts > most[codes]))
    drawn = _mean(frame, rows)
    wrong = [row for row in rows.tolist() if not least[codes[row]] <= drawn[row] <= most[codes[row]]]
    yield from report(
        frame,
        _AT,
        np.array(wrong, np.intp),
        "power-implausible",
        State.WARNING,
        lambda row: (
            f"{named(frame, _AT, row)} tells of {drawn[row]:,.0f} W, which no such board draws "
            f"({least[codes[row]]:.0f} to {most[codes[row]]:,.0f} W): look at its sensor and supply"
        ),
        ("power", "power_limit", "util"),
    )


def _ranges(frame: Frame) -> Mapping[int, tuple[float, float]]:
    """Code of a model -> the draws that it can have, of the models that are here."""
    known = _plausible()
    return {code: known[name] for name, code in models(frame).items() if name in known}


@cache
def _plausible() -> Mapping[str, tuple[float, float]]:
    models_told = thresholds()["power-implausible"]["models"].entries()
    told = {name: item.entries() for name, item in models_told.items()}
    watts = Unit.WATTS
    return {name: (said["least"].quantity(watts), said["most"].quantity(watts)) for name, said in told.items()}


def _over_budget(frame: Frame) -> Iterator[Finding]:
    nodes = frame.nodes
    drawn, budget = _drawn_by_node(frame), np.nan_to_num(nodes.last("power_budget"))
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


def _drawn_by_node(frame: Frame) -> Floats:
    boards = frame.accelerators
    return np.bincount(boards.node, np.nan_to_num(boards.known("power")), frame.nodes.count).astype(np.float64)


def _drawn(whose: str, watts: float, budget: float) -> str:
    return f"{whose} draw {watts / 1000:,.1f} kW, the budget is {budget / 1000:,.1f} kW"
