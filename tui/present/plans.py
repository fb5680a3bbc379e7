"""A plan in full, as whoever decides on it reads it: every line that is signed for, folded and never cut. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tui.present.format import printable
from tui.present.line import Line, folded
from tui.present.style import Token

if TYPE_CHECKING:
    from watchfloor.change import Plan
    from watchfloor.lineage.times import Times
    from watchfloor.runs import RunRecord

_STEP = re.compile(r"\d+\. ")


def plan_lines(plan: Plan, now: float, width: int) -> Sequence[Line]:
    from watchfloor.snapshot.plan import plan_text  # noqa: PLC0415 - not before there is a plan

    texts = plan_text(plan, now).split("\n")
    return [
        line
        for at, text in enumerate(texts)
        for line in told(text, width, Token.STRONG if at == 0 else plan_token(text))
    ]


def told(text: str, width: int, token: Token = Token.TEXT) -> Iterator[Line]:
    """A text behind a margin, in as many lines as it needs."""
    for line in folded(printable(text), max(8, width - 2)):
        yield [(f" {line}", token)]


def given_lines(run: RunRecord, times: Times, width: int) -> Iterator[Line]:
    """What persons said of its plan, by their signatures; what doesn't count says why."""
    from watchfloor.snapshot.runs import given_lines as texts  # noqa: PLC0415 - not before somebody has said anything

    for entry in run.given:
        counts = entry.kind == "approval" and not run.whose(entry).lost
        for text in texts(run, entry, times):
            yield from told(text, width, Token.TEXT if counts else Token.WARNING)


def plan_token(text: str) -> Token:
    bare = text.strip()
    if bare.startswith("$ "):
        return Token.STRONG
    if _STEP.match(text) or text in ("Impact:", "Relies on:"):
        return Token.TITLE
    if bare.startswith("void since"):
        return Token.CRITICAL
    return Token.MATCH if " → " in text else Token.TEXT
