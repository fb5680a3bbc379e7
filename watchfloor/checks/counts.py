"""How many accelerators a node tells of, held against the other nodes of its group."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._tools import limit, named, report
from watchfloor.columns import Floats
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Missing, Scope, State

_AT = Scope.NODE


def check(frame: Frame) -> Iterator[Finding]:
    usual = _Usual.of(frame)
    has = frame.nodes.last("accelerators")
    rows = np.flatnonzero((has < usual.count) & frame.live & _settled(frame))
    if rows.size:
        rows = rows[~_explained(frame)[rows]]  # one that is lost is told of by its own finding
    yield from report(
        frame,
        _AT,
        rows,
        "accelerator-count",
        State.CRITICAL,
        lambda row: (
            f"{named(frame, _AT, row)} tells of {has[row]:.0f} accelerators, most nodes of its group "
            f"({usual.group(frame, row)}) of {usual.count[row]:.0f}"
        ),
        ("accelerators", "group", "uptime"),
    )


def _settled(frame: Frame) -> NDArray[np.bool_]:
    """Nodes that were heard long enough to have told everything: a probe's samplers answer one after the other."""
    return np.array([frame.at - status.since > _SETTLE_SECONDS for status in frame.statuses], np.bool_)


_SETTLE_SECONDS = 30.0


def _explained(frame: Frame) -> NDArray[np.bool_]:
    view = frame.accelerators
    lost = view.node[view.reasons("util") == Missing.LOST]
    return np.bincount(lost, minlength=frame.nodes.count) > 0


class _Usual:
    """How many accelerators most nodes of each group have; NaN where nobody can say."""

    def __init__(self, groups: Floats, has: Floats) -> None:
        self.count: Floats = np.full(len(has), np.nan)
        for group in np.unique(groups[groups > 0]):  # code 0, the empty text, is no group
            members = np.flatnonzero((groups == group) & (has > 0))
            values, times = np.unique(has[members], return_counts=True)
            enough = len(members) >= limit("accelerator-count", "nodes")
            if enough and 100 * times.max() >= limit("accelerator-count", "share", Unit.PERCENT) * len(members):
                self.count[groups == group] = values[times.argmax()]

    @staticmethod
    def group(frame: Frame, row: int) -> str:
        return frame.specs[row].group

    @staticmethod
    def of(frame: Frame) -> _Usual:
        groups, has = frame.nodes.last("group"), frame.nodes.last("accelerators")
        if _kept and _kept[0][0] is groups and _kept[0][1] is has:
            return _kept[0][2]
        _kept[:] = [(groups, has, _Usual(groups, has))]
        return _kept[0][2]


_kept: list[tuple[Floats, Floats, _Usual]] = []
