"""What the columns of one kind of rows say of one another: their moves, foretold from what is known before. Pure.

Boards that work draw power, get warm and talk to others at once, and those of one node work alike. A *forecast* says
of each column which of these it moves with, and how much: moves of columns that are told before it, where each column
stood and how far that was from where it mostly stands, its last move, and what the first row of the node does.

It is told in the file. Whoever reads reckons the same to the last bit, with multiplications and additions of IEEE
numbers in one order and nothing else: no product of matrices, which every machine sums up in an order of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_SLOWLY = 0.125  # of the way to where a column stands now goes where it mostly stands
_MOST = 1e30  # beyond it is nothing that was ever fitted


class Kind(IntEnum):
    """What a move may go with, of any column."""

    MOVE = 0  # its move at this moment
    STOOD = 1  # its value at the moment before
    AWAY = 2  # how far that was from where it mostly stands
    BEFORE = 3  # its move at the moment before
    FIRST = 4  # the move of the first row of the node


class Term(msgspec.Struct, frozen=True, array_like=True):
    """So much of what one column, by its place in the forecast, shows."""

    kind: Kind
    column: int
    share: float


class Rule(msgspec.Struct, frozen=True, array_like=True):
    """How a column moves: always so much, and the terms."""

    always: float = 0.0
    terms: list[Term] = []

    def is_sound(self, columns: int) -> bool:
        numbers = [self.always, *(term.share for term in self.terms)]
        return all(abs(number) < _MOST for number in numbers) and all(0 <= term.column < columns for term in self.terms)


class Forecast(msgspec.Struct, frozen=True, array_like=True):
    """`rules`: by part of the rows (see Parts), by column, in the order in which columns are told."""

    columns: list[str]
    rules: list[list[Rule]]

    def __post_init__(self) -> None:
        count = len(self.columns)
        if len(self.rules) != 2 or any(len(part) != count for part in self.rules):
            raise ValueError("a forecast of other columns")
        if not all(rule.is_sound(count) for part in self.rules for rule in part):
            raise ValueError("a forecast that nobody made")


@dataclass(frozen=True, slots=True)
class Parts:
    """Rows in two parts: the first one of each node, then all others, of which each has a first one."""

    order: Rows  # those of the first part, those of the second
    of_order: tuple[slice, slice]
    first_of: Rows  # by row of the second part: the place of its first one

    @classmethod
    def of(cls, node: NDArray[np.int32] | None, count: int) -> Parts:
        """`node`: by row; None where rows belong to nothing."""
        if node is None or len(node) != count:
            return cls(np.arange(count), (slice(0, count), slice(count, count)), np.empty(0, np.intp))
        _, firsts, node_of = np.unique(node, return_index=True, return_inverse=True)
        others = np.flatnonzero(firsts[node_of] != np.arange(count))
        at = len(firsts)
        return cls(np.concatenate([firsts, others]), (slice(0, at), slice(at, count)), node_of[others])

    def ordered(self, values: NDArray) -> NDArray:
        return values[self.order]

    def by_row(self, values: NDArray) -> NDArray:
        """What `ordered` was given."""
        found = np.empty_like(values)
        found[self.order] = values
        return found


class Memory:
    """What is remembered of columns, by name, from moment to moment: the same for who writes and who reads.

    Values are in the order of Parts, here and in a Scene.
    """

    def __init__(self) -> None:
        self._mostly: dict[str, Floats] = {}
        self._told: Mapping[str, tuple[Floats, Floats]] = {}

    def take(self, told: Mapping[str, tuple[Floats, Floats]]) -> None:
        """The columns that were told at this moment: their values before, and now."""
        for name, (before, now) in told.items():
            stood = self._mostly.get(name)
            if stood is None or len(stood) != len(before):
                stood = self._mostly[name] = before.copy()
            step = now - stood
            step *= _SLOWLY
            stood += step
        self._told = told

    def clear(self) -> None:
        self._mostly, self._told = {}, {}

    def of(self, kind: Kind, name: str, before: Floats) -> Floats | None:
        """What a column shows that had these values at the moment before; None where nothing is known of its rows."""
        if kind is Kind.AWAY:
            stood = self._mostly.get(name)
            return None if stood is None or len(stood) != len(before) else before - stood
        was, now = self._told.get(name, (before, None))
        return None if now is None or len(now) != len(before) else now - was


class Scene:
    """What is known of one part of the rows while its columns are told one after the other."""

    def __init__(self, memory: Memory, before: Mapping[str, Floats], rows: slice, first_of: Rows, firsts: Scene | None):
        """`before`: columns at the moment before, of all rows. `firsts`: of the first rows, all of them told."""
        self._memory, self._before, self._rows = memory, before, rows
        self._first_of, self._firsts = first_of, firsts
        self._shown: dict[tuple[Kind, str], Floats | None] = {}

    def moved(self, name: str, move: Floats) -> None:
        """This column is told now."""
        self._shown[Kind.MOVE, name] = move

    def shows(self, kind: Kind, name: str) -> Floats | None:
        """None where nothing is known."""
        key = kind, name
        if key not in self._shown:
            self._shown[key] = self._look(kind, name)
        return self._shown[key]

    def foretold(self, rule: Rule, names: Sequence[str]) -> Floats:
        """The moves of a column."""
        found = np.full(self._rows.stop - self._rows.start, rule.always)
        for term in rule.terms:
            shown = self.shows(term.kind, names[term.column])
            if shown is not None:
                found += shown * term.share
        return found

    def _look(self, kind: Kind, name: str) -> Floats | None:
        if kind is Kind.FIRST:
            of_first = self._firsts.shows(Kind.MOVE, name) if self._firsts else None
            return None if of_first is None else of_first[self._first_of]
        before = self._before.get(name)
        if before is None or kind is Kind.MOVE:
            return None
        known = before if kind is Kind.STOOD else self._memory.of(kind, name, before)
        return None if known is None else known[self._rows]
