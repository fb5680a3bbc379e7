"""Services of the nodes (units of systemd): those that failed, start again and again, or ought to run and don't."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._lasting import Lasting
from watchfloor.checks._tools import Rows, limit, named, report, suspects, text_is, thresholds
from watchfloor.columns import Floats
from watchfloor.distinct import among, distinct
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Unit
from watchfloor.model import Finding, Scope, State

_AT = Scope.NODE
_PREFIX = "unit_"
_FAILED, _STARTING = ("failed", "restarting"), ("stopped", "starting")  # the second kind is told of when it lasts
_WELL = frozenset(("running", "disabled", ""))


def check(frame: Frame) -> Iterator[Finding]:
    for metric, state in _weights().items():
        rows = _unwell(frame, metric)
        lasting = _lasting[metric]
        if rows.size:
            failed = text_is(frame.nodes, metric, rows, lambda text: text.startswith(_FAILED))
            late = lasting.for_long(frame, rows[~failed], limit("node-service", "lasts", Unit.SECONDS))
            yield from _told(frame, metric, "failed", rows[failed], state)
            yield from _told(frame, metric, "stopped", late, State.WARNING)
        else:
            lasting.since(frame, rows)


@cache
def _weights() -> dict[str, State]:
    told = thresholds()["node-service"]["failed"].entries()
    return {metric: State[item.text().upper()] for metric, item in told.items()}


_lasting: dict[str, Lasting] = {metric: Lasting() for metric in CATALOGUE[_AT] if metric.startswith(_PREFIX)}


def _unwell(frame: Frame, metric: str) -> Rows:
    """Nodes whose service is not as it should be, silent ones left out."""
    texts = frame.nodes.texts

    def test(codes: Floats) -> NDArray[np.bool_]:
        told = distinct(codes[codes > 0])
        return among(codes, [code for code in told.tolist() if texts[int(code)] not in _WELL])

    return suspects(frame.nodes, metric, (metric,), test)


def _told(frame: Frame, metric: str, how: str, rows: Rows, state: State) -> Iterator[Finding]:
    if not rows.size:
        return
    needless = ~_joined(frame)[rows] if metric in _OF_THE_FABRIC else np.zeros(len(rows), np.bool_)
    for weight, chosen in ((state, rows[~needless]), (State.WARNING, rows[needless])):
        yield from report(
            frame,
            _AT,
            chosen,
            f"{metric.removeprefix(_PREFIX)}-{how}",
            weight,
            lambda row: f"{_service(metric)} of {named(frame, _AT, row)} {_words(frame.nodes.text(row, metric))}",
            (metric, "uptime"),
        )


_OF_THE_FABRIC = frozenset(("unit_fabricmanager", "unit_imex"))


def _joined(frame: Frame) -> NDArray[np.bool_]:
    """Nodes whose boards have scale-up links: only there these services have something to do."""
    boards = frame.accelerators
    linked = boards.node[boards.last("links_max") > 0]
    return np.bincount(linked, minlength=frame.nodes.count) > 0


def _service(metric: str) -> str:
    """`the service nvidia-imex`, from the words of the catalogue."""
    return "the " + CATALOGUE[_AT][metric].help.partition(":")[0].partition(",")[0]


def _words(text: str) -> str:
    state, _, reason = text.partition(": ")
    because = f" ({reason})" if reason else ""
    return {
        "failed": f"has failed{because}",
        "restarting": f"fails again and again, and is restarted{because}",
        "stopped": "doesn't run, though it is enabled",
        "starting": "doesn't get started",
    }.get(state, f"is {text}")
