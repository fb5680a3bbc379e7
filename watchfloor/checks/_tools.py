"""What checks share: thresholds, and the making of findings from rows. No check of its own (its name begins with _)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from watchfloor import config
from watchfloor.frame import Frame, View
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Missing, Scope, State

MOST_FINDINGS = 1000  # of one code in one frame

Rows = NDArray[np.intp]


@cache
def thresholds() -> Mapping[str, Mapping[str, config.Item]]:
    """Code -> its limits, from thresholds.yaml. Raises ConfigError."""
    text = (files("watchfloor.checks") / "thresholds.yaml").read_text("utf-8")
    return {code: item.entries() for code, item in config.parse(text, "thresholds.yaml").entries().items()}


@cache
def limit(code: str, key: str, unit: Unit = Unit.NONE) -> float:
    """One limit, in `unit`; a plain number where the unit is NONE."""
    item = thresholds()[code][key]
    return item.number() if unit is Unit.NONE else item.quantity(unit)


def named(frame: Frame, scope: Scope, row: int) -> str:
    """A subject in a sentence: "gpu3 of dgx-07"."""
    view = frame.view(scope)
    node = frame.specs[int(view.node[row])].name
    return node if scope is Scope.NODE else f"{view.text(row, 'name') or view.keys[row]} of {node}"


def report(
    frame: Frame,
    scope: Scope,
    rows: Rows,
    code: str,
    state: State,
    text: Callable[[int], str],
    metrics: tuple[str, ...] = (),
) -> Iterator[Finding]:
    """A finding per row, with these metrics as evidence; beyond the first thousand, one that tells how many more."""
    for row in rows[:MOST_FINDINGS].tolist():
        yield Finding(frame.subject(scope, row), code, state, text(row), evidence(frame, scope, row, metrics))
    if len(rows) > MOST_FINDINGS:
        more = len(rows) - MOST_FINDINGS
        subject, *others = (frame.subject(scope, row) for row in rows[MOST_FINDINGS:].tolist())
        text_of_all = f"{more:,} more {scope.value}s are as this one: {text(int(rows[-1]))}"
        yield Finding(subject, code, state, text_of_all, others=tuple(others))


def evidence(frame: Frame, scope: Scope, row: int, metrics: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    cells = ((name, frame.view(scope).cell(row, name)) for name in metrics)
    return tuple((name, _shown(cell.value) if cell.missing == 0 else cell.missing.label) for name, cell in cells)


def _shown(value: float | str | None) -> str:
    return f"{value:.6g}" if isinstance(value, float | int) else value or ""


def current(view: View, name: str, suspect: NDArray[np.bool_]) -> Rows:
    """The suspect rows whose value of this metric is current.

    Suspicion is cast on last known values, because in a healthy fleet hardly any row is suspect, and to look at the
    reasons of every row costs as much again as looking at its values.
    """
    rows = np.flatnonzero(suspect)
    return rows[view.reasons(name)[rows] == Missing.NO] if rows.size else rows
