"""A run as a reviewer reads it, drawn: the same lines as `watchfloor show` prints, folded and never cut. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.present.line import Line
from tui.present.plans import plan_token, told
from tui.present.runs import stands
from tui.present.style import Token
from watchfloor.lineage.times import Times

if TYPE_CHECKING:
    from watchfloor.runs import Grounds, RunRecord

_TOKENS = {
    "head": Token.ACCENT,
    "plain": Token.TEXT,
    "dim": Token.DIM,
    "command": Token.STRONG,
    "good": Token.OK,
    "warning": Token.WARNING,
    "bad": Token.CRITICAL,
}


def review_lines(run: RunRecord, times: Times, width: int, grounds: Grounds | None = None) -> Sequence[Line]:
    """`grounds`: None where nobody was asked whose signatures count."""
    from watchfloor.snapshot.review import review  # noqa: PLC0415 - with the first run that is looked at

    lines: list[Line] = []
    for one in review(run, stands(run), times, grounds):
        token = _TOKENS[one.tone] if one.tone in _TOKENS else plan_token(one.text)
        lines += told(one.text, width, token) if one.text else [[]]
    return lines
