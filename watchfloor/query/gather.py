"""What a node gathers from within it: aggregates over its accelerators, links or services."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Floats
from watchfloor.model import Scope
from watchfloor.query.evaluate import Condition, Mask, Quantity, Rows


@dataclass(frozen=True, eq=False)
class Gathered:
    """max, min, mean or sum over a node's accelerators, links or services, of those whose value is known."""

    function: str
    scope: Scope
    item: Quantity

    def numbers(self, rows: Rows) -> Floats:
        inner, nodes = rows.inner(self.scope), rows.view.count
        values = np.broadcast_to(self.item.numbers(inner), inner.view.count)
        known = ~np.isnan(values)
        node, values = inner.view.node[known], values[known]
        counts = np.bincount(node, minlength=nodes)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(counts > 0, _gather(self.function, node, values, counts), np.nan)


def _gather(function: str, node: NDArray[np.int32], values: Floats, counts: NDArray[np.intp]) -> Floats:
    if function in ("sum", "mean"):
        sums = np.bincount(node, values, len(counts)).astype(np.float64)  # of integers where nothing was given
        return sums if function == "sum" else sums / counts
    found = np.full(len(counts), -np.inf if function == "max" else np.inf)
    (np.maximum if function == "max" else np.minimum).at(found, node, values)
    return found


@dataclass(frozen=True, eq=False)
class Counted:
    """How many of a node's accelerators, links or services are known to match; unknown where nothing is known."""

    scope: Scope
    item: Condition

    def numbers(self, rows: Rows) -> Floats:
        inner, nodes = rows.inner(self.scope), rows.view.count
        true, false = self.item.true(inner), self.item.false(inner)
        matching = np.bincount(inner.view.node[true], minlength=nodes).astype(np.float64)
        known = np.bincount(inner.view.node[true | false], minlength=nodes) > 0
        return np.where(known | _childless(rows, inner), matching, np.nan)


@dataclass(frozen=True, eq=False)
class AnyOf:
    """One of a node's accelerators, links or services matches."""

    scope: Scope
    item: Condition

    def true(self, rows: Rows) -> Mask:
        inner = rows.inner(self.scope)
        return np.bincount(inner.view.node[self.item.true(inner)], minlength=rows.view.count) > 0

    def false(self, rows: Rows) -> Mask:
        inner = rows.inner(self.scope)
        open_ = np.bincount(inner.view.node[~self.item.false(inner)], minlength=rows.view.count) > 0
        has_some = np.bincount(inner.view.node, minlength=rows.view.count) > 0
        return ~open_ & (has_some | _childless(rows, inner))


@dataclass(frozen=True, eq=False)
class AllOf:
    """All of a node's accelerators, links or services match; unknown where it has none."""

    scope: Scope
    item: Condition

    def true(self, rows: Rows) -> Mask:
        inner = rows.inner(self.scope)
        open_ = np.bincount(inner.view.node[~self.item.true(inner)], minlength=rows.view.count) > 0
        return ~open_ & (np.bincount(inner.view.node, minlength=rows.view.count) > 0)

    def false(self, rows: Rows) -> Mask:
        inner = rows.inner(self.scope)
        return np.bincount(inner.view.node[self.item.false(inner)], minlength=rows.view.count) > 0


def _childless(rows: Rows, inner: Rows) -> Mask:
    """Nodes that report, and have none of these: there 0 is known rather than unknown."""
    return (np.bincount(inner.view.node, minlength=rows.view.count) == 0) & rows.frame.live
