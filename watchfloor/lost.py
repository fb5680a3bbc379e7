"""Which accelerators are lost: no longer on the bus, or no longer listed by their node. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from watchfloor.frame import Frame, View
from watchfloor.model import Missing


def lost_boards(frame: Frame) -> NDArray[np.intp]:
    """Their rows.

    A MIG instance that is gone was taken away by somebody, and a board whose place another has taken: no fault.
    """
    view = frame.accelerators
    rows = np.flatnonzero((view.reasons("util") == Missing.LOST) | (view.reasons("temp") == Missing.LOST))
    rows = rows[frame.live[view.node[rows]] & ~(view.last("partition_of")[rows] > 0)]
    return rows[~_replaced(frame, rows)] if rows.size else rows


def _replaced(frame: Frame, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which rows are no longer listed while another is at their address, or, of those that never told it, index."""
    view = frame.accelerators
    unlisted = view.reasons("index")[rows] == Missing.LOST
    bus_id = view.last("bus_id")[rows]
    of_nobody = np.isnan(bus_id) | (bus_id == 0)
    by_index = _held_by_another(view, rows, "index") & of_nobody
    return unlisted & ((_held_by_another(view, rows, "bus_id") & ~of_nobody) | by_index)


def _held_by_another(view: View, rows: NDArray[np.intp], name: str) -> NDArray[np.bool_]:
    held = set(zip(view.node.tolist(), view.known(name).tolist(), strict=True))
    wanted = zip(view.node[rows].tolist(), view.last(name)[rows].tolist(), strict=True)
    return np.array([one in held for one in wanted], np.bool_)
