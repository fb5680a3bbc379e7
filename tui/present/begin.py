"""Whether a run can be begun from here, why not, and what is asked before it is. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from tui.present.runs import stands, targets_of_plan

if TYPE_CHECKING:
    from watchfloor.change import Plan
    from watchfloor.runs import RunRecord


def asked_of_plan(plan: Plan) -> str:
    """`fatal-xid on n2, slurm:42 (3 steps, R3)`"""
    steps = f"{len(plan.steps)} step{'s' if len(plan.steps) != 1 else ''}"
    return f"{plan.playbook} on {targets_of_plan(plan)} ({steps}, {plan.risk.label})"


def why_not_begun(run: RunRecord | None, now: float, under_way: Collection[str]) -> str:
    """ "" where nothing is missing but somebody to begin, or to go on with what was left behind."""
    if run is None or run.plan is None:
        return "its plan can't be read: nobody can carry it out"
    if run.run in under_way:
        return "this console carries it out already"
    if run.outcome:
        return f"it is over: {run.outcome}"
    if not run.begun and now >= run.plan.expires:
        return "its plan is too old: w on what it was for makes a new one"
    word = stands(run)
    if word in ("running", "may begin", "approved"):
        return ""
    return {
        "waits": "it waits for approval: the approvals page (8) has it",
        "rejected": f"it was rejected by {', '.join(run.rejected_by)}: nothing is done until that is withdrawn",
    }.get(word, f"it is not permitted: {word}")
