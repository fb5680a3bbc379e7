"""Which rows of a frame are shown: all of them, or those that a query is known to be true for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from watchfloor.errors import QueryError
from watchfloor.frame import Frame
from watchfloor.model import NODE_SCOPES, NodeStatus, Phase, Scope

Mask = NDArray[np.bool_]


class Query(Protocol):
    """What is needed of watchfloor.query.Query."""

    @property
    def text(self) -> str: ...

    @property
    def scope(self) -> Scope: ...

    def mask(self, frame: Frame) -> Mask: ...


@dataclass(frozen=True)
class Selection:
    """`rows[scope]` says of every row of that scope whether it is shown; `scope` is what the query is about."""

    frame: Frame
    rows: Mapping[Scope, Mask]
    scope: Scope
    query: Query | None = None

    def indices(self, scope: Scope) -> list[int]:
        """Rows shown, those of one node together, in the order of the inventory."""
        node = self.frame.view(scope).node
        shown = np.flatnonzero(self.rows[scope])
        return shown[np.argsort(node[shown], kind="stable")].tolist()


def select(frame: Frame, query: Query | None = None) -> Selection:
    """Everything without a query. With one: its matches and, for a query about nodes, what the nodes consist of."""
    everything = {scope: np.ones(frame.view(scope).count, np.bool_) for scope in NODE_SCOPES}
    if query is None:
        scope = Scope.ACCELERATOR if frame.accelerators.count else Scope.NODE
        return Selection(frame, everything, scope)
    mask = query.mask(frame)
    if query.scope is Scope.JOB:
        raise QueryError("this is asked of jobs", "`watchfloor jobs --where` lists them", query=query.text, column=1)
    if query.scope is Scope.NODE:
        rows = {scope: mask[frame.view(scope).node] for scope in NODE_SCOPES}
    else:
        nodes = np.zeros(frame.nodes.count, np.bool_)
        nodes[frame.view(query.scope).node[mask]] = True
        rows = {scope: np.zeros(frame.view(scope).count, np.bool_) for scope in NODE_SCOPES}
        rows |= {Scope.NODE: nodes, query.scope: mask}
    return Selection(frame, rows, query.scope, query)


def failed_nodes(frame: Frame) -> list[tuple[int, NodeStatus]]:
    """Nodes without a live conversation: index and what the console knows of it."""
    return [(node, status) for node, status in enumerate(frame.statuses) if not is_read(frame, node)]


def unread(frame: Frame) -> list[str]:
    """A line for each of these nodes: why, and what to do."""
    return [f"{name}: not read: {why}" for name, why in reasons_not_read(frame).items()]


def reasons_not_read(frame: Frame) -> dict[str, str]:
    """By name of each of these nodes: why, and what to do."""
    found = {}
    for node, status in failed_nodes(frame):
        advice = status.advice or ("" if status.text else "--timeout waits longer")
        found[frame.specs[node].name] = why_not_read(status) + (f" ({advice})" if advice else "")
    return found


def why_not_read(status: NodeStatus) -> str:
    """Of a node that is not read, in words, whether or not anything went wrong with it."""
    if status.text or status.problem.value:
        return status.text or status.problem.value
    stands = "connected, and without a report" if status.phase is Phase.LIVE else f"still {status.phase.value}"
    return f"{stands} when the time was over"


def is_read(frame: Frame, node: int) -> bool:
    """The node's values are current, and its loop is live."""
    return bool(frame.live[node]) and frame.statuses[node].phase is Phase.LIVE
