"""What may be done about a concern, as lines: commands that show plans; in a console that acts a plan itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tui.present.line import Line
from tui.present.plans import plan_lines, told
from tui.present.style import Token
from watchfloor.advice import advice
from watchfloor.ports import Concern, Remedy, Weighed

_RULINGS = {"permit": Token.OK, "needs-approval": Token.WARNING}

Offered = tuple[list[Line], list[int]]  # the lines, and in which of them each remedy begins


def told_lines(concern: Concern, remedies: Sequence[Remedy] | None, width: int) -> Sequence[Line]:
    """For a console that only watches. None: what fits is being looked for."""
    says = "This console only watches. Each of these shows a plan and changes nothing:"
    lines, _ = _offered(concern, remedies, says, None, width)
    last = "With --apply it is proposed: policy decides, and who must approve. Actions: docs/actions.md"
    return [*lines, [], *told(last, width, Token.DIM)]


def choice_lines(concern: Concern, remedies: Sequence[Remedy] | None, at: int, width: int) -> Offered:
    """For a console that acts: `at` is what Enter makes a plan of."""
    says = "Enter, or a digit, makes the plan, on the newest frame, and changes nothing:"
    return _offered(concern, remedies, says, at, width)


def _offered(concern: Concern, remedies: Sequence[Remedy] | None, says: str, at: int | None, width: int) -> Offered:
    lines = [*_found(concern, width), *told(says, width, Token.DIM)]
    if remedies is None:
        return [*lines, [], *told("looking for what fits …", width, Token.DIM)], []
    starts: list[int] = []
    part = ""
    for number, remedy in enumerate(remedies):
        if (title := _part(remedy)) != part:
            lines += [[], [(f" {title}", Token.ACCENT)]]
            part = title
        starts.append(len(lines))
        lines += _remedy(_key(number, at), remedy, number == at, width)
    return lines, starts


def _part(remedy: Remedy) -> str:
    if remedy.fits:
        return "Playbooks whose trigger is true"
    return "Playbooks for the like of it" if remedy.watch else "Single actions"


def _key(number: int, at: int | None) -> str:
    if at is None:
        return ""
    return f"{'>' if number == at else ' '} {number + 1 if number < 9 else ' '} "


def _found(concern: Concern, width: int) -> Iterator[Line]:
    finding = concern.finding
    if finding is None:
        yield from told(f"{concern.subject.scope} {concern}", width, Token.STRONG)
    else:
        yield from told(finding.text, width, Token.STRONG)
        if words := advice(finding.code, finding.subject.node):
            yield from told(f"what to do: {words}", width)
    yield []


def _remedy(key: str, remedy: Remedy, chosen: bool, width: int) -> Iterator[Line]:
    risk = f"{remedy.risk}  " if remedy.risk else ""
    head = f"{key}{remedy.name}  {risk}{remedy.summary}"
    yield from told(head, width, Token.TITLE if chosen or not key else Token.STRONG)
    if remedy.watch:
        risk = "" if remedy.risk else "only its plan tells its risk; "
        yield from told(f"     {risk}{remedy.why}", width, Token.OK if remedy.fits else Token.DIM)
        yield from told(f"     {remedy.watch}", width, Token.DIM)
    if not key:
        yield from told(f"   $ {remedy.command}", width, Token.DIM)


def weighed_lines(weighed: Weighed, now: float, width: int) -> Sequence[Line]:
    """The plan, and what would be said of it."""
    needs = f", {weighed.approvals} needed" if weighed.approvals else ""
    token = _RULINGS.get(weighed.ruling, Token.CRITICAL)
    return [
        *told(f"Verdict: {weighed.ruling}{needs}", width, token),
        *(line for reason in weighed.reasons for line in told(f"   {reason}", width)),
        *(line for name in weighed.policies for line in told(f"   by policy {name}", width, Token.DIM)),
        *(told(weighed.unattended, width, Token.DIM) if weighed.unattended else ()),
        [],
        *plan_lines(weighed.plan, now, width),
    ]
