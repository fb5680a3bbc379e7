"""The query language against a slow, plain evaluator of one row at a time, over random queries; and against garbage."""

from __future__ import annotations

import math
import operator
import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.frames import SyntheticFleet
from watchfloor.errors import QueryError
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Kind
from watchfloor.model import Missing, Scope, State
from watchfloor.query import complete, parse, tree
from watchfloor.query.grammar import read
from watchfloor.query.names import resolve
from watchfloor.units import UNITS

NUMBERS = ["util", "temp", "mem_used", "power", "clock_sm", "temp_mem", "xid", "processes", "node.cpu", "node.load1"]
TEXTS = ["name", "model", "user", "job", "node", "rack", "node.phase", "partition_of"]
FLAGS = ["ecc_mode", "mig", "rows_pending"]
STATES = ["state", "node.state"]
WORDS = ["none", "dgx-01", "gpu3", "r1", "live", '"NVIDIA H100 80GB HBM3"', "alice", "42"]
OWN_UNITS = {"util": "%", "temp": "C", "mem_used": "GB", "power": "W", "clock_sm": "GHz", "temp_mem": "C"}


@cache
def frame() -> Frame:
    fleet = SyntheticFleet()
    fleet.step(75)
    return fleet.frame()


# -- random queries


def literals(metric: str) -> st.SearchStrategy[str]:
    plain = st.integers(0, 120).map(str)
    unit = OWN_UNITS.get(metric)
    return st.one_of(plain, st.integers(0, 100).map(lambda value: f"{value}{unit}")) if unit else plain


@st.composite
def number_comparisons(draw: st.DrawFn) -> str:
    metric = draw(st.sampled_from(NUMBERS))
    sign = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
    left = draw(st.sampled_from([metric, f"-{metric}", f"{metric} * 2", f"{metric} / 0", f"({metric} - {metric})"]))
    return f"{left} {sign} {draw(literals(metric))}"


@st.composite
def text_comparisons(draw: st.DrawFn) -> str:
    metric, word = draw(st.sampled_from(TEXTS)), draw(st.sampled_from(WORDS))
    form = draw(
        st.sampled_from(["{0} == {1}", "{0} != {1}", "{0} ~ {1}", "{0} !~ {1}", "{0} in ({1}, x)", "{0} not in ({1})"])
    )
    return form.format(metric, word)


@st.composite
def word_comparisons(draw: st.DrawFn) -> str:
    if draw(st.booleans()):
        flag = draw(st.sampled_from(FLAGS))
        return draw(st.sampled_from([flag, f"{flag} == true", f"{flag} != false", f"not {flag}"]))
    state = draw(st.sampled_from([state.label for state in State]))
    return f"{draw(st.sampled_from(STATES))} {draw(st.sampled_from(['<', '>=', '==', '!=']))} {state}"


SIMPLE = st.one_of(number_comparisons(), text_comparisons(), word_comparisons())
QUERIES = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) and ({pair[1]})"),
        st.tuples(inner, inner, inner).map(lambda items: f"{items[0]} or ({items[1]}) or ({items[2]})"),
        inner.map(lambda item: f"not ({item})"),
    ),
    max_leaves=6,
)


# -- the plain evaluator: True, False or None


def value_of(word: str, row: int) -> float | str | None:
    place = resolve(word, Scope.ACCELERATOR)
    assert place is not None
    view = frame().nodes if place.outer else frame().accelerators
    cell = view.cell(int(frame().accelerators.node[row]) if place.outer else row, place.metric.name)
    return cell.value if cell.missing is Missing.NO else None


def number(node: tree.Tree, row: int) -> float | None:
    match node:
        case tree.Number():
            return node.value * (UNITS[node.unit][1] if node.unit else 1)
        case tree.Word(name=name):
            value = value_of(name, row)
            assert not isinstance(value, str)
            return value
        case tree.Negative(item=item):
            value = number(item, row)
            return None if value is None else -value
        case tree.Arithmetic(sign=sign, left=left, right=right):
            a, b = number(left, row), number(right, row)
            if a is None or b is None or (sign == "/" and b == 0):
                return None
            return {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}[sign](a, b)
    raise AssertionError(node)


def compared(node: tree.Compare, row: int) -> bool | None:
    kind = Kind.GAUGE
    if isinstance(node.left, tree.Word):
        place = resolve(node.left.name, Scope.ACCELERATOR)
        assert place is not None
        kind = place.metric.kind
    if kind is Kind.TEXT:
        return text_compared(node, row)
    left = number(node.left, row)
    if kind in (Kind.STATE, Kind.FLAG):
        word = str(node.right)
        right = {"true": 1.0, "false": 0.0}.get(word)
        right = float(State[word.upper()]) if right is None else right
    else:
        right = number(node.right, row)
    if left is None or right is None or math.isnan(left):
        return None
    signs = {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
    }
    return signs[node.sign](left, right)


def text_compared(node: tree.Compare, row: int) -> bool | None:
    assert isinstance(node.left, tree.Word)
    value = value_of(node.left.name, row)
    if value is None:
        return None
    wanted = node.right.text if isinstance(node.right, tree.Text) else str(node.right)
    if node.sign in ("~", "!~"):
        return (re.search(wanted, str(value)) is not None) is (node.sign == "~")
    wanted = "" if wanted == "none" else wanted
    return (value == wanted) is (node.sign == "==")


def truth(node: tree.Tree, row: int) -> bool | None:
    match node:
        case tree.And(items=items):
            answers = [truth(item, row) for item in items]
            return False if False in answers else None if None in answers else True
        case tree.Or(items=items):
            answers = [truth(item, row) for item in items]
            return True if True in answers else None if None in answers else False
        case tree.Not(item=item):
            answer = truth(item, row)
            return None if answer is None else not answer
        case tree.Within(item=item, choices=choices):
            return truth(tree.Or(tuple(tree.Compare("==", item, choice) for choice in choices)), row)
        case tree.Word(name=name):
            value = value_of(name, row)
            return None if value is None else bool(value)
        case tree.Compare():
            return compared(node, row)
    raise AssertionError(node)


@settings(max_examples=250)
@given(QUERIES)
def test_every_row_is_answered_as_by_the_plain_evaluator(text: str) -> None:
    query = parse(text, Scope.ACCELERATOR)
    rows = range(frame().accelerators.count)
    assert np.flatnonzero(query.mask(frame())).tolist() == [row for row in rows if truth(query.tree, row) is True]


@settings(max_examples=100)
@given(QUERIES)
def test_a_query_and_its_negation_are_never_both_true(text: str) -> None:
    holds, fails = parse(text, Scope.ACCELERATOR), parse(f"not ({text})", Scope.ACCELERATOR)
    assert not (holds.mask(frame()) & fails.mask(frame())).any()


@settings(max_examples=200)
@given(QUERIES)
def test_a_query_printed_in_full_reads_back_as_the_same(text: str) -> None:
    query = parse(text)
    again = parse(str(query))
    assert (again.tree, again.scope) == (query.tree, query.scope)


SIGNS = [
    "and",
    "or",
    "not",
    "in",
    "for",
    "max(",
    "count(",
    "rate(",
    "any(",
    "node:",
    "link:",
    "10GB",
    "2m",
    "0xE8",
    *"(),<~+-/&5\"'é\0[%=:",
]
SCRAPS = st.sampled_from([*NUMBERS, *TEXTS, *FLAGS, *STATES, *WORDS, *SIGNS])


@settings(max_examples=400)
@given(st.one_of(st.text(max_size=60), st.lists(SCRAPS, max_size=12).map(" ".join)))
def test_garbage_is_either_a_query_or_a_query_error_within_the_text(text: str) -> None:
    try:
        query = parse(text)
    except QueryError as error:
        assert error.query == text
        assert 1 <= error.column <= len(text) + 2
        assert error.message
    else:
        assert query.mask(frame()).shape == (frame().view(query.scope).count,)
    complete(text, len(text))


TOO_MUCH = {"brackets": "(" * 3000, "nots": "not " * 900 + "up", "minuses": "-" * 2000 + "1 > 0", "letters": "a" * 5000}


@pytest.mark.parametrize("text", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_what_is_much_too_long_or_deep_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        parse(text)


@pytest.mark.parametrize("name", [name for table in CATALOGUE.values() for name in table])
def test_every_metric_can_be_asked_for(name: str) -> None:
    scope = next(scope for scope, table in CATALOGUE.items() if name in table)
    kind = CATALOGUE[scope][name].kind
    value = {Kind.TEXT: "none", Kind.STATE: "critical", Kind.FLAG: "true"}.get(kind, "1")
    assert parse(f"{name} == {value}", scope).tree == read(f"{name} == {value}")
