"""How many accelerators a node tells of: held against its PCI bus, against the fleet file, and against the nodes of its
group that have the same model. Boards count, partitions don't: one node may be partitioned and the next not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import is_not

import numpy as np
from numpy.typing import NDArray

from watchfloor import pci
from watchfloor.checks._tools import Rows, current, limit, named, report
from watchfloor.columns import Floats
from watchfloor.distinct import distinct
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Missing, Scope, State
from watchfloor.report import PAUSED

_AT = Scope.NODE
_SILENT = ("hung", "failed", PAUSED)


def check(frame: Frame) -> Iterator[Finding]:
    usual = _Usual.of(frame)
    yield from _other_than_said(frame, usual.has, usual.said)
    yield from _fewer_than_usual(frame, usual)
    yield from _untold(frame, usual.has)


def _other_than_said(frame: Frame, has: Floats, ought: Floats) -> Iterator[Finding]:
    yield from report(
        frame,
        _AT,
        _told_of_for_sure(frame, (has < ought) | (has > ought)),  # neither, where one of them isn't known
        "accelerator-count",
        State.CRITICAL,
        lambda row: (
            f"{named(frame, _AT, row)} tells of {has[row]:.0f} accelerators, the fleet file says {ought[row]:.0f}"
        ),
        ("accelerators", "pci_accelerators", "group", "uptime"),
    )


def _told_of_for_sure(frame: Frame, suspect: NDArray[np.bool_]) -> Rows:
    """Nodes that have had time to tell everything; one that is lost is told of by its own finding."""
    rows = np.flatnonzero(suspect & frame.live)
    if rows.size:
        rows = rows[_settled(frame)[rows]]
    return rows[~_explained(frame)[rows]] if rows.size else rows


def _fewer_than_usual(frame: Frame, usual: _Usual) -> Iterator[Finding]:
    has = usual.has
    yield from report(
        frame,
        _AT,
        _told_of_for_sure(frame, (has < usual.count) & np.isnan(usual.said)),
        "accelerator-count",
        State.CRITICAL,
        lambda row: (
            f"{named(frame, _AT, row)} tells of {has[row]:.0f} accelerators, most nodes of its group "
            f"({usual.group(frame, row)}) of {usual.count[row]:.0f}"
        ),
        ("accelerators", "group", "uptime"),
    )


def _untold(frame: Frame, has: Floats) -> Iterator[Finding]:
    """Accelerators that the PCI bus lists and no driver tells of, by their addresses.

    Where a driver has them all but one, that one is broken; where it has none, perhaps none is wanted there.
    """
    listed = frame.nodes.last("pci_accelerators")
    rows = current(frame.nodes, "pci_accelerators", has < listed)
    if rows.size:
        rows = rows[_settled(frame)[rows]]
    untold = {row: found for row in rows.tolist() if (found := _untold_addresses(frame, row))}
    rows = np.array(sorted(untold), np.intp)
    some = has[rows] > 0
    for state, chosen in ((State.CRITICAL, rows[some]), (State.WARNING, rows[~some])):
        yield from report(
            frame,
            _AT,
            chosen,
            "accelerator-untold",
            state,
            lambda row: (
                f"the PCI bus of {named(frame, _AT, row)} lists {listed[row]:.0f} accelerators, "
                f"{has[row]:.0f} are told of: its driver doesn't have {_named_few(untold[row])}"
            ),
            ("pci_accelerators", "accelerators"),
            lambda row: (("untold", ", ".join(untold[row])),),
        )


def _untold_addresses(frame: Frame, node: int) -> list[str]:
    """Those of no board that was ever told of, unless a sampler that would tell of them is ill, or paused."""
    if any(status.state in _SILENT for status in frame.detail[node].samplers.values()):
        return []
    view = frame.accelerators
    told = {pci.slot(view.text(row, "bus_id")) for row in frame.rows_of(Scope.ACCELERATOR, node).tolist()}
    return [text for text in frame.nodes.text(node, "pci_addresses").split() if pci.slot(text) not in told]


def _named_few(addresses: Sequence[str]) -> str:
    more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    return f"{addresses[0]}{more}"


def _settled(frame: Frame) -> NDArray[np.bool_]:
    """Nodes that were heard long enough to have told everything: a probe's samplers answer one after the other."""
    return np.array([frame.at - status.since > _SETTLE_SECONDS for status in frame.statuses], np.bool_)


_SETTLE_SECONDS = 30.0


def _explained(frame: Frame) -> NDArray[np.bool_]:
    view = frame.accelerators
    lost = view.node[view.reasons("util") == Missing.LOST]
    return np.bincount(lost, minlength=frame.nodes.count) > 0


class _Usual:
    """How many accelerators each node has, as the fleet file says, and most nodes of its group and model; NaN where
    nobody can say."""

    def __init__(self, groups: Floats, has: Floats, models: Floats, said: Floats) -> None:
        self.has = has
        self.said = said
        self.count: Floats = np.full(len(has), np.nan)
        for group in distinct(groups[groups > 0]):  # code 0, the empty text, is no group
            members = np.flatnonzero(groups == group)
            known = distinct(models[members][models[members] > 0])
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
            said = np.array([spec.accelerators for spec in frame.specs], np.float64)  # None is NaN
            _kept[:] = [(key, _Usual(key[0], _boards(frame), _models(frame), said))]
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
