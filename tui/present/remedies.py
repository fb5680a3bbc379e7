"""What may be done about a finding, as lines: commands that show plans; in a console that acts a plan itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tui.present.line import Line
from tui.present.plans import plan_lines, told
from tui.present.style import Token
from watchfloor.advice import advice
from watchfloor.model import Finding
from watchfloor.ports import Remedy, Weighed

_RULINGS = {"permit": Token.OK, "needs-approval": Token.WARNING}


def told_lines(finding: Finding, remedies: Sequence[Remedy], width: int) -> Sequence[Line]:
    """For a console that only watches."""
    return [
        *_found(finding, width),
        *told("This console only watches. Each of these shows a plan and changes nothing:", width, Token.DIM),
        *(line for remedy in remedies for line in _remedy("", remedy, width)),
        [],
        *told(
            "With --apply it is proposed: policy decides, and who must approve. Actions: docs/actions.md",
            width,
            Token.DIM,
        ),
    ]


def choice_lines(finding: Finding, remedies: Sequence[Remedy], width: int) -> Sequence[Line]:
    """For a console that acts: a digit shows the plan."""
    return [
        *_found(finding, width),
        *told("A digit makes the plan, on the newest frame, and changes nothing:", width, Token.DIM),
        *(line for at, remedy in enumerate(remedies, 1) for line in _remedy(f"{at} ", remedy, width)),
    ]


def _found(finding: Finding, width: int) -> Iterator[Line]:
    yield from told(finding.text, width, Token.STRONG)
    if words := advice(finding.code):
        yield from told(f"what to do: {words}", width)
    yield []


def _remedy(key: str, remedy: Remedy, width: int) -> Iterator[Line]:
    yield []
    yield [(f" {key}", Token.ACCENT), (remedy.name, Token.TITLE), (f"  {remedy.summary}", Token.TEXT)]
    yield from told(f"   $ {remedy.command}", width, Token.DIM)


def weighed_lines(weighed: Weighed, now: float, width: int) -> Sequence[Line]:
    """The plan, and what would be said of it."""
    needs = f", {weighed.approvals} needed" if weighed.approvals else ""
    token = _RULINGS.get(weighed.ruling, Token.CRITICAL)
    return [
        *told(f"Verdict: {weighed.ruling}{needs}", width, token),
        *(line for reason in weighed.reasons for line in told(f"   {reason}", width)),
        *(line for name in weighed.policies for line in told(f"   by policy {name}", width, Token.DIM)),
        [],
        *plan_lines(weighed.plan, now, width),
    ]
