"""Stragglers: boards under full load that run slower than equal boards beside them in the node.

Judged on the mean clock of the last minute, and only against boards of the same model that are as busy.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._tools import limit, named, report
from watchfloor.columns import Floats
from watchfloor.distinct import distinct, median
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State

_AT = Scope.ACCELERATOR
_SECONDS = 60.0


def check(frame: Frame) -> Iterator[Finding]:
    slow: dict[int, tuple[float, float, int]] = {}
    for node in _uneven_nodes(frame).tolist():
        slow |= _slow_rows(frame, frame.rows_of(_AT, node))
    yield from report(
        frame,
        _AT,
        np.array(sorted(slow), np.intp),
        "straggler",
        State.WARNING,
        lambda row: (
            f"{named(frame, _AT, row)} ran at {slow[row][0]:,.0f} MHz over the last minute, "
            f"{slow[row][2]} equal boards beside it at {slow[row][1]:,.0f} MHz"
        ),
        ("clock_sm", "util", "throttle", "temp", "power"),
    )


def _uneven_nodes(frame: Frame) -> NDArray[np.int32]:
    """Nodes whose busy boards differ in clock, as last known: the few that are worth a closer look."""
    view = frame.accelerators
    busy = np.flatnonzero(view.last("util") >= limit("straggler", "util", Unit.PERCENT))
    clock, node = view.last("clock_sm")[busy], view.node[busy]
    fastest = np.zeros(frame.nodes.count)
    np.maximum.at(fastest, node, np.nan_to_num(clock))
    return distinct(node[clock < _enough(fastest)[node]])


def _enough(clock: Floats) -> Floats:
    """The lowest clock that is no straggler's beside this one."""
    return clock * (1 - limit("straggler", "slower", Unit.PERCENT) / 100)


def _slow_rows(frame: Frame, rows: NDArray[np.intp]) -> dict[int, tuple[float, float, int]]:
    """Row -> its mean clock, the median of its peers, how many these are."""
    clock = frame.history.window(_AT, "clock_sm", _SECONDS, rows)
    util = frame.history.window(_AT, "util", _SECONDS, rows)
    if not len(clock) or not len(util):
        return {}
    busy = (util.mean(axis=0) >= limit("straggler", "util", Unit.PERCENT)) & ~np.isnan(clock).any(axis=0)
    clock, model = clock.mean(axis=0), frame.accelerators.known("model")[rows]
    found: dict[int, tuple[float, float, int]] = {}
    for at in np.flatnonzero(busy):
        peers = busy & (model == model[at])
        peers[at] = False
        count = int(peers.sum())
        if count >= limit("straggler", "peers") and clock[at] < _enough(np.array(median(clock[peers]))):
            found[int(rows[at])] = (float(clock[at]), median(clock[peers]), count)
    return found
