"""Links: what is down, what is slower than its best, what comes and goes.

A link that is down is broken, rather than never wired, where it is known to have been up: its other end was seen, or
its port counts that it went down. Where nobody saw it up, boards with fewer links than their neighbours, and ports
beside a working one, are at least suspect. Boards that are bridged over some of their links alike are healthy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._lasting import Lasting
from watchfloor.checks._tools import Rows, limit, named, report, suspects, text_is
from watchfloor.distinct import among, distinct_columns
from watchfloor.frame import Frame, View
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State

_AT = Scope.LINK
_BOARD = Scope.ACCELERATOR
_SCALE_UP = {
    "nvlink": "NVLink",
    "xgmi": "XGMI link",
    "ici": "ICI link",
    "neuronlink": "NeuronLink",
    "gaudi": "Gaudi port",
    "xelink": "Xe Link",
}
_PORTS = {"infiniband": "InfiniBand port", "roce": "RoCE port", "ethernet": "Ethernet port"}
_CODES = {"infiniband": "ib-port-down", "roce": "roce-port-down", "ethernet": "ethernet-down"}
_NOBODY = np.empty(0, np.intp)


def check(frame: Frame) -> Iterator[Finding]:
    yield from _down(frame)
    yield from _slow(frame)
    yield from _pcie(frame)
    yield from _comes_and_goes(frame)


# -- down


def _down(frame: Frame) -> Iterator[Finding]:
    view = frame.links
    down = suspects(view, "down", ("up",), lambda up: up == 0)
    if not down.size:
        _outage.since(frame, down)
        return
    rows = down[text_is(view, "kind", down, lambda kind: kind in _SCALE_UP)]
    if rows.size:
        for_sure, suspect = _once_up(frame, rows)
        yield from _told_down(frame, rows[for_sure], State.CRITICAL)
        yield from _told_down(frame, rows[suspect & ~for_sure], State.WARNING)
    rows = down[text_is(view, "kind", down, lambda kind: kind in _PORTS)]
    yield from _ports_down(frame, rows[~text_is(view, "phys", rows, lambda text: "disabled" in text.casefold())])


def _ports_down(frame: Frame, rows: Rows) -> Iterator[Finding]:
    """An Ethernet port that nobody saw up is an empty socket; ports of InfiniBand and RoCE are bought to be used."""
    view = frame.links
    ethernet = text_is(view, "kind", rows, lambda kind: kind == "ethernet")
    kinds = view.last("kind")
    works = distinct_columns(np.stack([view.node, np.nan_to_num(kinds)])[:, view.known("up") == 1])
    beside = set(zip(*works.astype(np.int64).tolist(), strict=True))
    of_row = zip(view.node[rows].tolist(), np.nan_to_num(kinds[rows]).astype(np.int64).tolist(), strict=True)
    works_beside = np.array([pair in beside for pair in of_row], np.bool_)
    went = (view.last("ib.link_downed")[rows] > 0) | _lost_carrier(frame, rows)
    lasts = among(rows, _outage.for_long(frame, rows, limit("link-outage", "lasts", Unit.SECONDS)))
    critical = ~ethernet & went & (works_beside | lasts)
    yield from _told_down(frame, rows[critical], State.CRITICAL)
    yield from _told_down(frame, rows[~critical & (~ethernet | went)], State.WARNING)


_outage = Lasting()


def _lost_carrier(frame: Frame, rows: Rows) -> NDArray[np.bool_]:
    """Ports whose carrier came or went while somebody watched."""
    moved = frame.counters.grown(_AT, "carrier_changes", 0.0)
    return np.array([row in moved for row in rows.tolist()], np.bool_)


def _once_up(frame: Frame, rows: Rows) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Links that were up, or whose sisters on the same board are while others have more; links of boards with none."""
    boards, links = frame.accelerators, frame.links
    up = boards.known("links_up")
    most = np.zeros(frame.nodes.count)
    np.maximum.at(most, boards.node, np.nan_to_num(up))
    of_board = np.full(len(links.texts), np.nan)  # by code of its uuid, which a link names as its accelerator
    known = boards.codes("uuid") >= 0
    of_board[boards.codes("uuid")[known]] = up[known]
    owner = np.nan_to_num(links.last("accelerator")[rows]).astype(np.intp)  # code 0, the empty text, is nobody's uuid
    fewer = of_board[owner] < most[links.node[rows]]
    return (links.last("peer")[rows] > 0) | (fewer & (of_board[owner] > 0)), fewer


def _told_down(frame: Frame, rows: Rows, state: State) -> Iterator[Finding]:
    view = frame.links
    for kind, title in (_SCALE_UP | _PORTS).items() if rows.size else ():
        yield from report(
            frame,
            _AT,
            rows[text_is(view, "kind", rows, lambda text, kind=kind: text == kind)],
            _CODES.get(kind, f"{kind}-down"),
            state,
            lambda row, title=title: f"{title} {named(frame, _AT, row)} is down{_towards(view, row)}",
            ("up", "phys", "peer"),
        )


def _towards(view: View, row: int) -> str:
    peer = view.text(row, "peer")
    return f"; at its other end is {peer}" if peer else ""


# -- slower than it could be


def slow(frame: Frame) -> Rows:
    """Links that are up below their best. PCIe steps down when idle, and is judged under load."""
    view, least = frame.links, limit("link-slow", "below", Unit.PERCENT) / 100
    rows = suspects(
        view, "link-slow", ("speed", "speed_max", "up"), lambda now, best, up: (now < least * best) & (up != 0)
    )
    if rows.size:
        rows = rows[text_is(view, "kind", rows, lambda kind: kind != "pcie") & (view.last("speed")[rows] > 0)]
    return rows


def _slow(frame: Frame) -> Iterator[Finding]:
    view = frame.links
    speed, best = view.last("speed"), view.last("speed_max")
    yield from report(
        frame,
        _AT,
        slow(frame),
        "link-slow",
        State.WARNING,
        lambda row: (
            f"{named(frame, _AT, row)} runs at {speed[row] * 8e-9:,.0f} Gb/s, its best is {best[row] * 8e-9:,.0f} Gb/s"
        ),
        ("speed", "speed_max", "width", "width_max", "medium", "peer"),
    )


def _pcie(frame: Frame) -> Iterator[Finding]:
    view, busy = frame.accelerators, limit("pcie-downgrade", "util", Unit.PERCENT)
    names = ("pcie_width", "pcie_width_max", "pcie_gen", "pcie_gen_max")
    rows = suspects(view, "pcie-downgrade", names, lambda width, widest, gen, best: (width < widest) | (gen < best))
    if rows.size:
        rows = rows[view.known("util")[rows] >= busy]
        rows = rows[_busy_for_long(frame, rows, busy)]
    width, widest, gen, best = (view.last(name) for name in names)
    yield from report(
        frame,
        _BOARD,
        rows,
        "pcie-downgrade",
        State.WARNING,
        lambda row: (
            f"{named(frame, _BOARD, row)} is busy over PCIe {gen[row]:.0f}.0 ×{width[row]:.0f}; "
            f"board and slot can do {best[row]:.0f}.0 ×{widest[row]:.0f}"
        ),
        (*names, "util", "pcie_replays", "bus_id"),
    )


def _busy_for_long(frame: Frame, rows: Rows, least: float) -> NDArray[np.bool_]:
    """A board that has only just got work may still be stepping up, and its link may have been read before it did."""
    seconds = limit("pcie-downgrade", "time", Unit.SECONDS)
    util = frame.history.window(_BOARD, "util", seconds, rows)
    return np.all(util >= least, axis=0)  # at a first look there is nothing before


# -- comes and goes


def _comes_and_goes(frame: Frame) -> Iterator[Finding]:
    flaps = _flaps(frame)
    yield from _flapping(frame, flaps)
    seconds = limit("carrier-changes", "within", Unit.SECONDS)
    changes = frame.counters.grown(_AT, "carrier_changes", frame.at - seconds, limit("carrier-changes", "above"))
    rows = sorted(row for row in changes.keys() - flaps.keys() if row < frame.links.count)
    yield from report(
        frame,
        _AT,
        np.array(rows, np.intp),
        "carrier-changes",
        State.WARNING,
        lambda row: f"the carrier of {named(frame, _AT, row)} changed {changes[row]:.0f} times within {seconds:.0f} s",
        ("up", "carrier_changes", "peer"),
    )


def _flaps(frame: Frame) -> Mapping[int, float]:
    """The links that went down as often as counts, and how often."""
    times, seconds = limit("link-flaps", "times"), limit("link-flaps", "within", Unit.SECONDS)
    since = frame.at - seconds
    flaps = {row: by / 2 for row, by in frame.counters.grown(_AT, "carrier_changes", since, 2 * times - 1).items()}
    return flaps | frame.counters.grown(_AT, "ib.link_downed", since, times - 1)


def _flapping(frame: Frame, flaps: Mapping[int, float]) -> Iterator[Finding]:
    seconds = limit("link-flaps", "within", Unit.SECONDS)
    rows = sorted(row for row in flaps if row < frame.links.count)
    yield from report(
        frame,
        _AT,
        np.array(rows, np.intp) if rows else _NOBODY,
        "link-flapping",
        State.CRITICAL,
        lambda row: (
            f"{named(frame, _AT, row)} went down {flaps[row]:.0f} times within the last {seconds / 3600:.0f} hours"
        ),
        ("up", "carrier_changes", "ib.link_downed", "peer"),
    )
