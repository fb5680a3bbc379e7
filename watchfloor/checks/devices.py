"""Accelerators: lost, asking for a recovery, with memory that fails or waits for repair, outside of their fabric."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from watchfloor.checks._tools import current, limit, named, report, suspects, text_is
from watchfloor.frame import Frame
from watchfloor.lost import lost_boards
from watchfloor.metrics import RECOVERY_ACTIONS, Unit
from watchfloor.model import Finding, Scope, State

_AT = Scope.ACCELERATOR
_JOINED = ("completed", "not supported")
_JOINED_BUT = "completed, "  # what is not well follows
_PAGES = "will retire pages of its memory at its next reset"
_SRAM = "had more uncorrected errors of its on-chip memory than its vendor allows: run the vendor's diagnostics"


def check(frame: Frame) -> Iterator[Finding]:
    yield from _lost(frame)
    yield from _recovery(frame)
    yield from _rows(frame)
    yield from _uncorrected(frame)
    yield from _corrected(frame)
    yield from _pages(frame)
    yield from _repair(frame)
    yield from _fabric(frame)
    yield from _flag(frame, "pages-pending", "pages_pending", State.WARNING, _PAGES)
    yield from _flag(frame, "sram-threshold", "sram_threshold", State.CRITICAL, _SRAM)
    yield from _sram_corrected(frame)
    yield from _grown(frame, "ecc-sram", "ecc_sram", State.CRITICAL, "uncorrected errors of on-chip memory")
    yield from _grown(frame, "execution-errors", "exec_errors", State.WARNING, "executions that failed")
    yield from _grown(frame, "pcie-replays", "pcie_replays", State.WARNING, "PCIe packets sent again")


def _lost(frame: Frame) -> Iterator[Finding]:
    yield from report(
        frame,
        _AT,
        lost_boards(frame),
        "accelerator-lost",
        State.CRITICAL,
        lambda row: f"{named(frame, _AT, row)} is lost: it no longer answers, or is no longer listed",
        ("bus_id", "serial", "xid"),
    )


def _recovery(frame: Frame) -> Iterator[Finding]:
    view = frame.accelerators
    action = view.last("recovery")
    yield from report(
        frame,
        _AT,
        suspects(view, "recovery-action", ("recovery",), lambda action: action > 0),
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
        suspects(view, "rows_failed", ("rows_failed",), lambda waiting: waiting > 0),
        "row-remap-failed",
        State.CRITICAL,
        lambda row: f"a memory row of {named(frame, _AT, row)} could not be remapped: the board is due for replacement",
        ("rows_failed", "rows_corrected", "rows_uncorrected"),
    )
    yield from report(
        frame,
        _AT,
        suspects(view, "rows_pending", ("rows_pending",), lambda waiting: waiting > 0),
        "row-remap-pending",
        State.WARNING,
        lambda row: f"a memory row of {named(frame, _AT, row)} will be remapped at its next reset",
        ("rows_pending", "rows_corrected", "rows_uncorrected"),
    )


def _uncorrected(frame: Frame) -> Iterator[Finding]:
    view, most = frame.accelerators, limit("ecc-uncorrected", "critical_above")
    errors = view.last("ecc_uncorrected")
    yield from report(
        frame,
        _AT,
        suspects(view, "ecc-uncorrected", ("ecc_uncorrected",), lambda errors: errors > most),
        "ecc-uncorrected",
        State.CRITICAL,
        lambda row: f"{named(frame, _AT, row)} has {errors[row]:,.0f} uncorrected memory errors since its driver began",
        ("ecc_uncorrected", "ecc_uncorrected_total", "ecc_sram", "rows_pending", "rows_failed"),
    )


def _corrected(frame: Frame) -> Iterator[Finding]:
    view, most = frame.accelerators, limit("ecc-corrected", "above")
    errors = view.last("ecc_corrected")
    yield from report(
        frame,
        _AT,
        suspects(view, "ecc-corrected", ("ecc_corrected",), lambda errors: errors > most),
        "ecc-corrected",
        State.WARNING,
        lambda row: (
            f"{named(frame, _AT, row)} has {errors[row]:,.0f} corrected memory errors; many is above {most:,.0f}"
        ),
        ("ecc_corrected", "ecc_corrected_total", "rows_corrected"),
    )


def _pages(frame: Frame) -> Iterator[Finding]:
    view, most = frame.accelerators, limit("pages-retired", "above")
    pages = view.last("pages_retired")
    yield from report(
        frame,
        _AT,
        suspects(view, "pages-retired", ("pages_retired",), lambda pages: pages > most),
        "pages-retired",
        State.WARNING,
        lambda row: f"{named(frame, _AT, row)} has retired {pages[row]:.0f} pages of its memory",
        ("pages_retired", "ecc_uncorrected_total"),
    )


def _repair(frame: Frame) -> Iterator[Finding]:
    view = frame.accelerators
    yield from report(
        frame,
        _AT,
        suspects(view, "repair-pending", ("repair_pending",), lambda pending: pending > 0),
        "repair-pending",
        State.WARNING,
        lambda row: f"a memory channel of {named(frame, _AT, row)} will be repaired at its next reset",
        ("repair_pending", "ecc_uncorrected"),
    )


def _flag(frame: Frame, code: str, metric: str, state: State, words: str) -> Iterator[Finding]:
    """What the board says itself, with a flag."""
    yield from report(
        frame,
        _AT,
        suspects(frame.accelerators, code, (metric,), lambda told: told > 0),
        code,
        state,
        lambda row: f"{named(frame, _AT, row)} {words}",
        (metric, "ecc_uncorrected", "ecc_sram"),
    )


def _sram_corrected(frame: Frame) -> Iterator[Finding]:
    view, most = frame.accelerators, limit("ecc-sram-corrected", "above")
    errors = view.last("ecc_sram_corrected")
    yield from report(
        frame,
        _AT,
        suspects(view, "ecc-sram-corrected", ("ecc_sram_corrected",), lambda errors: errors > most),
        "ecc-sram-corrected",
        State.WARNING,
        lambda row: (
            f"the on-chip memory of {named(frame, _AT, row)} had {errors[row]:,.0f} corrected errors; "
            f"many is above {most:,.0f}"
        ),
        ("ecc_sram_corrected", "ecc_sram"),
    )


def _fabric(frame: Frame) -> Iterator[Finding]:
    """A board that has not joined its fabric can't speak over NVLink, whatever its links say."""
    view = frame.accelerators
    codes = view.last("fabric_state")
    rows = suspects(view, "fabric-state", ("fabric_state",), lambda told: told > 0)
    if rows.size:
        rows = rows[text_is(view, "fabric_state", rows, lambda text: text not in _JOINED)]
    ill = text_is(view, "fabric_state", rows, lambda text: text.startswith(_JOINED_BUT))
    yield from report(
        frame,
        _AT,
        rows[~ill],
        "fabric-not-joined",
        State.WARNING,
        lambda row: f"{named(frame, _AT, row)} has not joined its fabric: {view.texts[int(codes[row])]}",
        ("fabric_state", "fabric", "links_up"),
    )
    yield from report(
        frame,
        _AT,
        rows[ill],
        "fabric-ill",
        State.WARNING,
        lambda row: f"{named(frame, _AT, row)}'s fabric is not well: {_ills(view.texts[int(codes[row])])}",
        ("fabric_state", "fabric", "links_up"),
    )


def _ills(text: str) -> str:
    return text.removeprefix(_JOINED_BUT)


def _grown(frame: Frame, code: str, metric: str, state: State, words: str) -> Iterator[Finding]:
    """A counter of which only what came lately is told."""
    seconds = limit(code, "within", Unit.SECONDS)
    grown = frame.counters.grown(_AT, metric, frame.at - seconds, limit(code, "above"))
    told = np.zeros(frame.accelerators.count, np.bool_)
    told[[row for row in grown if row < len(told)]] = True
    span = f"{seconds / 3600:.0f} hours" if seconds > 3600 else f"{seconds / 60:.0f} minutes"
    yield from report(
        frame,
        _AT,
        current(frame.accelerators, metric, told),
        code,
        state,
        lambda row: f"{named(frame, _AT, row)} had {grown[row]:,.0f} {words} within the last {span}",
        (metric,),
    )
