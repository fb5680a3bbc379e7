"""Conditions and numbers over the rows of a frame, as numpy arrays.

Three-valued logic: a condition answers twice, with the rows where it is known to be true and the rows where it is
known to be false; a row in neither is unknown. A number that isn't known is NaN, and so is what is reckoned from it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Floats
from watchfloor.frame import Frame
from watchfloor.model import Scope

Mask = NDArray[np.bool_]


class Rows:
    """What an expression is asked of: every row of one scope of a frame, now."""

    def __init__(self, frame: Frame, scope: Scope, memory: Memory | None = None) -> None:
        self.frame = frame
        self.scope = scope
        self.memory = memory
        self.view = frame.view(scope)

    def numbers(self, name: str, outer: bool) -> Floats:
        """Current values of a metric, codes where it is a text; `outer`: of the node around each row."""
        return self.frame.nodes.known(name)[self.view.node] if outer else self.view.known(name)

    def codes(self, column: Column) -> NDArray[np.intp]:
        """Current codes of a text metric, -1 where missing."""
        if column.outer:
            return self.frame.nodes.codes(column.name)[self.view.node]
        return self.view.codes(column.name)

    def increase(self, name: str, seconds: float) -> Floats:
        since = self.frame.at - seconds
        return self.frame.counters.increases(self.scope, name, self.view.count, since)

    def around(self, scope: Scope) -> NDArray[np.integer]:
        """For each row of an inner scope, the row here that it lies within: its node, or its job; -1 for none."""
        inner = self.frame.view(scope)
        if self.scope is not Scope.JOB:
            return inner.node
        return self.frame.jobs.of_rows(scope, self.frame)

    def inner(self, scope: Scope) -> Rows:
        return Rows(self.frame, scope, self.memory)


class Memory(Protocol):
    """What was seen of a lasting condition in earlier frames: watchfloor.query.lasting keeps it."""

    def held(self, condition: Any) -> tuple[Mask, Mask]:
        """Of a lasting condition: rows where it has held throughout, rows where it is known not to have."""
        ...


class Quantity(Protocol):
    def numbers(self, rows: Rows) -> Floats: ...


class Condition(Protocol):
    def true(self, rows: Rows) -> Mask: ...

    def false(self, rows: Rows) -> Mask: ...


# -- numbers


@dataclass(frozen=True, eq=False)
class Constant:
    value: float

    def numbers(self, rows: Rows) -> Floats:
        return np.float64(self.value)  # type: ignore[return-value] # broadcasts


@dataclass(frozen=True, eq=False)
class Column:
    name: str
    outer: bool = False

    def numbers(self, rows: Rows) -> Floats:
        return rows.numbers(self.name, self.outer)


_REALS: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}


@dataclass(frozen=True, eq=False)
class Reckoned:
    """left sign right; what has no finite result (a division by zero) is unknown."""

    sign: str
    left: Quantity
    right: Quantity

    def numbers(self, rows: Rows) -> Floats:
        left, right = self.left.numbers(rows), self.right.numbers(rows)
        with np.errstate(all="ignore"):
            result = _bits(left, right) if self.sign == "&" else _REALS[self.sign](left, right)
            return np.where(np.isfinite(result), result, np.nan)


def _bits(left: Floats, right: Floats) -> Floats:
    known = (np.abs(left) < 2.0**53) & (np.abs(right) < 2.0**53)
    both = np.where(known, left, 0).astype(np.int64) & np.where(known, right, 0).astype(np.int64)
    return np.where(known, both, np.nan)


@dataclass(frozen=True, eq=False)
class Grown:
    """By how much a counter grew within the last `seconds`; unknown where its value is."""

    name: str
    seconds: float

    def numbers(self, rows: Rows) -> Floats:
        return np.where(np.isnan(rows.numbers(self.name, False)), np.nan, rows.increase(self.name, self.seconds))


# -- conditions

_REVERSED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_ORDERS: Mapping[str, Callable[[Floats, Floats], Mask]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}


@dataclass(frozen=True, eq=False)
class Compared:
    """left sign right, where sign is one of < <= > >= ==. NaN makes both answers no."""

    sign: str
    left: Quantity
    right: Quantity

    def true(self, rows: Rows) -> Mask:
        return _full(rows, _ORDERS[self.sign](self.left.numbers(rows), self.right.numbers(rows)))

    def false(self, rows: Rows) -> Mask:
        left, right = self.left.numbers(rows), self.right.numbers(rows)
        if self.sign == "==":
            return _full(rows, (left < right) | (left > right))
        return _full(rows, _ORDERS[_REVERSED[self.sign]](left, right))


def _full(rows: Rows, mask: Mask) -> Mask:
    """A mask over every row, also where it was reckoned from constants alone."""
    return mask if np.ndim(mask) else np.full(rows.view.count, bool(mask))


_UNASKED, _NO, _YES, _MISSING = range(4)


@dataclass(eq=False)
class TextMatches:
    """Where a text metric fits a rule. Each text that a row holds is asked once, however many rows hold it."""

    column: Column
    fits: Callable[[str], bool]
    _texts: Sequence[str] = field(default=(), init=False)
    _answers: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8), init=False)  # by code

    def true(self, rows: Rows) -> Mask:
        return self._ask(rows) == _YES

    def false(self, rows: Rows) -> Mask:
        return self._ask(rows) == _NO

    def _ask(self, rows: Rows) -> NDArray[np.int8]:
        """The answer for each row. The vocabulary only grows, until the fleet replaces it by another."""
        texts, codes = rows.view.texts, rows.codes(self.column)
        if texts is not self._texts:
            self._texts, self._answers = texts, np.empty(0, np.int8)
        count = len(texts)
        if len(self._answers) != count + 1:
            self._answers = np.concatenate([self._answers[:-1], np.zeros(count + 1, np.int8)])[: count + 1]
            self._answers[-1] = _MISSING  # where code -1 finds it
        answers = self._answers[codes]
        new = codes[answers == _UNASKED]
        if new.size:
            held = np.zeros(count, np.bool_)
            held[new] = True
            for code in np.flatnonzero(held).tolist():
                self._answers[code] = _YES if self.fits(texts[code]) else _NO
            answers = self._answers[codes]
        return answers


@dataclass(frozen=True, eq=False)
class Negated:
    item: Condition

    def true(self, rows: Rows) -> Mask:
        return self.item.false(rows)

    def false(self, rows: Rows) -> Mask:
        return self.item.true(rows)


@dataclass(frozen=True, eq=False)
class Both:
    items: tuple[Condition, ...]

    def true(self, rows: Rows) -> Mask:
        return np.logical_and.reduce([item.true(rows) for item in self.items])

    def false(self, rows: Rows) -> Mask:
        return np.logical_or.reduce([item.false(rows) for item in self.items])


@dataclass(frozen=True, eq=False)
class Either:
    items: tuple[Condition, ...]

    def true(self, rows: Rows) -> Mask:
        return np.logical_or.reduce([item.true(rows) for item in self.items])

    def false(self, rows: Rows) -> Mask:
        return np.logical_and.reduce([item.false(rows) for item in self.items])
