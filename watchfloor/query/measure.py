"""The units of a query: what a number is measured in, and whether two numbers may meet."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from watchfloor.errors import QueryError
from watchfloor.metrics import Unit
from watchfloor.query import tree
from watchfloor.query.evaluate import Constant, Quantity
from watchfloor.units import UNITS, nearest

PLAIN = ""  # a count, an index, a ratio


@dataclass(frozen=True)
class Measure:
    """A number of the query. `unit` is None for a literal without one (85), which takes that of its neighbour."""

    quantity: Quantity
    unit: str | None
    shown: str


def dimension(unit: Unit) -> str:
    return PLAIN if unit is Unit.COUNT else unit.value


def literal(node: tree.Number) -> Measure:
    """Raises QueryError for a unit that doesn't exist."""
    if not node.unit:
        return Measure(Constant(node.value), None, str(node))
    if node.unit not in UNITS:
        guess = nearest(node.unit, list(UNITS)) or next(
            (name for name in UNITS if name.casefold() == node.unit.casefold()), ""
        )
        advice = f"did you mean {node.lexeme}{guess}?" if guess else "a text that begins with a digit goes into quotes"
        raise QueryError(f"there is no unit {node.unit!r}", advice, column=node.column)
    unit, factor = UNITS[node.unit]
    return Measure(Constant(node.value * factor), None if unit is Unit.NONE else dimension(unit), str(node))


def require_same(left: Measure, right: Measure, column: int) -> None:
    """Raises QueryError, which names both, where one can't be added to or compared with the other."""
    if left.unit is not None and right.unit is not None and left.unit != right.unit:
        message = f"{left.shown} is {_said(left.unit)}, {right.shown} is {_said(right.unit)}"
        raise QueryError(message, "compare what has the same unit", column=column)


def _said(unit: str) -> str:
    return f"in {unit}" if unit else "without a unit"


def combined(sign: str, left: str | None, right: str | None) -> str | None:
    """The unit of a product or a quotient."""
    if left is None and right is None:
        return None
    left, right = left or PLAIN, right or PLAIN
    if sign == "*":
        return f"{left}·{right}" if left and right else left or right
    if left == right:
        return PLAIN
    return f"{left or 1}/{right}" if right else left


def searcher(pattern: str, column: int) -> Callable[[str], bool]:
    """Whether a text holds what the regular expression describes. Raises QueryError where it isn't one."""
    try:
        search = re.compile(pattern).search
    except (re.error, OverflowError, RecursionError) as error:
        at = getattr(error, "pos", None) or 0
        raise QueryError(f"not a regular expression: {error}", column=column + 1 + at) from None
    return lambda text: search(text) is not None
