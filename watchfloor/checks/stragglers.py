"""Stragglers: boards under full load that run slower than equal boards beside them in the node.

Judged on the mean clock of the last minute, and only against boards of the same model that are as busy. Boards whose
job has enough of them are compared with those of the job (jobstragglers.py), wherever these are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._peers import Slow, enough, slow_rows
from watchfloor.checks._tools import limit, named, report
from watchfloor.distinct import distinct
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State

_AT = Scope.ACCELERATOR


def check(frame: Frame) -> Iterator[Finding]:
    slow: dict[int, Slow] = {}
    for node in _uneven_nodes(frame).tolist():
        slow |= slow_rows(frame, frame.rows_of(_AT, node))
    yield from report(
        frame,
        _AT,
        np.array(sorted(row for row in slow if not _has_peers(frame, row)), np.intp),
        "straggler",
        State.WARNING,
        lambda row: (
            f"{named(frame, _AT, row)} ran at {slow[row].clock:,.0f} MHz over the last minute, "
            f"{slow[row].peers} equal boards beside it at {slow[row].usual:,.0f} MHz"
        ),
        ("clock_sm", "util", "throttle", "temp", "power"),
    )


def _has_peers(frame: Frame, row: int) -> bool:
    """Its job has enough boards to compare it with."""
    owner = frame.jobs.owner_of(row)
    return owner >= 0 and len(frame.jobs.accelerators_of(owner)) > limit("straggler", "peers")


def _uneven_nodes(frame: Frame) -> NDArray[np.int32]:
    """Nodes whose busy boards differ in clock, as last known: the few that are worth a closer look."""
    view = frame.accelerators
    busy = np.flatnonzero(view.last("util") >= limit("straggler", "util", Unit.PERCENT))
    clock, node = view.last("clock_sm")[busy], view.node[busy]
    fastest = np.zeros(frame.nodes.count)
    np.maximum.at(fastest, node, np.nan_to_num(clock))
    return distinct(node[clock < enough(fastest)[node]])
