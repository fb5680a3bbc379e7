"""Where a step of a run is: precheck, intent, applied, verifying, verified, undone, as its entries tell it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.present.format import age

if TYPE_CHECKING:
    from watchfloor.change import Step
    from watchfloor.runs import Attempt, RunRecord, StepRecord


def stage_of(run: RunRecord, step: Step, record: StepRecord) -> str:
    """In one word: its state, and where it is the step that the run is at, how far that has come."""
    undoing = record.last is not None and record.last.undo
    match record.state:
        case "waiting":
            return _before(run, step)
        case "begun":
            return "undoing" if undoing else "intent"
        case "applied":
            return "undoing" if undoing else "verifying" if _all_ended(step, record) else "applied"
    return record.state


def _before(run: RunRecord, step: Step) -> str:
    """The first step that nothing was told of yet, while the run goes on, is looked at just now."""
    at = next((key for key, one in _rows(run) if one.state in ("waiting", "begun", "applied")), "")
    if not run.begun or run.outcome or at != step.key or any(one.last and one.last.undo for _, one in _rows(run)):
        return "waiting"
    return "awaits" if step.wait else "precheck"


def _rows(run: RunRecord) -> list[tuple[str, StepRecord]]:
    return [(step.key, record) for step, record in run.of_plan()]


def _all_ended(step: Step, record: StepRecord) -> bool:
    """Every command of it, and none of them badly: what is left is to see whether it took effect."""
    ended = record.last.applied if record.last is not None else ()
    return len(ended) >= len(step.deeds) and all(applied.exit_code in (0, None) for applied in ended)


def doing(run: RunRecord, step: Step, record: StepRecord, now: float) -> str:
    """What is being done just now, or what came of it."""
    last, stage = record.last, stage_of(run, step, record)
    if last is None:
        return record.text or (f"until {step.wait}" if stage == "awaits" else step.summary)
    tries = f"attempt {last.number}, " if last.number > 1 else ""
    undo = "undo, " if last.undo else ""
    if stage in ("intent", "undoing"):
        return f"{undo}{tries}operation {last.operation}, since {age(max(0.0, now - last.at))}{_codes(last)}"
    if stage == "verifying":
        return f"{tries}looked at since {age(max(0.0, now - record.at))} whether it took effect{_codes(last)}"
    return f"{undo}{tries}{record.text or step.summary}{_codes(last)}"


def _codes(attempt: Attempt) -> str:
    """`  exit 0, 1`: of the commands that ended."""
    codes = ["?" if applied.exit_code is None else str(applied.exit_code) for applied in attempt.applied]
    return f"  exit {', '.join(codes)}" if codes else ""
