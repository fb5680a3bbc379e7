"""Links whose error counters grow, or whose bit error rate or health is bad. The rules are data: thresholds.toml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np

from watchfloor.checks._rules import Growth, growths
from watchfloor.checks._tools import current, limit, named, report, suspects, text_is
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Finding, Scope, State

_AT = Scope.LINK
_PLURAL = re.compile(r"(\w+?)(ies|s)\b")


def check(frame: Frame) -> Iterator[Finding]:
    for rule in growths("link-errors"):
        yield from _growing(frame, rule)
    yield from _bit_errors(frame)
    yield from _ici_health(frame)


def growing(frame: Frame, rule: Growth) -> Mapping[int, float]:
    """The links whose counter grows faster than the rule allows, and by how much it grew."""
    view = frame.links
    grown = frame.counters.grown(_AT, rule.metric, frame.at - rule.seconds, rule.above)
    rows = np.array(sorted(row for row in grown if row < view.count), np.intp)
    if not rows.size:
        return {}
    rows = rows[text_is(view, "kind", rows, lambda kind: not rule.kinds or kind in rule.kinds)]
    told = np.zeros(view.count, np.bool_)
    told[rows] = True
    return {row: grown[row] for row in current(view, rule.metric, told).tolist()}


def _growing(frame: Frame, rule: Growth) -> Iterator[Finding]:
    grown = growing(frame, rule)
    what = CATALOGUE[_AT][rule.metric].help.partition(" (")[0]
    yield from report(
        frame,
        _AT,
        np.array(list(grown), np.intp),
        rule.code,
        rule.state,
        lambda row: f"{named(frame, _AT, row)} counted {_amount(grown[row], what)} within the last {rule.span}",
        (rule.metric, "up", "peer"),
    )


def _amount(count: float, what: str) -> str:
    """`21 times that the link went down`, `1 time that …`: the plural is the first word of `what` that ends in an s."""
    return f"{count:,.0f} {what if count != 1 else _PLURAL.sub(_singular, what, count=1)}"


def _singular(plural: re.Match[str]) -> str:
    return f"{plural[1]}y" if plural[2] == "ies" else plural[1]


def _bit_errors(frame: Frame) -> Iterator[Finding]:
    view, most = frame.links, limit("link-ber", "above")
    yield from report(
        frame,
        _AT,
        suspects(view, "link-ber", ("ber",), lambda ber: ber > most),
        "link-ber",
        State.WARNING,
        lambda row: f"{named(frame, _AT, row)} has an effective bit error rate of {view.last('ber')[row]:.1e}",
        ("ber", "symbol_errors", "peer"),
    )


def _ici_health(frame: Frame) -> Iterator[Finding]:
    view, warning, critical = frame.links, limit("ici-health", "warning"), limit("ici-health", "critical")
    rows = suspects(view, "ici-health", ("ici.health",), lambda health: health >= warning)
    health = view.last("ici.health")
    broken = health[rows] >= critical
    for state, chosen, words in ((State.CRITICAL, rows[broken], "lasting"), (State.WARNING, rows[~broken], "passing")):
        yield from report(
            frame,
            _AT,
            chosen,
            "ici-health",
            state,
            lambda row, words=words: f"{named(frame, _AT, row)} has a {words} problem: its health is {health[row]:.0f}",
            ("ici.health", "up"),
        )
