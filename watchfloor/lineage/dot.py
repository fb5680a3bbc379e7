"""Lineage as a graph in Graphviz' DOT language (https://graphviz.org/doc/info/lang.html). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from watchfloor.lineage.graph import Edge, Entity, Graph, Kind
from watchfloor.lineage.times import Times
from watchfloor.lineage.words import Words

_SHAPES = {
    Kind.JOB: "box",
    Kind.ATTEMPT: "box",
    Kind.NODE: "box3d",
    Kind.ACCELERATOR: "component",
    Kind.LINK: "component",
    Kind.FINDING: "octagon",
    Kind.PLAN: "note",
    Kind.RUN: "cds",
    Kind.STEP: "cds",
    Kind.DATASET: "cylinder",
    Kind.CHECKPOINT: "cylinder",
    Kind.IMAGE: "folder",
    Kind.COMMIT: "note",
    Kind.USER: "ellipse",
}
_LONGEST = 80  # characters of a label's line


def dot(graph: Graph, times: Times) -> str:
    """One digraph, in an order that doesn't change."""
    words = Words(graph, times)
    known = [graph.entities[key] for key in sorted(graph.entities) if key.kind is not Kind.EPISODE]
    names = {entity.key: f"n{number}" for number, entity in enumerate(known)}
    nodes = (f"  {names[entity.key]} [{_attributes(_label(words, entity), entity)}];" for entity in known)
    edges = (
        f"  {names[edge.cause]} -> {names[edge.effect]} [label={quoted(_when(edge, times))}];"
        for edge in sorted(graph.edges, key=lambda edge: (edge.start, edge.key))
    )
    return "\n".join(_lines(nodes, edges)) + "\n"


def _lines(nodes: Iterator[str], edges: Iterator[str]) -> Iterator[str]:
    yield "digraph lineage {"
    yield "  rankdir=LR;"
    yield '  node [fontname="sans-serif", fontsize=10];'
    yield '  edge [fontname="sans-serif", fontsize=8];'
    yield from nodes
    yield from edges
    yield "}"


def _attributes(label: str, entity: Entity) -> str:
    return f"shape={_SHAPES.get(entity.key.kind, 'box')}, label={quoted(label)}, tooltip={quoted(entity.key.id)}"


def _label(words: Words, entity: Entity) -> str:
    if entity.key.kind is Kind.JOB:
        return _short(words.job(entity))
    if entity.key.kind is Kind.ATTEMPT:
        return _short(words.attempt(entity))
    if entity.key.kind is Kind.FINDING and entity.facts.get("text"):
        return f"{_short(words.thing(entity))}\n{_short(entity.facts['text'])}"
    return _short(words.thing(entity))


def _when(edge: Edge, times: Times) -> str:
    return f"{edge.relation.value}\n{times.at(edge.start)}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def quoted(text: str) -> str:
    """A string of DOT: a backslash would begin one of its own escapes (\\N, \\G), a line break ends the line."""
    shown = "".join(char if char.isprintable() or char == "\n" else " " for char in text)
    escaped = shown.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
