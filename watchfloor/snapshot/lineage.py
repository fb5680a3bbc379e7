"""The lineage of one thing as text and as JSON-ready data: the answer, the tree, and the graph behind it."""

from __future__ import annotations

from watchfloor.lineage.answer import answer
from watchfloor.lineage.branch import Branch, folded, lines
from watchfloor.lineage.graph import Edge, Entity, Graph, Key
from watchfloor.lineage.times import Times
from watchfloor.lineage.tree import tree

FORMAT = "watchfloor.lineage/1"

Json = dict[str, object]


class LineageReport:
    """`graph` has `root` in it. `lacking`: why plans, approvals and runs may not be told, "" where they are. `folded`
    is the tree as people read it, where what says the same of several things is one line."""

    def __init__(self, graph: Graph, root: Key, times: Times, lacking: str = "") -> None:
        self.graph, self.root, self.times, self.lacking = graph, root, times, lacking
        self.answer = answer(graph, root, times)
        self.tree = tree(graph, root, times)
        self.folded = folded(self.tree, times)

    def text(self) -> str:
        cut = ("… and more than can be shown at once: a shorter --since shows all of it",) if self.graph.cut else ()
        return "\n".join((self.answer, "", *lines(self.folded), *cut))

    def document(self) -> Json:
        """Times in seconds since the epoch; an `end` of null is open."""
        return {
            "format": FORMAT,
            "root": _key(self.root),
            "answer": self.answer,
            "tree": _branch(self.tree),
            "entities": [_entity(self.graph.entities[key]) for key in sorted(self.graph.entities)],
            "edges": [_edge(edge) for edge in sorted(self.graph.edges, key=lambda edge: (edge.start, edge.key))],
            "cut": self.graph.cut,
            "lacking": self.lacking or None,
        }


def _key(key: Key) -> Json:
    return {"kind": key.kind.value, "id": key.id}


def _branch(branch: Branch) -> Json:
    span = {"at": branch.at, "until": branch.until, "state": branch.state or None}
    return {"of": _key(branch.key), **span, "text": branch.text, "children": [*map(_branch, branch.children)]}


def _entity(entity: Entity) -> Json:
    said = {"label": entity.label or None, "start": entity.start, "end": entity.end, "last_told": entity.seen}
    return {**_key(entity.key), **said, "facts": dict(entity.facts)}


def _edge(edge: Edge) -> Json:
    ends = {"cause": _key(edge.cause), "relation": edge.relation.value, "effect": _key(edge.effect)}
    return {**ends, "start": edge.start, "end": edge.end, "facts": dict(edge.facts)}
