"""A share of the fleet's accelerators stays healthy and open to work, whatever seems to be wrong with the others."""

from __future__ import annotations

from agents.impact import capacity_left, untold
from agents.interlocks import Case
from watchfloor.change import Risk


def holds_back(case: Case) -> str:
    wanted = {step.target.node for step in case.steps if step.risk >= Risk.TAKES_OUT and not step.heals}
    wanted.discard("")
    if not wanted:
        return ""
    if names := untold(case.frame):
        return f"how many stay healthy isn't known: the boards of {', '.join(names)} are let go of, and not told of yet"
    now, left = capacity_left(case.frame, frozenset()), capacity_left(case.frame, frozenset(wanted))
    least = case.limits.healthy_share
    if now is None or left is None or left >= least or left >= now:  # what is out already costs nothing more
        return ""
    return f"{left:.0%} of the accelerators would stay healthy and open to work, and {least:.0%} must"
