"""On which nodes a query may hold of something that nobody has told of yet. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from watchfloor.columns import Picture
from watchfloor.frame import Frame
from watchfloor.history import History
from watchfloor.metrics import CATALOGUE, Kind, Metric
from watchfloor.model import Missing, Scope
from watchfloor.query import Query
from watchfloor.query.evaluate import Rows
from watchfloor.roster import Roster
from watchfloor.view import View

_FIELDS = {Scope.ACCELERATOR: "accelerators", Scope.LINK: "links", Scope.SERVICE: "services"}


def may_hold_on(query: Query, frame: Frame, nodes: Sequence[int]) -> list[int]:
    """Those of these nodes of which it isn't known that the query holds of nothing there, however little is known.

    What is asked is a row of which nothing is known but the node around it. Of jobs nothing is said: they are no
    node's.
    """
    if query.scope is Scope.JOB or not nodes:
        return []
    if query.scope is Scope.NODE:
        no = query.condition.false(Rows(frame, Scope.NODE))
        return [node for node in nodes if not no[node]]
    alone = replace(frame, history=History(), **{_FIELDS[query.scope]: _blank(frame, query.scope, nodes)})
    no = query.condition.false(Rows(alone, query.scope))
    return [node for node, never in zip(nodes, no.tolist(), strict=True) if not never]


def _blank(frame: Frame, scope: Scope, nodes: Sequence[int]) -> View:
    """One row on each of these nodes, without a value."""
    count = len(nodes)
    roster = Roster(count, [""] * count, np.array(nodes, np.int32))
    pictures = [_unknown(metric, count) for metric in CATALOGUE[scope].values()]
    unlisted = Picture(np.zeros(count), np.zeros(count, np.int8))
    return View(scope, roster, pictures, unlisted, frame.live, frame.view(scope).texts)


def _unknown(metric: Metric, count: int) -> Picture:
    values = np.full(count, -1, np.int32) if metric.kind is Kind.TEXT else np.full(count, np.nan)
    return Picture(values, np.full(count, Missing.NOT_YET, np.int8))
