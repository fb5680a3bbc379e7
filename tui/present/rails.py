"""The links of one layer of the fabric as a heat map: a line or block a node, a tile a link, coloured by its use.

On a fabric that works together the tiles of a row are alike, so that a dark rail stands out, and one that is down has
the sign of its state.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tui.present.fleetmap import in_three
from tui.present.format import exact
from tui.present.heat import Group, Levels, Scale, levels_of
from tui.present.links import owner_name
from tui.present.order import Order, natural_key
from watchfloor.columns import Mask
from watchfloor.distinct import distinct
from watchfloor.fabric import SCALE_OUT, SCALE_UP, Kinds, Oddity, Survey
from watchfloor.metrics import CATALOGUE, Unit
from watchfloor.model import Missing, Scope, State, Subject

_USAGE = CATALOGUE[Scope.LINK]["usage"]
_SCALE = Scale("use", Unit.PERCENT, 0.0, 100.0)
_NODES_ALONE = 64  # up to so many nodes each has a line of its own; beyond, a rack's nodes share one


class Layer(StrEnum):
    """Which links the map draws."""

    RAILS = "rails"  # ports of the scale-out fabric
    SCALE_UP = "scale-up"
    ETHERNET = "ethernet"
    PCIE = "pcie"


_KINDS = {
    Layer.RAILS: SCALE_OUT,
    Layer.SCALE_UP: SCALE_UP,
    Layer.ETHERNET: frozenset({"ethernet"}),
    Layer.PCIE: frozenset({"pcie"}),
}


def layers(kinds: Kinds) -> Sequence[Layer]:
    """Those of which the fleet has links."""
    return [layer for layer in Layer if not _KINDS[layer].isdisjoint(kinds.names)]


@dataclass(frozen=True, slots=True, eq=False)
class Spots:
    """Where links stand on the map: rows in its order, and its groups. The same while no link is added."""

    kinds: Kinds
    layer: Layer
    rows: Order
    positions: NDArray[np.intp]  # of each row, -1 where it isn't drawn
    groups: tuple[Group, ...]


def spots(survey: Survey, layer: Layer, before: Spots | None = None) -> Spots:
    """Links by rack, then node, then as the probe names them."""
    if before is not None and before.kinds is survey.kinds and before.layer is layer:
        return before
    frame, links = survey.frame, survey.frame.links
    drawn = np.flatnonzero(survey.kinds.among(_KINDS[layer]))
    racks = [spec.rack or spec.site or "fleet" for spec in frame.specs]
    places = {name: place for place, name in enumerate(sorted(set(racks), key=natural_key))}
    rank = np.array([places[rack] for rack in racks], np.int64)
    rows = drawn[np.lexsort((links.node[drawn], rank[links.node[drawn]]))]
    positions = np.full(links.count, -1, np.intp)
    positions[rows] = np.arange(len(rows))
    nodes = links.node[rows]
    alone = len(distinct(nodes)) <= _NODES_ALONE
    names = [spec.name for spec in frame.specs] if alone else racks
    return Spots(survey.kinds, layer, rows, positions, _groups(nodes, nodes if alone else rank[nodes], names))


def _groups(
    nodes: NDArray[np.int32], of: NDArray[np.int32] | NDArray[np.int64], names: Sequence[str]
) -> tuple[Group, ...]:
    """Runs of `of` as groups, the runs of nodes within them as blocks; `names` by node."""
    if not nodes.size:
        return ()
    edges = [0, *(np.flatnonzero(np.diff(of)) + 1).tolist(), len(of)]
    found = []
    for start, stop in pairwise(edges):
        blocks = np.diff(np.flatnonzero(np.diff(nodes[start:stop], prepend=-1, append=-1)))
        found.append(Group(names[int(nodes[start])], start, stop, tuple(blocks.tolist())))
    return tuple(found)


class RailMap:
    """Implements tui.present.heat.HeatModel."""

    scale: Scale = _SCALE

    def __init__(self, survey: Survey, places: Spots, passed: Mask | None = None) -> None:
        self._survey, self._spots = survey, places
        self.groups: Sequence[Group] = places.groups
        links, rows = survey.frame.links, places.rows
        reasons = links.part("usage", rows).missing
        old = (reasons == Missing.STALE) | (reasons == Missing.TIMED_OUT)
        self.levels: Levels = levels_of(survey.usage[rows], old, self.scale)
        states = links.states[rows]
        down = survey.oddity[rows] == Oddity.DOWN
        self.states: Levels = np.where(down, np.maximum(states, np.int8(State.WARNING)), states)
        self.dimmed: NDArray[np.bool_] | None = None if passed is None else ~passed[rows]

    def identity(self, position: int) -> Subject:
        return self._survey.frame.subject(Scope.LINK, int(self._spots.rows[position]))

    def index_of(self, identity: Hashable) -> int | None:
        if not isinstance(identity, Subject) or identity.scope is not Scope.LINK:
            return None
        row = self._survey.frame.row(identity)
        position = -1 if row is None or row >= len(self._spots.positions) else int(self._spots.positions[row])
        return position if position >= 0 else None

    def short(self, position: int) -> str:
        usage = float(self._survey.usage[self._spots.rows[position]])
        return in_three(usage, Unit.PERCENT) if usage == usage else ""

    def describe(self, position: int) -> str:
        row = int(self._spots.rows[position])
        frame = self._survey.frame
        shown, _ = exact(frame.links.cell(row, "usage"), _USAGE)
        name = frame.links.text(row, "name") or frame.links.keys[row]
        owner = owner_name(frame, row)
        node = frame.specs[int(frame.links.node[row])].name
        return f"{node}/{name}{f' of {owner}' if owner and owner not in name else ''}  {shown}"
