"""Which checkpoints a job has made, as its lineage tells: what could be gone on from if it ended now. Pure.

OpenLineage knows outputs, and not which of them is a checkpoint: those whose path says so are taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from watchfloor.lineage.graph import Graph, Key, Kind, Relation

_SAYS_SO = re.compile(r"(?i)(?<![a-z])(ckpt|checkpoint)")
_ONWARD = (Relation.TRIED_AS, Relation.LOGGED_AS, Relation.STARTED)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`at`: when it was told to be made, console time."""

    at: float
    name: str


def checkpoints(graph: Graph, job: Key) -> list[Checkpoint]:
    """Those of all attempts and of the runs that these were logged as, the oldest first."""
    made = (edge for key in _runs(graph, job) for edge in graph.effects(key, Relation.MADE))
    found = {edge.effect.id: Checkpoint(edge.start, edge.effect.id) for edge in made if _is_one(edge.effect)}
    return sorted(found.values(), key=lambda one: (one.at, one.name))


def _is_one(made: Key) -> bool:
    return made.kind is Kind.CHECKPOINT or (made.kind is Kind.DATASET and bool(_SAYS_SO.search(made.id)))


def _runs(graph: Graph, job: Key) -> Iterator[Key]:
    """The job, its attempts, and the runs that came of them."""
    known, border = {job}, [job]
    while border:
        here = border.pop()
        yield here
        for edge in graph.effects(here, *_ONWARD):
            if edge.effect not in known:
                known.add(edge.effect)
                border.append(edge.effect)
