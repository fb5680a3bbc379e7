"""Accelerators: lost, asking for a recovery, with memory rows to remap, with uncorrected errors, with a fatal XID."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._tools import current, limit, named, report, thresholds
from watchfloor.frame import Frame, View
from watchfloor.metrics import RECOVERY_ACTIONS
from watchfloor.model import Finding, Missing, Scope, State

_AT = Scope.ACCELERATOR


def check(frame: Frame) -> Iterator[Finding]:
    yield from _lost(frame)
    yield from _recovery(frame)
    yield from _rows(frame)
    yield from _uncorrected(frame)
    yield from _fatal_xid(frame)


def _lost(frame: Frame) -> Iterator[Finding]:
    """A MIG instance that is gone was taken away by somebody, and a board whose place another has taken: no fault."""
    view = frame.accelerators
    rows = np.flatnonzero((view.reasons("util") == Missing.LOST) | (view.reasons("temp") == Missing.LOST))
    rows = rows[frame.live[view.node[rows]] & ~(view.last("partition_of")[rows] > 0)]
    if rows.size:
        rows = rows[~_replaced(frame, rows)]
    yield from report(
        frame,
        _AT,
        rows,
        "accelerator-lost",
        State.CRITICAL,
        lambda row: f"{named(frame, _AT, row)} is lost: it no longer answers, or is no longer listed",
        ("bus_id", "serial", "xid"),
    )


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


def _recovery(frame: Frame) -> Iterator[Finding]:
    view = frame.accelerators
    action = view.last("recovery")
    yield from report(
        frame,
        _AT,
        current(view, "recovery", action > 0),
        "recovery-action",
        State.CRITICAL,
        lambda row: f"the driver of {named(frame, _AT, row)} asks to {_action(int(action[row]))}",
        ("recovery", "xid"),
    )


def _action(code: int) -> str:
    return RECOVERY_ACTIONS.get(code, f"take recovery action {code}")


def _rows(frame: Frame) -> Iterator[Finding]:
    view = frame.accelerators
    yield from report(
        frame,
        _AT,
        current(view, "rows_failed", view.last("rows_failed") > 0),
        "row-remap-failed",
        State.CRITICAL,
        lambda row: f"a memory row of {named(frame, _AT, row)} could not be remapped: the board is due for replacement",
        ("rows_failed", "rows_corrected", "rows_uncorrected"),
    )
    yield from report(
        frame,
        _AT,
        current(view, "rows_pending", view.last("rows_pending") > 0),
        "row-remap-pending",
        State.WARNING,
        lambda row: f"a memory row of {named(frame, _AT, row)} will be remapped at its next reset",
        ("rows_pending", "rows_corrected", "rows_uncorrected"),
    )


def _uncorrected(frame: Frame) -> Iterator[Finding]:
    view = frame.accelerators
    errors = view.last("ecc_uncorrected")
    yield from report(
        frame,
        _AT,
        current(view, "ecc_uncorrected", errors > limit("ecc-uncorrected", "critical_above")),
        "ecc-uncorrected",
        State.CRITICAL,
        lambda row: f"{named(frame, _AT, row)} has {errors[row]:,.0f} uncorrected memory errors since its driver began",
        ("ecc_uncorrected", "ecc_uncorrected_total"),
    )


def _fatal_xid(frame: Frame) -> Iterator[Finding]:
    view = frame.accelerators
    xid = view.last("xid")
    meanings = thresholds()["xid-fatal"]["codes"].entries()
    rows = current(view, "xid", xid > 0)
    yield from report(
        frame,
        _AT,
        rows[np.isin(xid[rows], [float(code) for code in meanings])],
        "xid-fatal",
        State.CRITICAL,
        lambda row: f"{named(frame, _AT, row)} had XID {xid[row]:.0f}: {meanings[str(int(xid[row]))].text()}",
        ("xid", "recovery"),
    )
