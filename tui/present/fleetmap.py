"""The fleet as a heat map: every accelerator, by rack and node, coloured by one metric."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tui.present.choice import Passed
from tui.present.format import exact, number
from tui.present.heat import Group, Levels, Scale, levels_of, scale_for
from tui.present.order import Order, natural_key
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Kind, Unit
from watchfloor.model import Missing, Scope, Subject

_METRICS = CATALOGUE[Scope.ACCELERATOR]

# what `m` steps through; `M` offers every metric that can be drawn
FAVOURITES: Sequence[str] = ("util", "mem", "temp", "power", "clock_sm", "mem_util", "link_rx", "pcie_rx")
DRAWABLE: Sequence[str] = tuple(name for name, metric in _METRICS.items() if metric.kind in (Kind.GAUGE, Kind.COUNTER))


def next_metric(name: str) -> str:
    at = FAVOURITES.index(name) if name in FAVOURITES else -1
    return FAVOURITES[(at + 1) % len(FAVOURITES)]


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where accelerators stand: rows in the order of the map, and its groups. The same while no row is added."""

    count: int
    rows: Order
    positions: NDArray[np.intp]  # of each row
    groups: tuple[Group, ...]


def places(frame: Frame, before: Places | None = None) -> Places:
    """Accelerators by rack (site where racks have none, else all together), then node, then their own order."""
    boards = frame.accelerators
    if before is not None and before.count == boards.count:
        return before
    labels = [_label(spec.site, spec.rack) for spec in frame.specs]
    names = sorted(set(labels), key=natural_key)
    rank = np.array([names.index(label) for label in labels] if len(names) > 1 else [0] * len(labels), np.int64)
    rows = np.lexsort((boards.node, rank[boards.node])) if boards.count else np.empty(0, np.intp)
    positions = np.empty(boards.count, np.intp)
    positions[rows] = np.arange(boards.count)
    return Places(boards.count, rows, positions, _groups(names, rank, boards.node[rows]))


def _label(site: str, rack: str) -> str:
    return rack or site or "fleet"


def _groups(names: Sequence[str], rank: NDArray[np.int64], nodes: NDArray[np.int32]) -> tuple[Group, ...]:
    found: list[Group] = []
    for at, name in enumerate(names):
        start, stop = np.searchsorted(rank[nodes], [at, at + 1])
        if stop > start:
            runs = np.diff(np.flatnonzero(np.diff(nodes[start:stop], prepend=-1, append=-1)))
            found.append(Group(name, int(start), int(stop), tuple(runs.tolist())))
    return tuple(found)


def in_three(value: float, unit: Unit) -> str:
    """A number in at most three characters: `97`, `80G`; "" where it takes more."""
    text = number(value, unit)
    figures, prefix = (text[:-1], text[-1]) if text[-1:].isalpha() else (text, "")
    if len(text) > 3 and "." in figures:
        text = f"{float(figures):.0f}{prefix}"
    return text if len(text) <= 3 else ""


class FleetMap:
    """Implements tui.present.heat.HeatModel."""

    def __init__(self, frame: Frame, spots: Places, metric: str, passed: Passed | None = None) -> None:
        boards = frame.accelerators
        self._frame, self._places, self._metric = frame, spots, _METRICS[metric]
        self.groups: Sequence[Group] = spots.groups
        values = boards.known(metric)[spots.rows]
        self.scale: Scale = scale_for(self._metric.title, self._metric.unit, metric, values)
        reasons = boards.reasons(metric)[spots.rows]
        old = (reasons == Missing.STALE) | (reasons == Missing.TIMED_OUT)
        self.levels: Levels = levels_of(values, old, self.scale)
        self.states: Levels = boards.states[spots.rows]
        self.dimmed: NDArray[np.bool_] | None = None if passed is None else ~passed.accelerators[spots.rows]

    def identity(self, position: int) -> Subject:
        return self._frame.subject(Scope.ACCELERATOR, int(self._places.rows[position]))

    def index_of(self, identity: Hashable) -> int | None:
        if not isinstance(identity, Subject) or identity.scope is not Scope.ACCELERATOR:
            return None
        row = self._frame.row(identity)
        return None if row is None else int(self._places.positions[row])

    def short(self, position: int) -> str:
        value = float(self._frame.accelerators.known(self._metric.name)[self._places.rows[position]])
        return in_three(value, self._metric.unit) if value == value else ""

    def describe(self, position: int) -> str:
        row = int(self._places.rows[position])
        boards, node = self._frame.accelerators, self._frame.specs[int(self._frame.accelerators.node[row])]
        shown, _ = exact(boards.cell(row, self._metric.name), self._metric)
        return f"{node.name}/{boards.text(row, 'name') or boards.keys[row]}  {shown}"
