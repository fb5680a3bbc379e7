"""The lineage of one thing as text and as JSON-ready data: the answer, the tree, and the graph behind it."""

from __future__ import annotations

from watchfloor.lineage.answer import answer
from watchfloor.lineage.graph import Edge, Entity, Graph, Key
from watchfloor.lineage.times import Times
from watchfloor.lineage.tree import Branch, lines, tree

FORMAT = "watchfloor.lineage/1"

Json = dict[str, object]


class LineageReport:
    """`graph` has `root` in it."""

    def __init__(self, graph: Graph, root: Key, times: Times) -> None:
        self._graph = graph
        self._root = root
        self._answer = answer(graph, root, times)
        self._tree = tree(graph, root, times)

    def text(self) -> str:
        cut = ("… and more than can be shown at once: a shorter --since shows all of it",) if self._graph.cut else ()
        return "\n".join((self._answer, "", *lines(self._tree), *cut))

    def document(self) -> Json:
        """Times in seconds since the epoch; an `end` of null is open."""
        return {
            "format": FORMAT,
            "root": _key(self._root),
            "answer": self._answer,
            "tree": _branch(self._tree),
            "entities": [_entity(self._graph.entities[key]) for key in sorted(self._graph.entities)],
            "edges": [_edge(edge) for edge in sorted(self._graph.edges, key=lambda edge: (edge.start, edge.key))],
            "cut": self._graph.cut,
        }


def _key(key: Key) -> Json:
    return {"kind": key.kind.value, "id": key.id}


def _branch(branch: Branch) -> Json:
    return {"of": _key(branch.key), "at": branch.at, "text": branch.text, "children": [*map(_branch, branch.children)]}


def _entity(entity: Entity) -> Json:
    said = {"label": entity.label or None, "start": entity.start, "end": entity.end, "last_told": entity.seen}
    return {**_key(entity.key), **said, "facts": dict(entity.facts)}


def _edge(edge: Edge) -> Json:
    ends = {"cause": _key(edge.cause), "relation": edge.relation.value, "effect": _key(edge.effect)}
    return {**ends, "start": edge.start, "end": edge.end, "facts": dict(edge.facts)}
