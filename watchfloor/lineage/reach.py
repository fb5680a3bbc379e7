"""The part of lineage that concerns one thing: how far to go from it, and where to stop. Pure: edges are asked for.

From a job the way leads to its attempts and on to what was found during them; it ends at nodes, users and images, which
have to do with everybody. From a node it leads to its parts, and to the attempts that ran there. What was done about it
is told from what led to it or from what it was done to; what else was done by the same run is another story.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from watchfloor.lineage.graph import Edge, EdgeKey, Key, Kind, Relation

MOST_EDGES = 20_000

# what leads on; the other kinds have to do with everybody
_LEADING = frozenset(
    {
        Kind.JOB,
        Kind.ATTEMPT,
        Kind.FINDING,
        Kind.PLAN,
        Kind.RUN,
        Kind.TRACKED_RUN,
    }
)
_DONE_ABOUT_IT = frozenset({Relation.LED_TO, Relation.PLANNED_FOR, Relation.ACTED_ON})
_PARTS = frozenset({Kind.ACCELERATOR, Kind.LINK, Kind.SERVICE})
WHOLE_JOBS = frozenset({Kind.JOB, Kind.ATTEMPT, Kind.USER})  # from these a job is told with all its attempts


@dataclass(frozen=True, slots=True)
class Asked:
    """What concerns `root` between two times (None: without bound), with so many edges at most."""

    root: Key
    since: float | None = None
    until: float | None = None
    most: int = MOST_EDGES


def reach(asked: Asked, edges_of: Callable[[Sequence[Key]], Iterable[Edge]]) -> tuple[list[Edge], bool]:
    """The edges, and whether there are more than `asked.most`. `edges_of` gives those from and to any of some keys."""
    found: dict[EdgeKey, Edge] = {}
    known, border = {asked.root}, [asked.root]
    while border:
        here, border = frozenset(border), []
        for edge in edges_of(sorted(here)):
            kept = [(key, other) for key, other in _directions(edge) if key in here and _keeps(asked.root, key, edge)]
            if not kept:
                continue
            if edge.key not in found and len(found) >= asked.most:
                return list(found.values()), True
            found[edge.key] = edge
            for _, other in kept:
                if other not in known and _leads_on(asked.root, other, edge):
                    known.add(other)
                    border.append(other)
    return list(found.values()), False


def _directions(edge: Edge) -> tuple[tuple[Key, Key], tuple[Key, Key]]:
    return (edge.cause, edge.effect), (edge.effect, edge.cause)


def _keeps(root: Key, here: Key, edge: Edge) -> bool:
    """Whether an edge is followed from `here`."""
    if here == root:
        return True
    if here.kind is Kind.FINDING and edge.relation is Relation.DURING:
        return False  # what else it has hit is another story
    if here.kind is Kind.JOB and root.kind not in WHOLE_JOBS:
        return edge.relation is Relation.SUBMITTED
    return True


def _leads_on(root: Key, other: Key, edge: Edge) -> bool:
    if edge.relation is Relation.WAITED_FOR:
        return False
    if edge.relation in _DONE_ABOUT_IT:
        return other.kind in (Kind.PLAN, Kind.RUN)
    if edge.relation is Relation.REQUEUED_AS and root.kind not in WHOLE_JOBS:
        return False
    if other.kind in _PARTS:
        return root.kind is Kind.NODE and edge.cause == root
    return other.kind in _LEADING
