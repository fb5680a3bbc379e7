"""Racks: those that come close to their power budget, in two steps, and those in which several nodes run hot.

The first step is when low-priority work is to be slowed, the second when all of it is: between them is time to act.
What is measured is the draw of the accelerators; the hosts' own comes on top of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._tools import limit
from watchfloor.columns import Floats
from watchfloor.distinct import distinct
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, NodeSpec, Scope, State, Subject

_BOARD = Scope.ACCELERATOR
_SOON_SECONDS, _LATER_SECONDS = 10.0, 60.0
_SUSPECT = 0.8  # of the first step: work comes in waves, and what draws less than this now may have drawn more
_LEAST_THERMAL, _THERMAL = 0x20, 0x20 | 0x40  # bits of `throttle`


def check(frame: Frame) -> Iterator[Finding]:
    racks = _Racks.of(frame)
    yield from _close_to_budget(frame, racks)
    yield from _hot(frame, racks)


@dataclass(frozen=True, eq=False)
class _Racks:
    """Racks that have a name. `budget` is NaN where none is known: the rack's own, else that of all of its nodes."""

    names: Sequence[str]
    of_node: NDArray[np.intp]  # -1 for a node without a rack
    budget: Floats

    @staticmethod
    def of(frame: Frame) -> _Racks:
        if not _kept or _kept[0][0] is not frame.specs or _kept[0][1] != len(frame.specs):
            _kept[:] = [(frame.specs, len(frame.specs), _racks(frame.specs))]
        return _kept[0][2]

    def members(self, rack: int) -> NDArray[np.intp]:
        return np.flatnonzero(self.of_node == rack)


_kept: list[tuple[Sequence[NodeSpec], int, _Racks]] = []


def _racks(specs: Sequence[NodeSpec]) -> _Racks:
    """A rack is one of its site: two sites may have an r1 each."""
    places = list(dict.fromkeys((spec.site, spec.rack) for spec in specs if spec.rack))
    number: Mapping[tuple[str, str], int] = {place: at for at, place in enumerate(places)}
    of_node = np.array([number.get((spec.site, spec.rack), -1) for spec in specs], np.intp)
    nodes = np.array([spec.power_budget_watts for spec in specs], np.float64)  # None is NaN
    budget = np.zeros(len(places))
    np.add.at(budget, of_node[of_node >= 0], nodes[of_node >= 0])
    for at, spec in zip(of_node.tolist(), specs, strict=True):
        if at >= 0 and spec.rack_budget_watts is not None:
            budget[at] = spec.rack_budget_watts
    return _Racks([rack for _, rack in places], of_node, budget)


# -- power


def _close_to_budget(frame: Frame, racks: _Racks) -> Iterator[Finding]:
    if not np.any(racks.budget > 0):
        return
    boards = frame.accelerators
    by_node = np.bincount(boards.node, np.nan_to_num(boards.known("power")), frame.nodes.count).astype(np.float64)
    placed = racks.of_node >= 0
    drawn = np.bincount(racks.of_node[placed], by_node[placed], len(racks.names))
    with np.errstate(invalid="ignore"):
        suspect = np.flatnonzero((drawn > _SUSPECT * _step("warning") * racks.budget) & (racks.budget > 0))
    for rack in suspect.tolist():
        finding = _judged(frame, racks, rack, by_node)
        if finding:
            yield finding


def _step(key: str) -> float:
    return limit("rack-power-budget", key, Unit.PERCENT) / 100


def _judged(frame: Frame, racks: _Racks, rack: int, by_node: Floats) -> Finding | None:
    """The first step waits for the mean of a minute, the second for that of ten seconds."""
    members, budget = racks.members(rack), float(racks.budget[rack])
    watts = _mean(frame, members, _SOON_SECONDS)
    state, advice = State.CRITICAL, "slow everything down"
    if watts <= _step("critical") * budget:
        watts, state, advice = _mean(frame, members, _LATER_SECONDS), State.WARNING, "slow down what can wait"
    if watts <= _step("warning") * budget:
        return None
    text = (
        f"the accelerators of rack {racks.names[rack]} draw {watts / 1000:,.1f} kW, {100 * watts / budget:.0f} % of "
        f"its budget of {budget / 1000:,.1f} kW: {advice}"
    )
    largest = int(members[by_node[members].argmax()])
    facts = (("nodes", str(len(members))), ("largest", f"{frame.specs[largest].name}, {by_node[largest]:,.0f} W"))
    return Finding(Subject(Scope.NODE, frame.specs[int(members[0])].name), "rack-power-budget", state, text, facts)


def _mean(frame: Frame, nodes: NDArray[np.intp], seconds: float) -> float:
    """Watts of all boards of these nodes: what starts together peaks together."""
    rows = np.concatenate([frame.rows_of(_BOARD, node) for node in nodes.tolist()])
    watts = frame.history.window(_BOARD, "power", seconds, rows.astype(np.intp))
    return float(np.nansum(watts, axis=1).mean()) if len(watts) else 0.0


# -- heat


def _hot(frame: Frame, racks: _Racks) -> Iterator[Finding]:
    """Several nodes of a rack: the air is too warm, rather than a fan broken."""
    view = frame.accelerators
    least, held = limit("temp-margin", "warning", Unit.CELSIUS), view.last("throttle")
    slowed = np.flatnonzero(held >= _LEAST_THERMAL)
    slowed = slowed[(held[slowed].astype(np.int64) & _THERMAL) != 0]
    suspect = distinct(np.concatenate([slowed, np.flatnonzero(view.last("temp_margin") < least)]))
    if suspect.size < limit("rack-heat", "nodes"):
        return
    hot = distinct(view.node[suspect[frame.live[view.node[suspect]]]])
    hot = hot[racks.of_node[hot] >= 0]
    for rack in distinct(racks.of_node[hot]).tolist():
        nodes = hot[racks.of_node[hot] == rack]
        members = racks.members(rack)
        if len(nodes) < limit("rack-heat", "nodes") or 100 * len(nodes) < limit(
            "rack-heat", "share", Unit.PERCENT
        ) * len(members):
            continue
        names = [frame.specs[node].name for node in nodes.tolist()]
        text = f"{len(names)} of {len(members)} nodes of rack {racks.names[rack]} run hot: ask who cools it"
        yield Finding(Subject(Scope.NODE, names[0]), "rack-heat", State.CRITICAL, text, (("nodes", ", ".join(names)),))
