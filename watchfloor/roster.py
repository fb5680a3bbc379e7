"""Who the rows of one scope are: which node a row belongs to, and by which key its node calls it.

Rows are stable slots: a row, once given to a (node, key), belongs to it as long as the fleet can afford that. Only
where a node has had more subjects than fit, one that is long gone leaves its row to another of the same node. A
`Register` hands them out (one writer); a `Roster` is what readers see of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]

_FIRST_CAPACITY = 64


class Roster:
    """Who the first `count` rows of a scope are. One roster serves until a row is added, or gets another owner."""

    def __init__(self, count: int, keys: Sequence[str], node: Rows) -> None:
        self.count = count
        self.keys = keys  # may be longer than count: rows that a later roster has
        self.node = node  # index of each row's node
        self._rows_by_key: dict[int, dict[str, int]] = {}  # by node, filled as they are asked of

    @cached_property
    def _by_node(self) -> tuple[Rows, NDArray[np.intp]]:
        order = np.argsort(self.node, kind="stable")
        return self.node[order], order

    @property
    def by_node(self) -> NDArray[np.intp]:
        """Every row, node after node, in the order in which their probes name them."""
        return self._by_node[1]

    def rows_of(self, node: int) -> NDArray[np.intp]:
        """Rows of one node, in the order in which its probe names them."""
        nodes, order = self._by_node
        start, stop = np.searchsorted(nodes, np.array([node, node + 1], nodes.dtype))  # else numpy converts all nodes
        return order[start:stop]

    def row(self, node: int, key: str) -> int | None:
        rows = self._rows_by_key.get(node)
        if rows is None:
            rows = self._rows_by_key[node] = {str(self.keys[row]): int(row) for row in self.rows_of(node)}
        return rows.get(key)


class Register:
    """Hands out rows."""

    def __init__(self) -> None:
        self.count = 0
        self.node: Rows = np.empty(0, np.int32)  # by row; longer than count
        self._keys: list[str] = []
        self._rows: dict[int, array[int]] = {}  # by node
        self._roster = Roster(0, self._keys, self.node)

    @property
    def capacity(self) -> int:
        """Rows that there is room for; grows by steps, so that what is kept by row need not grow with each."""
        return len(self.node)

    def keys_of(self, node: int) -> set[str]:
        return {self._keys[row] for row in self.rows_of(node)}

    def rows_of(self, node: int) -> Sequence[int]:
        """Every row that this node ever had, in the order in which its subjects were first named."""
        return self._rows.get(node, ())

    def rows_for(self, node: int, keys: Sequence[str], spare: Sequence[int] = ()) -> Rows:
        """The rows of these subjects. New ones take over `spare` rows of the node first, then get rows of their own."""
        rows = self._rows.setdefault(node, array("i"))
        found = {self._keys[row]: row for row in rows}
        if spare:
            self._keys = list(self._keys)  # earlier rosters keep theirs
        free = iter(spare)
        for key in keys:
            if key in found:
                continue
            found[key] = next(free, -1)
            if found[key] < 0:
                found[key] = self._add(node, key)
                rows.append(found[key])
            self._keys[found[key]] = key
        return np.array([found[key] for key in keys], np.int32)

    def _add(self, node: int, key: str) -> int:
        row = self.count
        if row == self.capacity:
            extra = np.empty(max(_FIRST_CAPACITY, row // 16), np.int32)
            self.node = np.concatenate([self.node, extra])
        self.node[row] = node
        self._keys.append(key)
        self.count += 1
        return row

    def roster(self) -> Roster:
        """The rows that there are; the same object until there are more, or one has another owner."""
        if self._roster.count != self.count or self._roster.keys is not self._keys:
            self._roster = Roster(self.count, self._keys, self.node[: self.count])
        return self._roster
