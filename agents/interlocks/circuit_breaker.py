"""A storm of failures or of acts stops further ones until a person has looked: `watchfloor resume` closes the breaker.

What makes something healthy again still passes: an open breaker must not keep nodes out.
"""

from __future__ import annotations

from agents.interlocks import Case
from watchfloor.snapshot.words import duration


def holds_back(case: Case) -> str:
    if all(step.heals for step in case.steps):
        return ""
    why = opened(case)
    return f"the circuit breaker is open: {why}; a person closes it with `watchfloor resume`" if why else ""


def opened(case: Case) -> str:
    """Why it is open, "" where it is closed."""
    limits = case.limits
    since = max(case.now - limits.breaker_seconds, case.breaker_closed_at)
    lately = [it for it in case.happened if since < it.at]  # of a time to come, too: the clock was set back since
    failed = {it.run for it in lately if it.kind in ("failed", "unverified")}
    taken = {it.node for it in lately if it.kind == "took-out"}
    span = duration(limits.breaker_seconds)
    if len(failed) >= limits.breaker_failures:
        return f"{len(failed)} runs failed within {span}"
    if len(taken) >= limits.breaker_acts:
        return f"{len(taken)} nodes were taken out within {span}"
    return ""
