"""What another run holds is left alone."""

from __future__ import annotations

from agents.interlocks import Case


def holds_back(case: Case) -> str:
    wanted = {str(step.target) for step in case.steps}
    others = [
        lease
        for lease in case.leases
        if lease.target in wanted and lease.run != case.run and lease.holder != case.holder and lease.until > case.now
    ]
    return "; ".join(f"{lease.target} is held by run {lease.run}" for lease in others)
