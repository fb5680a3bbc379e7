"""What of a verdict the ledger's entry has no field for, and the verdict as an entry tells it. Pure."""

from __future__ import annotations

from typing import Any

from watchfloor.change import Ruling, Verdict
from watchfloor.records.ledgerwords import Decided


def facts_of(verdict: Verdict) -> dict[str, Any]:
    """For `Decided.facts`. `ruling`: policy's own, where an interlock holds the plan back."""
    return {
        "ruling": str(verdict.ruling),
        "not_requester": verdict.not_requester,
        "approvers": list(verdict.approvers),
        "would_change": list(verdict.would_change),
    }


def verdict_of(decided: Decided | None) -> Verdict | None:
    """None where the entry doesn't tell enough to count approvals by."""
    if decided is None or "not_requester" not in decided.facts:
        return None
    facts = decided.facts
    try:
        ruling = Ruling(str(facts.get("ruling", decided.verdict)))
    except ValueError:
        return None
    return Verdict(
        ruling,
        tuple(decided.reasons),
        tuple(decided.policies),
        decided.policy_digest,
        decided.approvals,
        bool(facts["not_requester"]),
        tuple(str(name) for name in facts.get("approvers", ())),
        tuple(str(text) for text in facts.get("would_change", ())),
    )
