"""Runs as text and as documents. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from watchfloor.change import plain
from watchfloor.lineage.times import Times
from watchfloor.records.ledgerentry import Entry
from watchfloor.runs import Grounds, RunRecord, Standing
from watchfloor.snapshot.aligned import aligned
from watchfloor.snapshot.plan import printable
from watchfloor.snapshot.review import review

FORMAT = "watchfloor.runs/1"


def standing_text(run: RunRecord) -> str:
    """In one word, or two."""
    if run.outcome:
        return run.outcome
    if run.standing is Standing.PROPOSED and run.ruling:
        return run.ruling
    return run.standing


def runs_text(runs: Sequence[RunRecord], times: Times) -> str:
    if not runs:
        return "no runs"
    rows = [("RUN", "WHEN", "PLAYBOOK", "TARGETS", "BY", "STANDS")]
    rows += [_row(run, times) for run in runs]
    return aligned(rows)


def _row(run: RunRecord, times: Times) -> tuple[str, str, str, str, str, str]:
    plan = run.plan
    targets = list(dict.fromkeys(str(step.target) for step in plan.steps)) if plan else []
    more = f" +{len(targets) - 3}" if len(targets) > 3 else ""
    who = run.who.name if run.who else ""
    name = plan.playbook if plan else "?"
    why = f": {printable(run.held_back)}" if run.held_back else ""
    return (run.run, times.at(run.proposed), name, ", ".join(targets[:3]) + more, who, standing_text(run) + why)


def run_text(run: RunRecord, times: Times, grounds: Grounds) -> str:
    """All of it, as a reviewer reads it."""
    told = review(run, standing_text(run), times, grounds)
    return "\n".join(printable(text) for line in told for text in line.text.split("\n"))


def given_lines(run: RunRecord, entry: Entry, times: Times) -> Iterator[str]:
    """What somebody said of its plan, and why that doesn't count where it doesn't."""
    heard = run.whose(entry)
    whose = heard.principal or f"nobody who is known, put on record by {entry.who.name}"
    yield f"{entry.kind} of {whose}, {times.at(entry.seconds)}: {entry.body.get('reason', '')}"
    if heard.lost:
        yield f"   doesn't count, {heard.lost}"


def document(run: RunRecord) -> dict[str, Any]:
    decided = run.decided
    return {
        "run": run.run,
        "standing": standing_text(run),
        "plan_digest": run.digest,
        "plan": plain(run.plan) if run.plan else None,
        "ruling": run.ruling,
        "reasons": list(decided.reasons) if decided else [],
        "policies": list(decided.policies) if decided else [],
        "approvals_needed": decided.approvals if decided else 0,
        "approved_by": list(run.approved_by),
        "rejected_by": list(run.rejected_by),
        "said": [_said(run, entry) for entry in run.given],
        "outcome": run.outcome or None,
        "text": run.text,
        "proposed": run.proposed or None,
        "begun": run.begun or None,
        "ended": run.ended or None,
        "refusals": [{"why": refusal.why, "text": refusal.text} for refusal in run.refusals],
        "steps": [
            {"step": step.key, "state": record.state, "text": record.text, "attempts": len(record.attempts)}
            for step, record in run.of_plan()
        ],
        "entries": list(run.entries),
    }


def _said(run: RunRecord, entry: Entry) -> dict[str, Any]:
    """`counts`: null where the signature wasn't looked at."""
    heard = run.whose(entry)
    return {
        "entry": entry.number,
        "kind": entry.kind,
        "by": heard.principal or None,
        "on_record_by": entry.who.name,
        "time": entry.seconds,
        "reason": entry.body.get("reason", ""),
        "counts": None if run.heard is None else not heard.lost,
        "why_not": heard.lost or None,
    }


def runs_document(runs: Sequence[RunRecord]) -> dict[str, Any]:
    return {"format": FORMAT, "runs": [document(run) for run in runs]}
