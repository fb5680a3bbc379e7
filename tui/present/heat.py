"""The heat map without a terminal: which accelerator is drawn where, at which density, and what a cell then shows.

A *position* is an accelerator's place in the model's order (0 to count - 1); groups (racks) are ranges of positions,
and blocks (nodes) are runs within a group. A *tile* is what is drawn as one unit: one accelerator, or several of one
group where the screen is too small for all.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tui.present.style import LEVELS
from watchfloor.metrics import Unit

Levels = NDArray[np.int8]

MISSING = -1  # no value: unsupported, not yet ...
STALE = -2  # the last value is old


@dataclass(frozen=True, slots=True)
class Group:
    """One rack (or site, or node): positions from `start` up to `stop`; `blocks` are sizes of its nodes, in order."""

    label: str
    start: int
    stop: int
    blocks: tuple[int, ...] = ()  # sums to stop - start; () is one block


@dataclass(frozen=True, slots=True)
class Scale:
    """What the levels 0 to 9 mean: `low` and below is 0, `high` and above is 9."""

    title: str
    unit: Unit
    low: float
    high: float
    load: bool = True  # True: the load colours (busy is good); False: the heat colours
    worst_high: bool = False  # tiles of several accelerators show the highest (temperature) instead of the mean


class HeatModel(Protocol):
    """What a heat map draws: parallel arrays by position. `groups` cover all positions, in order, without overlap."""

    @property
    def groups(self) -> Sequence[Group]: ...

    @property
    def levels(self) -> Levels:
        """0 to 9, MISSING or STALE."""
        ...

    @property
    def states(self) -> Levels:
        """watchfloor.model.State of each."""
        ...

    @property
    def dimmed(self) -> NDArray[np.bool_] | None:
        """True for those that a filter leaves out; None where there is no filter."""
        ...

    @property
    def scale(self) -> Scale: ...

    def identity(self, position: int) -> Hashable: ...

    def index_of(self, identity: Hashable) -> int | None: ...

    def short(self, position: int) -> str:
        """At most three characters, drawn on the tile where there is room: `97`, `1.2`; "" where missing."""
        ...

    def describe(self, position: int) -> str:
        """One accelerator in words, for the legend line: `dgx-03/gpu5  97 %`."""
        ...


def scale_for(title: str, unit: Unit, name: str, values: NDArray[np.float64]) -> Scale:
    """The scale of a metric: fixed for percent and temperature, otherwise the range of what the fleet shows now."""
    if unit is Unit.PERCENT:
        return Scale(title, unit, 0.0, 100.0)
    if unit is Unit.CELSIUS and name != "temp_margin":
        return Scale(title, unit, 20.0, 95.0, load=False, worst_high=True)
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return Scale(title, unit, min(0.0, low), high if high > low else low + 1.0, load=unit is not Unit.CELSIUS)


def levels_of(values: NDArray[np.float64], stale: NDArray[np.bool_], scale: Scale) -> Levels:
    """Values (NaN where missing) as levels; `stale` marks those whose last value is old."""
    share = (values - scale.low) / (scale.high - scale.low)
    steps = np.clip(np.nan_to_num(share) * LEVELS, 0, LEVELS - 1).astype(np.int8)
    steps[np.isnan(values)] = MISSING
    steps[stale] = STALE
    return steps
