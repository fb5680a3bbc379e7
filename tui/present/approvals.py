"""Plans that wait for a person as rows, and below them, and on a card, the whole of one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tui.present.format import Text
from tui.present.itemised import Itemised
from tui.present.line import Line
from tui.present.plans import given_lines, plan_lines, told
from tui.present.rows import Column
from tui.present.runs import asked_by, targets_of
from tui.present.style import Token
from watchfloor.lineage.times import Times
from watchfloor.snapshot.words import duration

if TYPE_CHECKING:
    from watchfloor.runs import RunRecord

_WIDE, _WIDEST = 110, 150


def rows_of(runs: Sequence[RunRecord], now: float) -> list[RunRecord]:
    """What waits, and what somebody has said all of that was asked for; the one that waits longest first."""
    found = [run for run in reversed(runs) if run.standing == "waits for approval" and run.plan is not None]
    return sorted((run for run in found if run.plan and now < run.plan.expires), key=lambda run: not run.waits(now))


class ApprovalTable(Itemised["RunRecord"]):
    """Implements TableModel."""

    def __init__(self, runs: Sequence[RunRecord], times: Times, width: int) -> None:
        super().__init__(runs, lambda run: run.run)
        self._times = times
        wide = width >= _WIDE
        self.columns = (
            Column("state", "", 1, fixed=True),
            Column("run", "RUN", 11, fixed=True),
            Column("waits", "WAITS", 5, "right"),
            Column("playbook", "PLAYBOOK", 18 if wide else 12),
            Column("risk", "RISK", 4),
            Column("who", "BY", 12 if wide else 8),
            Column("targets", "ON WHAT", 16 if wide else 7, flexible=True),
            Column("said", "SAID", 16 if wide else 10),
            Column("void", "VOID IN", 7, "right"),
            *([Column("why", "WHY", 30, flexible=True)] if width >= _WIDEST else []),
        )

    def cells(self, index: int) -> Sequence[Text]:
        run, now = self._rows[index], self._times.now
        plan = run.plan
        assert plan is not None
        waits = run.waits(now)
        usual = Token.TEXT if waits else Token.DIM
        cells: dict[str, Text] = {
            "state": ("!", Token.WARNING) if waits else ("·", Token.DIM),
            "run": (run.run, Token.STRONG if waits else Token.DIM),
            "waits": (duration(max(0.0, now - run.proposed)), usual),
            "playbook": (plan.playbook, usual),
            "risk": (plan.risk.label, usual),
            "who": (asked_by(run), usual),
            "targets": (targets_of(run), usual),
            "said": (said(run), Token.WARNING if run.rejected_by else usual),
            "void": (duration(plan.expires - now), usual),
            "why": (plan.origin.reason, usual),
        }
        return [cells[column.name] for column in self.columns]


def said(run: RunRecord) -> str:
    """`1 of 2: anna`."""
    if run.rejected_by:
        return f"no: {', '.join(run.rejected_by)}"
    names = f": {', '.join(run.approved_by)}" if run.approved_by else ""
    return f"{len(run.approved_by)} of {run.needed}{names}"


WHOLE = "Enter: the whole plan"  # of the past nothing is signed
HERE = f"{WHOLE}, then the keys"
ELSEWHERE = "`watchfloor approve` signs, or --act"


def summary_line(runs: Sequence[RunRecord], now: float, how: str) -> Line:
    """`how`: WHOLE, HERE or ELSEWHERE, by where it is signed."""
    waiting = [run for run in runs if run.waits(now)]
    longest = f", the first for {duration(now - waiting[0].proposed)}" if waiting else ""
    return [
        (f" {len(waiting)}", Token.WARNING if waiting else Token.STRONG),
        (f" {'waits' if len(waiting) == 1 else 'wait'} for a person{longest}   ", Token.TEXT),
        (how, Token.DIM),
    ]


def card_lines(run: RunRecord, times: Times, width: int) -> Sequence[Line]:
    """Everything that whoever signs should know, the plan in full."""
    return [*_asked(run, times, width), [], *_plan(run, times, width)]


def _asked(run: RunRecord, times: Times, width: int) -> Iterator[Line]:
    decided, now = run.decided, times.now
    if run.outcome or run.begun or (run.plan is not None and now >= run.plan.expires):
        yield from told(
            f"It waits no longer: {run.outcome or ('it has begun' if run.begun else 'the plan is too old')}",
            width,
            Token.WARNING,
        )
    yield from told(f"{run.needed} must approve; so far {said(run)}", width, Token.STRONG)
    if not run.begun and not run.outcome and not run.lacks and not run.rejected_by:
        how = f"`watchfloor run {run.run} --apply`, a running `watchfloor watch`, or c on the runs page (7) with --act"
        yield from told(f"Enough approved. It is carried out by {how}.", width, Token.OK)
    for reason in decided.reasons if decided else ():
        yield from told(f"   {reason}", width)
    for name in decided.policies if decided else ():
        yield from told(f"   by policy {name}", width, Token.DIM)
    yield from given_lines(run, times, width)


def _plan(run: RunRecord, times: Times, width: int) -> Iterator[Line]:
    if run.plan is None:
        yield from told("its plan can't be read: nobody can sign for it", width, Token.WARNING)
        return
    yield from plan_lines(run.plan, times.now, width)
    yield from told(f"Digest, which is what is signed: {run.digest}", width, Token.DIM)


def within_detail(lines: Sequence[Line], most: int) -> Sequence[Line]:
    """As much as there is room for; that it isn't all is said."""
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], [(f" … {len(lines) - most + 1} more lines: ", Token.WARNING), ("Enter", Token.ACCENT)]]
