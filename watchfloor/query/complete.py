"""What may be typed next: completions for the filter bar. Works on half a query, so it reads words, not trees."""

from __future__ import annotations

import re

from watchfloor.metrics import Kind
from watchfloor.model import Scope, State
from watchfloor.query.names import FUNCTIONS, SCOPES, fields, resolve

_WORD = re.compile(r"[A-Za-z_][\w.]*$")
_COMPARED = re.compile(r"([A-Za-z_][\w.]*)\s*(?:==|!=|<=?|>=?|(?:not\s+)?in\s*\((?:[^()]*,)?)\s*$")
_OPERAND = re.compile(r"([\w.%)\"'])\s*$")
_JOINING = re.compile(r"(?:^|[\s(])(and|or|not|in|for)\s*$")


def word_start(text: str, cursor: int) -> int:
    """Where the word before the cursor begins: what a completion replaces is text[start:cursor]."""
    found = _WORD.search(text[:cursor])
    return found.start() if found else cursor


def complete(text: str, cursor: int, scope: Scope | None = None) -> list[str]:
    """The words that may stand where the word before the cursor does, the likeliest first."""
    start = word_start(text, cursor)
    before, begun = text[:start], text[start:cursor]
    scope = scope or _named(before) or Scope.ACCELERATOR
    return [word for word in _candidates(before, scope) if word.startswith(begun) and word != begun]


def _named(before: str) -> Scope | None:
    prefix = re.match(r"\s*(\w+)\s*:", before)
    return SCOPES.get(prefix[1]) if prefix else None


def _candidates(before: str, scope: Scope) -> list[str]:
    compared = _COMPARED.search(before)
    if compared:
        return _values(compared[1], scope)
    if _OPERAND.search(before) and not _JOINING.search(before):
        return ["and", "or", "in", "not", "for"]
    names = [name for name, _ in fields(scope)]
    first = [f"{name}:" for name in SCOPES] if not before.strip() else []
    return [*names, *(f"{name}(" for name in FUNCTIONS), "not", *first]


def _values(name: str, scope: Scope) -> list[str]:
    place = resolve(name, scope)
    kind = place.metric.kind if place else None
    if kind is Kind.STATE:
        return [state.label for state in State]
    if kind is Kind.FLAG:
        return ["true", "false"]
    return ["none"] if kind is Kind.TEXT else []
