"""Tree -> condition: names become columns, units are checked, and what makes no sense is refused with its column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from watchfloor.counters import COUNTERS
from watchfloor.errors import QueryError
from watchfloor.metrics import Kind, Unit
from watchfloor.model import Scope, State
from watchfloor.query import tree
from watchfloor.query.evaluate import (
    Both,
    Column,
    Compared,
    Condition,
    Constant,
    Either,
    Grown,
    Negated,
    Reckoned,
    TextMatches,
)
from watchfloor.query.gather import AllOf, AnyOf, Counted, Gathered
from watchfloor.query.lasting import Lasts
from watchfloor.query.measure import Measure, combined, dimension, literal, require_same, searcher
from watchfloor.query.names import (
    CONDITION_AGGREGATES,
    FUNCTIONS,
    GATHERING,
    NUMBER_AGGREGATES,
    Place,
    resolve,
    unknown,
)
from watchfloor.units import UNITS, nearest

SEARCHED: dict[Scope, tuple[str, ...]] = {
    Scope.ACCELERATOR: ("name", "node", "model", "job", "user"),
    Scope.NODE: ("name", "hostname", "site", "rack", "group", "problem"),
    Scope.LINK: ("name", "node", "kind", "peer"),
    Scope.SERVICE: ("name", "node", "kind", "model"),
    Scope.JOB: ("name", "id", "title", "user", "account", "queue", "where"),
}
# what people mean by one word: a job's name is its number, and the one that its owner gave it
_ALSO: dict[tuple[Scope, str], str] = {(Scope.JOB, "name"): "title"}
STATES = {state.label: state for state in State}
FLAGS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}
_ORDERS = "compare it with < <= > >= == !="
_INNER = (Scope.ACCELERATOR, Scope.LINK, Scope.SERVICE)


_Made = TypeVar("_Made")


class Binder:
    """Makes conditions over the rows of one scope. `lasts` gathers the lasting conditions that it meets."""

    def __init__(self, scope: Scope, lasts: list[Lasts], columns: list[Column] | None = None) -> None:
        self.scope = scope
        self._lasts = lasts
        self._columns = columns  # within a `for`: the metrics that it names

    # -- conditions

    def condition(self, node: tree.Tree) -> Condition:  # noqa: PLR0911 - one case, one return
        """Raises QueryError where it isn't one."""
        match node:
            case tree.And(items=items):
                return Both(tuple(map(self.condition, items)))
            case tree.Or(items=items):
                return Either(tuple(map(self.condition, items)))
            case tree.Not(item=item):
                return Negated(self.condition(item))
            case tree.Lasting():
                return self._lasting(node)
            case tree.Compare():
                return self._compare(node)
            case tree.Within(item=item, choices=choices):
                same = (tree.Compare("==", item, choice, column=choice.column) for choice in choices)
                return Either(tuple(map(self._compare, same)))
            case tree.Call(name="any" | "all"):
                return self._quantified(node)
            case tree.Word():
                return self._flag(node)
            case tree.Text(text=text):
                return self.search(text)
            case _:
                raise QueryError(f"{node} is no condition", "compare it, as in util < 5", column=node.column)

    def search(self, text: str) -> Condition:
        """Rows with this text, in whatever case, in one of the names that a person would search by."""
        wanted = text.casefold()
        columns = [self._column(place) for place in map(self._known, SEARCHED[self.scope])]
        return Either(tuple(TextMatches(column, lambda value: wanted in value.casefold()) for column in columns))

    def _known(self, word: str) -> Place:
        place = resolve(word, self.scope)
        if place is None:
            raise KeyError(word)
        return place

    def _column(self, place: Place) -> Column:
        column = Column(place.metric.name, place.outer)
        if self._columns is not None:
            self._columns.append(column)
        return column

    def _place(self, word: tree.Word) -> Place:
        place = resolve(word.name, self.scope)
        if place is None:
            raise unknown(word.name, self.scope, word.column)
        return place

    def _flag(self, word: tree.Word) -> Condition:
        place = self._place(word)
        if place.metric.kind is not Kind.FLAG:
            raise QueryError(f"{word} is no condition by itself", f"compare it, as in {word} == …", column=word.column)
        return Compared("==", self._column(place), Constant(1.0))

    def _lasting(self, node: tree.Lasting) -> Condition:
        if self._columns is not None:
            raise QueryError("a for within a for", "one is enough", column=node.column)
        if self.scope is Scope.JOB:
            advice = "ask it of accelerators, with job != none"
            raise QueryError("no history is kept of jobs: no for", advice, column=node.column)
        seconds = self._seconds(node.duration)
        columns: list[Column] = []
        item = Binder(self.scope, self._lasts, columns).condition(node.item)
        made = Lasts(item, seconds, self.scope, None if _calls(node.item) else tuple(columns))
        self._lasts.append(made)
        return made

    def _seconds(self, node: tree.Tree) -> float:
        unit, factor = UNITS.get(node.unit, (None, 0.0)) if isinstance(node, tree.Number) else (None, 0.0)
        if not isinstance(node, tree.Number) or unit is not Unit.SECONDS:
            raise QueryError(f"{node} is no time", "write one such as 30s, 2m, 1h", column=node.column)
        return node.value * factor

    def _quantified(self, node: tree.Call) -> Condition:
        scope, item = self._gathered(node, lambda inner, argument: inner.condition(argument))
        return AnyOf(scope, item) if node.name == "any" else AllOf(scope, item)

    # -- comparisons

    def _compare(self, node: tree.Compare) -> Condition:
        if node.sign in ("!=", "!~"):
            sign = "==" if node.sign == "!=" else "~"
            return Negated(self._compare(tree.Compare(sign, node.left, node.right, column=node.column)))
        place = resolve(node.left.name, self.scope) if isinstance(node.left, tree.Word) else None
        kind = place.metric.kind if place else None
        if place and kind is Kind.TEXT:
            return self._compare_text(place, node)
        if place and kind in (Kind.STATE, Kind.FLAG):
            return self._compare_word(place, node)
        if isinstance(node.left, tree.Text):
            raise QueryError(f"{node.left} stands on the left", "put the metric there", column=node.left.column)
        return self._compare_numbers(node)

    def _compare_text(self, place: Place, node: tree.Compare) -> Condition:
        if not isinstance(node.right, tree.Word | tree.Text | tree.Number):
            raise QueryError(f"{node.left} is a text, {node.right} is not", column=node.right.column)
        if node.sign == "~":
            pattern = node.right.text if isinstance(node.right, tree.Text) else str(node.right)
            return self._text(place, searcher(pattern, node.right.column))
        if node.sign != "==":
            raise QueryError(f"{node.left} is a text", "compare it with == != ~ !~ or in", column=node.column)
        wanted = node.right.text if isinstance(node.right, tree.Text) else str(node.right)
        if node.right == tree.Word("none"):
            wanted = ""
        return self._text(place, lambda text: text == wanted)

    def _text(self, place: Place, matches: Callable[[str], bool]) -> Condition:
        also = None if place.outer else _ALSO.get((self.scope, place.metric.name))
        places = [place] if also is None else [place, self._known(also)]
        return Either(tuple(TextMatches(self._column(one), matches) for one in places))

    def _compare_word(self, place: Place, node: tree.Compare) -> Condition:
        values = STATES if place.metric.kind is Kind.STATE else FLAGS
        word = node.right.text if isinstance(node.right, tree.Text) else str(node.right)
        if word not in values:
            guess = nearest(word, list(values))
            advice = f"one of {', '.join(name for name in values if name.isalpha())}"
            hint = f"did you mean {guess}? " if guess else ""
            raise QueryError(f"{node.left} is never {word}", hint + advice, column=node.right.column)
        if node.sign == "~" or (place.metric.kind is Kind.FLAG and node.sign != "=="):
            raise QueryError(f"{node.left} can't be compared with {node.sign}", "use == or !=", column=node.column)
        return Compared(node.sign, self._column(place), Constant(float(values[word])))

    def _compare_numbers(self, node: tree.Compare) -> Condition:
        left = self.measure(node.left)
        if node.sign == "~":
            raise QueryError(f"{left.shown} is a number, and ~ is for texts", _ORDERS, column=node.column)
        if isinstance(node.right, tree.Text) or node.right == tree.Word("none"):
            raise QueryError(f"{left.shown} is a number, {node.right} is not", _ORDERS, column=node.right.column)
        right = self.measure(node.right)
        require_same(left, right, node.right.column)
        return Compared(node.sign, left.quantity, right.quantity)

    # -- numbers

    def measure(self, node: tree.Tree) -> Measure:
        """Raises QueryError where it isn't a number."""
        match node:
            case tree.Number():
                return literal(node)
            case tree.Negative(item=item):
                inner = self.measure(item)
                return Measure(Reckoned("-", Constant(0.0), inner.quantity), inner.unit, f"-{inner.shown}")
            case tree.Arithmetic():
                return self._arithmetic(node)
            case tree.Call():
                return self._call(node)
            case tree.Word():
                return self._number(node)
            case _:
                raise QueryError(f"{node} is no number", column=node.column)

    def _number(self, word: tree.Word) -> Measure:
        place = self._place(word)
        if place.metric.kind in (Kind.TEXT, Kind.STATE, Kind.FLAG):
            raise QueryError(f"{word} is a {place.metric.kind.value}, not a number", column=word.column)
        return Measure(self._column(place), dimension(place.metric.unit), word.name)

    def _arithmetic(self, node: tree.Arithmetic) -> Measure:
        left, right = self.measure(node.left), self.measure(node.right)
        if node.sign in "+-&":
            require_same(left, right, node.right.column)
            unit = left.unit if left.unit is not None else right.unit
        else:
            unit = combined(node.sign, left.unit, right.unit)
        return Measure(Reckoned(node.sign, left.quantity, right.quantity), unit, str(node))

    def _call(self, node: tree.Call) -> Measure:
        if node.name == "rate":
            return self._rate(node)
        if node.name == "count":
            scope, item = self._gathered(node, lambda inner, argument: inner.condition(argument))
            return Measure(Counted(scope, item), "", str(node))
        if node.name in NUMBER_AGGREGATES:
            scope, item = self._gathered(node, lambda inner, argument: inner.measure(argument))
            return Measure(Gathered(node.name, scope, item.quantity), item.unit, str(node))
        if node.name in CONDITION_AGGREGATES:
            raise QueryError(f"{node} is a condition, not a number", "leave out the comparison", column=node.column)
        guess = nearest(node.name, list(FUNCTIONS))
        raise QueryError(
            f"there is no function {node.name!r}", f"did you mean {guess}?" if guess else "", column=node.column
        )

    def _rate(self, node: tree.Call) -> Measure:
        if len(node.arguments) != 2 or not isinstance(node.arguments[0], tree.Word):
            raise QueryError("rate needs a counter and a time", "as in rate(ecc_corrected, 1h)", column=node.column)
        word, seconds = node.arguments[0], self._seconds(node.arguments[1])
        place = self._place(word)
        if place.outer or place.metric.name not in COUNTERS[self.scope]:
            counters = ", ".join(COUNTERS[self.scope]) or "none in this scope"
            raise QueryError(f"no changes are kept of {word}", f"counters: {counters}", column=word.column)
        return Measure(Grown(place.metric.name, seconds), dimension(place.metric.unit), str(node))

    # -- what is within a node or a job

    def _gathered(self, node: tree.Call, make: Callable[[Binder, tree.Tree], _Made]) -> tuple[Scope, _Made]:
        """The argument of an aggregate, in the first inner scope that understands it."""
        if len(node.arguments) != 1:
            raise QueryError(f"{node.name}() needs one argument", "as in max(temp)", column=node.column)
        if self.scope not in GATHERING:
            advice = f"ask it of nodes: node: {node.name}(…)"
            raise QueryError(f"{node.name}() is over the accelerators of a node", advice, column=node.column)
        return first_fitting(_INNER, lambda scope: (scope, make(Binder(scope, self._lasts), node.arguments[0])))


def first_fitting(scopes: Sequence[Scope], make: Callable[[Scope], _Made]) -> _Made:
    """What the first scope that understands makes of it. Raises the QueryError of the one that came furthest."""
    errors: list[QueryError] = []
    for scope in scopes:
        try:
            return make(scope)
        except QueryError as error:
            errors.append(error)
    raise max(errors, key=lambda error: error.column)


def _calls(node: tree.Tree) -> bool:
    return isinstance(node, tree.Call) or any(map(_calls, tree.parts(node)))
