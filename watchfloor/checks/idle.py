"""Held but idle: memory in use by somebody, by a process without a parent, by nobody, and no kernel for a while."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from watchfloor.checks._idleness import Idleness
from watchfloor.checks._tools import Rows, current, limit, named, report, suspects
from watchfloor.columns import Floats
from watchfloor.distinct import distinct, median
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State

_AT = Scope.ACCELERATOR
_MIB = 2.0**20


def check(frame: Frame) -> Iterator[Finding]:
    held = _much(frame)
    yield from _told(frame, held)
    yield from _orphans(frame)
    yield from _nobodys(frame)


def _much(frame: Frame) -> Rows:
    view = frame.accelerators
    share = view.last("mem")
    rows = current(view, "util", view.last("util") == 0)
    rows = rows[share[rows] > limit("idle-held", "mem", Unit.PERCENT)]
    return _idle_for_long(frame, "idle-held", rows)


def _told(frame: Frame, rows: Rows) -> Iterator[Finding]:
    share, minutes = frame.accelerators.last("mem"), limit("idle-held", "time", Unit.SECONDS) / 60
    yield from report(
        frame,
        _AT,
        rows,
        "idle-held",
        State.WARNING,
        lambda row: (
            f"{named(frame, _AT, row)} holds {share[row]:.0f} % of its memory and has run nothing "
            f"for {minutes:.0f} min{_holder(frame, row)}"
        ),
        ("mem_used", "util", "user", "job"),
    )


def _holder(frame: Frame, row: int) -> str:
    user, job = frame.accelerators.text(row, "user"), frame.accelerators.text(row, "job")
    told = ", ".join(f"{word} {text}" for word, text in (("user", user), ("job", job)) if text)
    return f" ({told})" if told else ""


def _orphans(frame: Frame) -> Iterator[Finding]:
    """What a process whose parent is gone holds, and doesn't use."""
    view, most = frame.accelerators, limit("orphan-holder", "mem", Unit.BYTES)
    held, minutes = view.last("orphan_mem"), limit("orphan-holder", "time", Unit.SECONDS) / 60
    rows = suspects(view, "orphan-holder", ("orphan_mem",), lambda held: held > most)
    rows = rows[view.known("util")[rows] == 0] if rows.size else rows
    yield from report(
        frame,
        _AT,
        _idle_for_long(frame, "orphan-holder", rows),
        "orphan-holder",
        State.WARNING,
        lambda row: (
            f"a process whose parent is gone holds {held[row] / _MIB:,.0f} MiB of {named(frame, _AT, row)}, "
            f"which has run nothing for {minutes:.0f} min{_holder(frame, row)}"
        ),
        ("orphan_mem", "mem_used", "user", "job", "command"),
    )


def _nobodys(frame: Frame) -> Iterator[Finding]:
    """Memory in use beyond that of equal boards which are as idle, and no process that would hold it.

    What a board uses by itself differs from model to model and driver to driver.
    """
    view, excess = frame.accelerators, limit("memory-unowned", "excess", Unit.BYTES)
    rows = suspects(view, "unowned", ("processes", "util"), lambda processes, util: (processes == 0) & (util == 0))
    usual, used = _usual(frame, rows), view.last("mem_used")
    with np.errstate(invalid="ignore"):
        rows = rows[used[rows] > usual[rows] + excess] if rows.size else rows
    minutes = limit("memory-unowned", "time", Unit.SECONDS) / 60
    yield from report(
        frame,
        _AT,
        _idle_for_long(frame, "memory-unowned", rows),
        "memory-unowned",
        State.WARNING,
        lambda row: (
            f"{(used[row] - usual[row]) / _MIB:,.0f} MiB of {named(frame, _AT, row)} are in use for {minutes:.0f} min "
            "and no process holds it; a reset of the board frees it"
        ),
        ("mem_used", "processes", "util", "model", "driver"),
    )


def _usual(frame: Frame, rows: Rows) -> Floats:
    """By row: the median of what boards of its model use without a process; NaN where they are too few."""
    view = frame.accelerators
    usual = np.full(view.count, np.nan)
    models = view.last("model")[rows]
    for model in distinct(models[models > 0]):
        equal = rows[models == model]
        if len(equal) >= limit("memory-unowned", "peers"):
            usual[equal] = median(view.last("mem_used")[equal])
    return usual


_CODES = ("idle-held", "orphan-holder", "memory-unowned")
_memories = {code: Idleness(limit(code, "time", Unit.SECONDS)) for code in _CODES}


def _idle_for_long(frame: Frame, code: str, rows: Rows) -> Rows:
    return rows[_memories[code].of(frame, rows)] if rows.size else rows
