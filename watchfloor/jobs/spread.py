"""The accelerators of one job beside one another: how far apart they are, who is lowest and highest, who lags. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from watchfloor.frame import Frame
from watchfloor.jobs.view import JOB_STRAGGLER, STRAGGLER
from watchfloor.model import Finding, Scope

COMPARED = ("util", "clock_sm", "temp", "power", "mem_used", "link_rx", "exec_latency")


@dataclass(frozen=True, slots=True)
class Spread:
    """One metric over the accelerators of which it is known, two or more; rows are those of accelerators."""

    metric: str
    lowest: float
    median: float
    highest: float
    lowest_on: int
    highest_on: int

    @property
    def ends(self) -> Mapping[str, int]:
        return {"lowest": self.lowest_on, "highest": self.highest_on}


def spreads(frame: Frame, job: int) -> list[Spread]:
    rows = frame.jobs.accelerators_of(job)
    found: list[Spread] = []
    for metric in COMPARED if len(rows) > 1 else ():
        values = frame.accelerators.known(metric)[rows]
        order = np.argsort(values, kind="stable")[: np.count_nonzero(~np.isnan(values))]  # NaN comes last
        if len(order) > 1:
            low, mid, high = (float(values[order[at]]) for at in (0, len(order) // 2, -1))
            found.append(Spread(metric, low, mid, high, int(rows[order[0]]), int(rows[order[-1]])))
    return found


def lagging(frame: Frame) -> dict[int, list[Finding]]:
    """By job: what checks found of its stragglers, accelerators and nodes that it runs on."""
    found: dict[int, list[Finding]] = {}
    for finding in frame.findings:
        row = frame.row(finding.subject) if finding.code in (STRAGGLER, JOB_STRAGGLER) else None
        if row is None:
            continue
        boards = [row] if finding.subject.scope is Scope.ACCELERATOR else frame.rows_of(Scope.ACCELERATOR, row).tolist()
        for job in sorted({frame.jobs.owner_of(board) for board in boards} - {-1}):
            found.setdefault(job, []).append(finding)
    return found
