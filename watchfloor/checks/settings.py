"""Settings of boards that somebody has changed, or forgot: persistence mode, application clocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from watchfloor.checks._tools import limit, named, report, suspects
from watchfloor.columns import Floats
from watchfloor.distinct import distinct_columns
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State

_AT = Scope.ACCELERATOR
_CLOCKS = {"clock_sm_app": ("application-clock", "compute"), "clock_mem_app": ("application-clock-memory", "memory")}


def check(frame: Frame) -> Iterator[Finding]:
    yield from _persistence(frame)
    for metric, (code, what) in _CLOCKS.items():
        yield from _application_clock(frame, metric, code, what)


def _persistence(frame: Frame) -> Iterator[Finding]:
    """Of boards for data centres, which are known by their error correction: on a desk it may well be off."""
    view = frame.accelerators
    rows = suspects(view, "persistence-off", ("persistence", "ecc_mode"), lambda on, ecc: (on == 0) & (ecc >= 0))
    yield from report(
        frame,
        _AT,
        rows,
        "persistence-off",
        State.WARNING,
        lambda row: (
            f"persistence mode of {named(frame, _AT, row)} is off: its driver is loaded anew for each program; "
            "start nvidia-persistenced"
        ),
        ("persistence", "ecc_mode"),
    )


def _application_clock(frame: Frame, metric: str, code: str, what: str) -> Iterator[Finding]:
    """Boards whose application clock is another than that of most boards of their model and group."""
    view, usual = frame.accelerators, _usual.of(frame, metric)
    clock = view.last(metric)
    warning, critical = (limit("application-clocks", key, Unit.MEGAHERTZ) for key in ("warning", "critical"))
    rows = suspects(view, code, (metric, "model"), lambda clock, _: np.abs(clock - usual) > warning)
    far = np.abs(clock[rows] - usual[rows]) > critical
    for state, chosen in ((State.CRITICAL, rows[far]), (State.WARNING, rows[~far])):
        yield from report(
            frame,
            _AT,
            chosen,
            code,
            state,
            lambda row: (
                f"the {what} clock that programs get on {named(frame, _AT, row)} is {clock[row]:,.0f} MHz, "
                f"on most boards of its model {usual[row]:,.0f} MHz"
            ),
            (*_CLOCKS, "clock_sm_max", "clock_mem_max"),
        )


class _Usual:
    """By row: the clock of most boards of its model and group, NaN where nobody can say. Settings change seldom."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Floats, Floats, Floats, Floats]] = {}

    def of(self, frame: Frame, metric: str) -> Floats:
        boards = frame.accelerators
        told = boards.told(metric).last, boards.told("model").last, frame.nodes.told("group").last
        kept = self._kept.get(metric)
        if kept is None or any(before is not now for before, now in zip(kept, told, strict=False)):
            kept = self._kept[metric] = (*told, _most(frame, *told))
        return kept[3]


_usual = _Usual()


def _most(frame: Frame, clock: Floats, model: Floats, group: Floats) -> Floats:
    usual = np.full(len(clock), np.nan)
    known = np.flatnonzero(~np.isnan(clock) & (model > 0))
    if not known.size:
        return usual
    of_group = np.nan_to_num(group[frame.accelerators.node[known]])
    kinds = np.stack([of_group, model[known]])
    for kind in distinct_columns(kinds).T:
        rows = known[(kinds == kind[:, None]).all(axis=0)]
        values, times = np.unique(clock[rows], return_counts=True)
        agreed = 100 * times.max() >= limit("application-clocks", "share", Unit.PERCENT) * len(rows)
        if agreed and len(rows) >= limit("application-clocks", "boards"):
            usual[rows] = values[times.argmax()]
    return usual
