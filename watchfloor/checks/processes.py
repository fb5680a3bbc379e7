"""Processes that a node can't get rid of: those that hang in the kernel though they were told to end, and zombies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from watchfloor.checks._tools import Evidence, limit, named, report, suspects
from watchfloor.columns import Floats
from watchfloor.errors import StreamError
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State
from watchfloor.report import Process, decode_detail

_AT = Scope.NODE
_SHOWN = 8


def check(frame: Frame) -> Iterator[Finding]:
    yield from _unkillable(frame)
    yield from _zombies(frame)


def _unkillable(frame: Frame) -> Iterator[Finding]:
    count = frame.nodes.last("unkillable")
    yield from report(
        frame,
        _AT,
        suspects(frame.nodes, "unkillable", ("unkillable",), lambda count: count > 0),
        "unkillable",
        State.CRITICAL,
        lambda row: (
            f"{count[row]:.0f} process{'es' if count[row] > 1 else ''} of {named(frame, _AT, row)} can't be killed: "
            "only a reboot of the node ends what hangs in the kernel"
        ),
        ("unkillable", "blocked"),
        lambda row: _hanging(frame, row),
    )


def _hanging(frame: Frame, node: int) -> Evidence:
    """Who they are, as the newest list of processes has it."""
    try:
        listed = decode_detail("processes", frame.detail[node].details.get("processes", b"[]"))
    except StreamError:
        return ()
    hanging = [one for one in listed if isinstance(one, Process) and one.hangs_in]
    return tuple((f"process {one.pid}", _told(one)) for one in hanging[:_SHOWN])


def _told(process: Process) -> str:
    where = f", in {process.where_it_hangs}" if process.where_it_hangs else ""
    return f"{process.user} {process.command}{where}"


def _zombies(frame: Frame) -> Iterator[Finding]:
    """A few are a parent's carelessness; they count where they are many for the node, or use up its numbers."""
    per_core = limit("zombies", "per_core")
    warned, full = (limit("zombies", key, Unit.PERCENT) / 100 for key in ("warning", "critical"))

    def many(zombies: Floats, cpus: Floats, most: Floats) -> np.ndarray:
        return zombies >= np.fmin(per_core * cpus, warned * most)

    names = ("zombies", "cpus", "pid_max")
    rows = suspects(frame.nodes, "zombies", names, many)
    zombies, _, most = (frame.nodes.last(name) for name in names)
    saturated = zombies[rows] >= full * most[rows]
    for state, chosen in ((State.CRITICAL, rows[saturated]), (State.WARNING, rows[~saturated])):
        yield from report(
            frame,
            _AT,
            chosen,
            "zombies",
            state,
            lambda row: f"{named(frame, _AT, row)} has {zombies[row]:,.0f} zombies: processes that have ended and stay",
            names,
        )
