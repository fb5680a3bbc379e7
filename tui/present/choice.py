"""What the operator has chosen to see of the fleet: rows, filter, sort, metric of the map, marks. Plain values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from watchfloor.errors import QueryError
from watchfloor.frame import Frame
from watchfloor.model import Scope, Subject
from watchfloor.query import Query, Watch, parse, tree
from watchfloor.query.names import resolve

Mask = NDArray[np.bool_]


class Rows(StrEnum):
    """What a row of the fleet table is."""

    ACCELERATORS = "accelerators"
    NODES = "nodes"


@dataclass(frozen=True, slots=True)
class Sort:
    """A column's name, and its direction; the worst or largest first is descending."""

    column: str
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    rows: Rows = Rows.ACCELERATORS
    sort: Sort = Sort("state")
    metric: str = "util"  # of the heat map
    marks: frozenset[Subject] = frozenset()


@dataclass(frozen=True, slots=True)
class Passed:
    """Which accelerators and which nodes a filter lets through."""

    accelerators: Mask
    nodes: Mask


class Filter:
    """A query of the filter bar, of any scope, answered for accelerators and for nodes."""

    def __init__(self, text: str, first: Scope | None = None) -> None:
        """`first` is asked of where the text makes sense there, before the scope that its names stand for.

        Raises QueryError with the column where the text can't be understood.
        """
        self.text = text
        query = parse_first(text, first)
        self.scope = query.scope
        self._watch = Watch(query)
        self._of_nodes = node_query(query)
        self._mask: Mask = np.empty(0, np.bool_)  # by row of its own scope, of the frame that was answered last
        self._answered: tuple[int, Passed] | None = None

    def passed(self, frame: Frame) -> Passed:
        """The answer for one frame; asked again for the same frame, it is the same object."""
        if self._answered is None or self._answered[0] != frame.number:
            self._answered = frame.number, self._ask(frame)
        return self._answered[1]

    def links(self, frame: Frame) -> Mask:
        """By link: it passes itself, or its node does (the one of its accelerator, where the text is of these)."""
        nodes = self.passed(frame).nodes
        return self._mask if self.scope is Scope.LINK else nodes[frame.links.node]

    def jobs(self, frame: Frame) -> Mask:
        """By job: it passes itself, or one of its accelerators does."""
        boards = self.passed(frame).accelerators
        if self.scope is Scope.JOB:
            return self._mask
        found, owners = np.zeros(len(frame.jobs.rows), np.bool_), frame.jobs.of_rows(Scope.ACCELERATOR, frame)
        found[owners[boards & (owners >= 0)]] = True
        return found

    def _ask(self, frame: Frame) -> Passed:
        self._mask = self._watch.update(frame)
        passed = spread_over(frame, self.scope, self._mask)
        if self._of_nodes is not None:
            passed = Passed(passed.accelerators, passed.nodes | self._of_nodes.mask(frame))
        return passed


def parse_first(text: str, first: Scope | None) -> Query:
    """The query, of scope `first` where it makes sense there. Raises QueryError, that of the scope it stands for."""
    if first is not None:
        with suppress(QueryError):
            return parse(text, first)
    return parse(text)


def node_query(query: Query) -> Query | None:
    """The same question put to nodes, where it is about nothing else (`node ~ l40`, or a bare word): then a node
    without accelerators can pass too. None where it speaks of accelerators or links.
    """
    if query.scope is Scope.NODE or query.lasting:
        return None
    named = [place for word in _words(query.tree) if (place := resolve(word, query.scope))]
    if not isinstance(query.tree, tree.Text) and not (named and all(place.outer for place in named)):
        return None
    try:
        return parse(query.text, Scope.NODE)
    except QueryError:  # its prefix names another scope
        return None


def _words(node: tree.Tree) -> Iterator[str]:
    if isinstance(node, tree.Word):
        yield node.name
    for part in tree.parts(node):
        yield from _words(part)


def spread_over(frame: Frame, scope: Scope, mask: Mask) -> Passed:
    """A mask of one scope as masks of both: a node passes with any accelerator or link of its own that does."""
    node_of = frame.accelerators.node
    if scope is Scope.JOB:
        return _with_jobs(frame, mask)
    if scope is Scope.NODE:
        return Passed(mask[node_of], mask)
    nodes = np.zeros(frame.nodes.count, np.bool_)
    nodes[frame.view(scope).node[mask]] = True
    return Passed(mask if scope is Scope.ACCELERATOR else nodes[node_of], nodes)


def _with_jobs(frame: Frame, mask: Mask) -> Passed:
    """The accelerators of these jobs, and the nodes that they are in."""
    owners = frame.jobs.of_rows(Scope.ACCELERATOR, frame)
    boards = np.zeros(frame.accelerators.count, np.bool_)
    boards[owners >= 0] = mask[owners[owners >= 0]]
    nodes = np.zeros(frame.nodes.count, np.bool_)
    nodes[frame.accelerators.node[boards]] = True
    return Passed(boards, nodes)


def problem_of(text: str) -> QueryError | None:
    """What is wrong with a filter's text, None where nothing is."""
    try:
        Filter(text)
    except QueryError as error:
        return error
    return None


def matches(passed: Passed, rows: Rows) -> tuple[int, int]:
    """How many pass, and of how many."""
    mask: Sequence[bool] | Mask = passed.accelerators if rows is Rows.ACCELERATORS else passed.nodes
    return int(np.count_nonzero(mask)), len(mask)
