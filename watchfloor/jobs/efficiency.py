"""What the accelerators of each job do together: sums, means, extremes by job, in a few passes over all of them. Pure.

A figure of a job is known where that of one of its accelerators is; how many are silent is a figure of its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Floats
from watchfloor.jobs.attribution import Owners
from watchfloor.view import View

IDLE_PERCENT = 5.0

_SUMS = ("mem_used", "mem_total", "power", "link_rx", "link_tx")
_LIFE = ("util", "mem_used", "power")  # who tells none of them is silent; a MIG instance tells its memory alone
_MEANS = {"util": "util", "tensor": "tensor_active"}


class Groups:
    """The accelerators of a frame by the job that they belong to."""

    def __init__(self, owners: Owners, jobs: int) -> None:
        self.rows: NDArray[np.intp] = np.flatnonzero(owners >= 0)
        self.owner = owners[self.rows]
        self.jobs = jobs
        self.counts = np.bincount(self.owner, minlength=jobs)
        order = np.argsort(self.owner, kind="stable")
        self.rows, self.owner = self.rows[order], self.owner[order]
        self.starts = np.flatnonzero(np.diff(self.owner, prepend=-1)) if len(self.owner) else np.empty(0, np.intp)
        self.present: NDArray[np.intp] = self.owner[self.starts].astype(np.intp)  # jobs that have accelerators

    def take(self, view: View, name: str) -> Floats:
        """Current values of these accelerators, NaN where missing."""
        return view.known(name)[self.rows]

    def total(self, values: Floats) -> Floats:
        """By job: the sum of what is known, NaN where nothing is."""
        known = ~np.isnan(values)
        sums = np.bincount(self.owner, np.where(known, values, 0.0), self.jobs)
        return np.where(self.known(values) > 0, sums, np.nan)

    def known(self, values: Floats) -> NDArray[np.intp]:
        return np.bincount(self.owner[~np.isnan(values)], minlength=self.jobs)

    def mean(self, values: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.total(values) / self.known(values)

    def highest(self, values: Floats) -> Floats:
        return self._extreme(np.fmax, values)

    def lowest(self, values: Floats) -> Floats:
        return self._extreme(np.fmin, values)

    def _extreme(self, better: np.ufunc, values: Floats) -> Floats:
        found = np.full(self.jobs, np.nan)
        if len(self.starts):
            found[self.present] = better.reduceat(values, self.starts)
        return found

    def count(self, chosen: NDArray[np.bool_]) -> Floats:
        """By job: how many are chosen; NaN where it has no accelerators."""
        found = np.bincount(self.owner[chosen], minlength=self.jobs).astype(np.float64)
        return np.where(self.counts > 0, found, np.nan)


def figures(view: View, groups: Groups) -> dict[str, Floats]:
    """By metric of a job, for every job: NaN where unknown."""
    found = {name: groups.total(groups.take(view, name)) for name in _SUMS}
    found |= {name: groups.mean(groups.take(view, metric)) for name, metric in _MEANS.items()}
    util = groups.take(view, "util")
    highest, found["util_min"] = groups.highest(util), groups.lowest(util)
    found["spread"] = highest - found["util_min"]
    found["temp"] = groups.highest(groups.take(view, "temp"))
    found["idle"] = np.where(groups.known(util) > 0, groups.count(util < IDLE_PERCENT), np.nan)
    unknown = [np.isnan(groups.take(view, name)) for name in _LIFE]
    found["silent"] = groups.count(np.logical_and.reduce(unknown))
    with np.errstate(invalid="ignore", divide="ignore"):
        found["mem"] = 100 * found["mem_used"] / found["mem_total"]
    return found
