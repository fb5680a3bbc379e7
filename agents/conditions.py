"""Whether a query of a playbook's step holds of its target, in a frame. Pure."""

from __future__ import annotations

from contextlib import suppress

from watchfloor.errors import QueryError
from watchfloor.frame import Frame
from watchfloor.model import Scope, Subject
from watchfloor.query import Query, parse


def holds(text: str, frame: Frame, target: Subject) -> bool:
    """Known to be true of the target, or of something on it. Raises QueryError."""
    query = _asked_of(text, target.scope)
    mask = query.mask(frame)
    if query.scope is target.scope:
        row = frame.row(target)
        return row is not None and bool(mask[row])
    if query.scope is Scope.JOB or target.scope is Scope.JOB:
        return False
    node = frame.node_index.get(target.node)
    if node is None:
        return False
    if query.scope is Scope.NODE:
        return bool(mask[node])
    return bool(mask[frame.rows_of(query.scope, node)].any())


def _asked_of(text: str, scope: Scope) -> Query:
    """Of a job itself where jobs know the names: accelerators know many of the same, and nothing lies on a job."""
    if scope is Scope.JOB:
        with suppress(QueryError):
            return parse(text, Scope.JOB)
    return parse(text)
