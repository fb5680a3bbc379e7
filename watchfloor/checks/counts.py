"""How many accelerators a node tells of, held against the nodes of its group that have the same model. Boards count,
partitions don't: one node may be partitioned and the next not.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import is_not

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._tools import Rows, limit, named, report
from watchfloor.columns import Floats
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Missing, Scope, State

_AT = Scope.NODE


def check(frame: Frame) -> Iterator[Finding]:
    usual = _Usual.of(frame)
    has = usual.has
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
    """How many accelerators each node has, and most nodes of its group and model; NaN where nobody can say."""

    def __init__(self, groups: Floats, has: Floats, models: Floats) -> None:
        self.has = has
        self.count: Floats = np.full(len(has), np.nan)
        for group in np.unique(groups[groups > 0]):  # code 0, the empty text, is no group
            members = np.flatnonzero(groups == group)
            known = np.unique(models[members][models[members] > 0])
            for model in known if len(known) > 1 else [-1.0]:  # of one model alone are those, too, that tell none
                self._judge(members if model < 0 else members[models[members] == model])

    def _judge(self, members: Rows) -> None:
        told = members[self.has[members] > 0]
        values, times = np.unique(self.has[told], return_counts=True)
        enough = len(told) >= limit("accelerator-count", "nodes")
        if enough and 100 * times.max() >= limit("accelerator-count", "share", Unit.PERCENT) * len(told):
            self.count[members] = values[times.argmax()]

    @staticmethod
    def group(frame: Frame, row: int) -> str:
        return frame.specs[row].group

    @staticmethod
    def of(frame: Frame) -> _Usual:
        boards = frame.accelerators
        key = frame.nodes.last("group"), frame.nodes.last("accelerators"), boards.last("model"), boards.last(_PART)
        if not _kept or any(map(is_not, _kept[0][0], key)):
            _kept[:] = [(key, _Usual(key[0], _boards(frame), _models(frame)))]
        return _kept[0][1]


def _boards(frame: Frame) -> Floats:
    """By node: its accelerators without partitions of others."""
    view = frame.accelerators
    parts = view.node[view.known(_PART) > 0]
    return frame.nodes.last("accelerators") - np.bincount(parts, minlength=frame.nodes.count)


def _models(frame: Frame) -> Floats:
    """By node: the code of its first board's model, 0 where it has told none."""
    view = frame.accelerators
    found = np.zeros(frame.nodes.count)
    found[view.node[::-1]] = np.nan_to_num(view.last("model"))[::-1]
    return found


_PART = "partition_of"
_kept: list[tuple[tuple[Floats, ...], _Usual]] = []
