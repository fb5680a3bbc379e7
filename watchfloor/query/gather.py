"""What a node or a job gathers from within it: aggregates over its accelerators, links or services."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Floats
from watchfloor.model import Scope
from watchfloor.query.evaluate import Condition, Mask, Quantity, Rows


@dataclass(frozen=True, eq=False)
class Gathered:
    """max, min, mean or sum over the accelerators, links or services within, of those whose value is known."""

    function: str
    scope: Scope
    item: Quantity

    def numbers(self, rows: Rows) -> Floats:
        inner, around = rows.inner(self.scope), rows.around(self.scope)
        values = np.broadcast_to(self.item.numbers(inner), inner.view.count)
        known = ~np.isnan(values) & (around >= 0)
        node, values = around[known], values[known]
        counts = np.bincount(node, minlength=rows.view.count)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(counts > 0, _gather(self.function, node, values, counts), np.nan)


def _gather(function: str, node: NDArray[np.integer], values: Floats, counts: NDArray[np.intp]) -> Floats:
    if function in ("sum", "mean"):
        sums = np.bincount(node, values, len(counts)).astype(np.float64)  # of integers where nothing was given
        return sums if function == "sum" else sums / counts
    found = np.full(len(counts), -np.inf if function == "max" else np.inf)
    (np.maximum if function == "max" else np.minimum).at(found, node, values)
    return found


@dataclass(frozen=True, eq=False)
class Counted:
    """How many of the accelerators, links or services within are known to match; unknown where nothing is known."""

    scope: Scope
    item: Condition

    def numbers(self, rows: Rows) -> Floats:
        inner = rows.inner(self.scope)
        true, false = self.item.true(inner), self.item.false(inner)
        matching = _counts(rows, self.scope, true).astype(np.float64)
        known = _counts(rows, self.scope, true | false) > 0
        return np.where(known | _childless(rows, self.scope), matching, np.nan)


@dataclass(frozen=True, eq=False)
class AnyOf:
    """One of the accelerators, links or services within matches."""

    scope: Scope
    item: Condition

    def true(self, rows: Rows) -> Mask:
        return _counts(rows, self.scope, self.item.true(rows.inner(self.scope))) > 0

    def false(self, rows: Rows) -> Mask:
        open_ = _counts(rows, self.scope, ~self.item.false(rows.inner(self.scope))) > 0
        return ~open_ & ((_counts(rows, self.scope) > 0) | _childless(rows, self.scope))


@dataclass(frozen=True, eq=False)
class AllOf:
    """All of the accelerators, links or services within match; unknown where there are none."""

    scope: Scope
    item: Condition

    def true(self, rows: Rows) -> Mask:
        open_ = _counts(rows, self.scope, ~self.item.true(rows.inner(self.scope))) > 0
        return ~open_ & (_counts(rows, self.scope) > 0)

    def false(self, rows: Rows) -> Mask:
        return _counts(rows, self.scope, self.item.false(rows.inner(self.scope))) > 0


def _counts(rows: Rows, scope: Scope, chosen: Mask | None = None) -> NDArray[np.intp]:
    """Of each row, how many of the inner ones are its own, of those `chosen`."""
    around = rows.around(scope)
    mine = around >= 0 if chosen is None else chosen & (around >= 0)
    return np.bincount(around[mine], minlength=rows.view.count)


def _childless(rows: Rows, scope: Scope) -> Mask:
    """Nodes that report, and jobs that hold, none of these: there 0 is known rather than unknown."""
    none = _counts(rows, scope) == 0
    return none & rows.frame.live if rows.scope is Scope.NODE else none
