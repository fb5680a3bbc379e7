"""Links: NVLinks and InfiniBand ports that are down, and ports whose error counters grow.

A link that is down is broken, rather than never wired, where it is known to have been up: its other end was seen, or
its port counts that it went down. Where nobody saw it up, boards with fewer links than their neighbours, and ports
beside a working one, are at least suspect. Boards that are bridged over some of their links alike are healthy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._tools import current, limit, named, report
from watchfloor.frame import Frame
from watchfloor.model import Finding, Scope, State

_AT = Scope.LINK
_HOUR, _MINUTE = 3600.0, 60.0
_WORDS = {
    "ib.symbol_error": "had {:,.0f} symbol errors",
    "ib.link_downed": "went down {:,.0f} ×",
    "ib.link_recovery": "recovered its link {:,.0f} ×",
}


def check(frame: Frame) -> Iterator[Finding]:
    yield from _down(frame)
    yield from _growing(frame, "ib.symbol_error", "ib-symbol-errors", "critical_per_hour", State.CRITICAL)
    yield from _growing(frame, "ib.link_downed", "ib-link-downed", "warning_per_hour", State.WARNING)
    yield from _growing(frame, "ib.link_recovery", "ib-link-recovery", "warning_per_minute", State.WARNING)


def _down(frame: Frame) -> Iterator[Finding]:
    view = frame.links
    down = np.zeros(view.count, np.bool_)
    down[current(view, "up", view.last("up") == 0)] = True
    if not down.any():
        return
    mask = down & _of_kind(frame, "nvlink")
    if mask.any():
        for_sure, suspect = _once_up_nvlinks(frame)
        yield from _told_down(frame, "nvlink", mask & for_sure, State.CRITICAL)
        yield from _told_down(frame, "nvlink", mask & suspect & ~for_sure, State.WARNING)
    ports = _of_kind(frame, "infiniband")
    mask = down & ports & ~_disabled(frame)
    works_beside = _node_has(frame, ports & (view.known("up") == 1))[view.node]
    broken = works_beside & (view.last("ib.link_downed") > 0)
    yield from _told_down(frame, "infiniband", mask & broken, State.CRITICAL)
    yield from _told_down(frame, "infiniband", mask & ~broken, State.WARNING)


def _once_up_nvlinks(frame: Frame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Links that were up, or whose sisters on the same board are while others have more; links of boards with none."""
    boards, links = frame.accelerators, frame.links
    up = boards.known("links_up")
    most = np.zeros(frame.nodes.count)
    np.maximum.at(most, boards.node, np.nan_to_num(up))
    of_board = np.full(len(links.texts), np.nan)  # by code of its uuid, which a link names as its accelerator
    known = boards.codes("uuid") >= 0
    of_board[boards.codes("uuid")[known]] = up[known]
    owner = np.nan_to_num(links.last("accelerator")).astype(np.intp)  # code 0, the empty text, is nobody's uuid
    fewer = of_board[owner] < most[links.node]
    return (links.last("peer") > 0) | (fewer & (of_board[owner] > 0)), fewer


def _told_down(frame: Frame, kind: str, mask: NDArray[np.bool_], state: State) -> Iterator[Finding]:
    title = {"nvlink": "NVLink", "infiniband": "InfiniBand port"}[kind]
    code = {"nvlink": "nvlink-down", "infiniband": "ib-port-down"}[kind]
    yield from report(
        frame,
        _AT,
        np.flatnonzero(mask),
        code,
        state,
        lambda row: f"{title} {named(frame, _AT, row)} is down",
        ("up", "phys"),
    )


def _of_kind(frame: Frame, kind: str) -> NDArray[np.bool_]:
    return _text_mask(frame, "kind", lambda text: text == kind)


def _disabled(frame: Frame) -> NDArray[np.bool_]:
    """Ports that somebody switched off."""
    return _text_mask(frame, "phys", lambda text: "disabled" in text.casefold())


def _text_mask(frame: Frame, name: str, fits: Callable[[str], bool]) -> NDArray[np.bool_]:
    codes = frame.links.known(name)
    present = np.unique(codes[~np.isnan(codes)])
    return np.isin(codes, [code for code in present if fits(frame.links.texts[int(code)])])


def _node_has(frame: Frame, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.bincount(frame.links.node[mask], minlength=frame.nodes.count) > 0


def _growing(frame: Frame, metric: str, code: str, key: str, state: State) -> Iterator[Finding]:
    seconds, period = (_MINUTE, "minute") if key.endswith("minute") else (_HOUR, "hour")
    increase = frame.counters.increases(_AT, metric, frame.links.count, frame.at - seconds)
    rows = current(frame.links, metric, increase > limit(code, key))
    yield from report(
        frame,
        _AT,
        rows,
        code,
        state,
        lambda row: f"{named(frame, _AT, row)} {_WORDS[metric].format(increase[row])} within the last {period}",
        (metric, "up"),
    )
