"""Text -> tree: the grammar of the query language, and its errors in a person's words.

The parser library is imported, and the grammar compiled, with the first query (about 0.1 s in all).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from watchfloor.errors import QueryError
from watchfloor.query import tree

if TYPE_CHECKING:
    from lark import Lark

# A word may hold - : @ between its characters (dgx-07, slurm:42), so a minus between two names needs spaces.
GRAMMAR = r"""
?start: either
?either: both ("or" both)*
?both: single ("and" single)*
?single: "not" single -> negation
    | lasting
?lasting: comparison
    | lasting "for" NUMBER UNIT? -> lasts
?comparison: sum
    | sum COMPARISON sum -> compare
    | sum "in" "(" sum ("," sum)* ")" -> within
    | sum "not" "in" "(" sum ("," sum)* ")" -> not_within
?sum: product
    | sum (PLUS | MINUS) product -> arithmetic
?product: factor
    | product (TIMES | BY | BITS) factor -> arithmetic
?factor: atom
    | MINUS factor -> negative
?atom: NUMBER UNIT? -> number
    | WORD -> word
    | STRING -> string
    | "(" either ")"
    | WORD "(" either ("," either)* ")" -> call
COMPARISON: "<=" | ">=" | "==" | "!=" | "<" | ">" | "!~" | "~"
PLUS: "+"
MINUS: "-"
TIMES: "*"
BY: "/"
BITS: "&"
NUMBER: /0x[0-9A-Fa-f]+|(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+)?/
UNIT: /%|°?[A-Za-z]+(\/s\b)?/
WORD: /[A-Za-z_][\w.]*([-:@][\w.]+)*/
STRING: /"[^"\n]*"|'[^'\n]*'/
%ignore /\s+/
"""

DEEPEST = 60

_MISTAKES = {
    "=": "write == to compare",
    "&": "write and to join conditions",
    "|": "write or to join conditions",
    "!": "write not to negate",
    '"': "a quote is not closed",
    "'": "a quote is not closed",
    "[": "patterns belong in quotes, after ~",
}
_ENDINGS = {"RPAR": "a closing bracket", "WORD": "a metric or a value", "NUMBER": "a number"}


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark, Transformer  # noqa: PLC0415 - costs a tenth of a second, and many commands ask nothing

    class Builder(Transformer):
        """Calls the function of this module that is named as the rule is."""

        def __getattr__(self, rule: str) -> Any:
            if rule in _RULES:
                return _RULES[rule]
            raise AttributeError(rule)

    return Lark(GRAMMAR, parser="lalr", transformer=Builder(), maybe_placeholders=False)


def read(text: str) -> tree.Tree:
    """The tree of a query. Raises QueryError with the column."""
    from lark.exceptions import UnexpectedInput  # noqa: PLC0415 - see _parser

    try:
        found: Any = _parser().parse(text)
    except UnexpectedInput as error:
        raise _explained(text, error) from None
    if tree.depth(found) > DEEPEST:
        raise QueryError(f"nested more than {DEEPEST} deep", "split it", query=text, column=1)
    return found


def _explained(text: str, error: Any) -> QueryError:
    position = getattr(error, "pos_in_stream", None)
    token = getattr(error, "token", None)
    if position is None or position < 0 or (token is not None and token.type == "$END"):
        return _ended(text, error)
    shown = str(token) if token is not None else text[position]
    advice = _MISTAKES.get(shown) or _advice(text, position, shown)
    return QueryError(f"{shown} is not expected here", advice, query=text, column=position + 1)


def _advice(text: str, position: int, shown: str) -> str:
    loud = re.search(r"\b(AND|OR|NOT|IN|FOR)\b", text[: position + len(shown)])
    if loud:
        return f"write {loud[0].lower()} in small letters"
    if re.fullmatch(r"[\w.]+", shown):
        return "join conditions with and, or; put texts with spaces into quotes"
    return ""


def _ended(text: str, error: Any) -> QueryError:
    expected = getattr(error, "expected", None) or getattr(error, "accepts", None) or ()
    wanted = next((words for name, words in _ENDINGS.items() if name in expected), "more")
    return QueryError(f"the query ends where {wanted} should follow", query=text, column=len(text.rstrip()) + 1)


def _column(token: Any) -> int:
    return (token.start_pos or 0) + 1


def _number(items: list[Any]) -> tree.Number:
    return tree.Number(str(items[0]), str(items[1]) if len(items) > 1 else "", column=_column(items[0]))


def _call(items: list[Any]) -> tree.Call:
    return tree.Call(str(items[0]), tuple(items[1:]), column=_column(items[0]))


def _within(items: list[Any]) -> tree.Within:
    return tree.Within(items[0], tuple(items[1:]), column=items[0].column)


def _lasts(items: list[Any]) -> tree.Lasting:
    return tree.Lasting(items[0], _number(items[1:]), column=items[0].column)


_RULES: dict[str, Any] = {
    "number": _number,
    "word": lambda items: tree.Word(str(items[0]), column=_column(items[0])),
    "string": lambda items: tree.Text(str(items[0])[1:-1], column=_column(items[0])),
    "call": _call,
    "negative": lambda items: tree.Negative(items[1], column=_column(items[0])),
    "arithmetic": lambda items: tree.Arithmetic(str(items[1]), items[0], items[2], column=items[0].column),
    "compare": lambda items: tree.Compare(str(items[1]), items[0], items[2], column=items[0].column),
    "within": _within,
    "not_within": lambda items: tree.Not(_within(items), column=items[0].column),
    "negation": lambda items: tree.Not(items[0], column=items[0].column),
    "both": lambda items: tree.And(tuple(items), column=items[0].column),
    "either": lambda items: tree.Or(tuple(items), column=items[0].column),
    "lasts": _lasts,
}
