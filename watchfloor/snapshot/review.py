"""A run as a reviewer reads it, top to bottom: evidence, plan as it was shown, verdict with its rules, approvals, each
command with what it printed and what was seen afterwards, impact. For terminals and for pipes. Pure.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from watchfloor.lineage.times import Times
from watchfloor.records.ledgerentry import Entry
from watchfloor.records.ledgerwords import Applied, Decided, JobImpact, Output
from watchfloor.runs import Grounds, Heard, RunRecord, StepRecord, signer_of
from watchfloor.snapshot.plan import impact_lines, plan_text, printable
from watchfloor.snapshot.words import duration

_OUTPUT_LINES = 40  # of one command
_UNHEARD = Heard("", "it can't be read")


class Tone(StrEnum):
    """What a line is, for whoever draws it."""

    HEAD = "head"
    PLAIN = "plain"
    DIM = "dim"
    COMMAND = "command"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    tone: Tone = Tone.PLAIN


Lines = Iterator[Line]
_OUTCOMES = {"succeeded": Tone.GOOD, "failed": Tone.BAD}
_STATES = {"verified": Tone.GOOD, "failed": Tone.BAD, "unverified": Tone.WARNING, "undone": Tone.WARNING}


def review(run: RunRecord, standing: str, times: Times, grounds: Grounds | None) -> Lines:
    """`standing`: where it stands, in a word; `grounds`: None where nobody was asked whose signatures count."""
    yield from _head(run, standing, times)
    for part in (_evidence(run, times), _plan(run), _verdict(run, times, grounds), _approvals(run, times, grounds)):
        yield Line("")
        yield from part
    yield Line("")
    yield from _done(run, times)
    yield Line("")
    yield from _impact(run)


def _head(run: RunRecord, standing: str, times: Times) -> Lines:
    said = f": {run.text}" if run.text else ""
    usual = Tone.WARNING if run.outcome else Tone.PLAIN
    yield Line(f"run {run.run}: {standing}{said}", _OUTCOMES.get(run.outcome, usual))
    who = run.who
    by = "" if who is None else f" by {who.name}" if who.kind == "person" else f" by {who.kind} {who.name}"
    behalf = f" for {who.on_behalf_of}" if who is not None and who.on_behalf_of else ""
    entries = f"entries {run.entries[0]} to {run.entries[1]} of the ledger"
    yield Line(f"proposed {times.at(run.proposed)}{by}{behalf}; {entries}", Tone.DIM)
    if run.begun:
        ended = f", over {times.at(run.ended)}" if run.ended else ""
        lasted = duration((run.ended or times.now) - run.begun)
        yield Line(f"begun {times.at(run.begun)}{ended}, {lasted}", Tone.DIM)


# -- why


def _evidence(run: RunRecord, times: Times) -> Lines:
    yield Line("Evidence", Tone.HEAD)
    if run.plan is None:
        yield Line("   its plan can't be read: `watchfloor audit log --run` has its entries", Tone.WARNING)
        return
    origin = run.plan.origin
    yield Line(f"   {origin.reason}")
    if origin.finding:
        yield Line(f"   finding {origin.finding} on {origin.subject}")
    yield Line(
        f"   by trigger {origin.trigger}" if origin.trigger else "   somebody asked for it: no trigger", Tone.DIM
    )
    for name, value in origin.samples.items():
        yield Line(f"   {name} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    yield from (Line(f"   considered: {one}", Tone.DIM) for one in origin.considered)
    if origin.seen_at:
        age = duration(max(0.0, run.proposed - origin.seen_at))
        yield Line(f"   as of {times.at(origin.seen_at)}, {age} before it was proposed", Tone.DIM)


def _plan(run: RunRecord) -> Lines:
    yield Line("The plan as it was shown", Tone.HEAD)
    if run.plan is None:
        yield Line("   it can't be read", Tone.WARNING)
        return
    yield from (Line(text, Tone.PLAN) for text in plan_text(run.plan, run.proposed).split("\n"))
    yield Line(f"digest {run.digest}, which is what is signed", Tone.DIM)


# -- by whose leave


def _verdict(run: RunRecord, times: Times, grounds: Grounds | None) -> Lines:
    if not run.decisions:
        yield Line("Verdict: nothing is decided yet", Tone.HEAD)
    for entry in run.decisions:
        decided = entry.told()
        if isinstance(decided, Decided):
            yield from _decision(entry, decided, times, grounds)
    for refusal in run.refusals:
        yield Line(f"refused, {refusal.why}: {refusal.text}", Tone.WARNING)


def _decision(entry: Entry, decided: Decided, times: Times, grounds: Grounds | None) -> Lines:
    needs = f", {decided.approvals} needed" if decided.approvals else ""
    yield Line(f"Verdict: {decided.verdict}{needs}, {times.at(entry.seconds)}", Tone.HEAD)
    yield from (Line(f"   {reason}") for reason in decided.reasons)
    yield from (Line(f"   held back by interlock {name}", Tone.WARNING) for name in decided.interlocks)
    for name in decided.policies:
        rule = grounds.rules.get(name) if grounds is not None else None
        yield Line(f"   by policy {name}{f', {rule.where}' if rule else ''}")
        yield from (Line(f"      {text}", Tone.DIM) for text in (rule.text.split("\n") if rule else ()))
    if decided.policies and grounds is not None and grounds.moved:
        yield Line("   policies are others by now: what is shown of them is as they stand today", Tone.WARNING)
    if decided.policy_digest:
        yield Line(f"   policies {decided.policy_digest}", Tone.DIM)


def _approvals(run: RunRecord, times: Times, grounds: Grounds | None) -> Lines:
    needed = max((int(entry.body.get("approvals", 0)) for entry in run.decisions), default=0)
    if not needed and not run.given:
        yield Line("Approvals: none is needed", Tone.HEAD)
        return
    counted = ""
    if grounds is not None and run.given:
        count = sum(_counts(entry, grounds) for entry in run.given)
        counted = f", {count} counts" if count == 1 else f", {count} count"
    yield Line(f"Approvals: {needed} needed{counted}", Tone.HEAD)
    for entry in run.given:
        yield from _statement(entry, times, grounds)
    if run.given and grounds is None:
        yield Line("   whose signatures they are, and which count, is not looked at here", Tone.DIM)


def _counts(entry: Entry, grounds: Grounds) -> bool:
    return entry.kind == "approval" and not grounds.heard.get(entry.number, _UNHEARD).lost


def _statement(entry: Entry, times: Times, grounds: Grounds | None) -> Lines:
    heard = grounds.heard.get(entry.number, _UNHEARD) if grounds is not None else Heard(signer_of(entry))
    whose = heard.principal or f"nobody who is known, put on record by {entry.who.name}"
    said = f"   {entry.kind} of {whose}, {times.at(entry.seconds)}: {entry.body.get('reason', '')}"
    good = Tone.PLAIN if grounds is None else Tone.GOOD
    yield Line(said, good if entry.kind == "approval" and not heard.lost else Tone.WARNING)
    if heard.lost:
        yield Line(f"      doesn't count, {heard.lost}", Tone.WARNING)
    elif grounds is not None:
        yield Line(f"      counts; entry {entry.number}", Tone.DIM)


# -- what was done, and what came of it


def _done(run: RunRecord, times: Times) -> Lines:
    yield Line("What was done", Tone.HEAD)
    if not run.begun:
        yield Line("   nothing", Tone.DIM)
    for step, record in run.of_plan():
        yield Line(f"{step.key}: {record.state}  {step.summary}", _STATES.get(record.state, Tone.PLAIN))
        yield from _attempts(record, times)
        if record.text:
            yield Line(f"   seen afterwards: {record.text}", _STATES.get(record.state, Tone.PLAIN))


def _attempts(record: StepRecord, times: Times) -> Lines:
    for attempt in record.attempts:
        undo = "undo, " if attempt.undo else ""
        yield Line(
            f"   {undo}attempt {attempt.number}, {times.at(attempt.at)}, operation {attempt.operation}", Tone.DIM
        )
        for applied in attempt.applied:
            yield from _command(applied)


def _command(applied: Applied) -> Lines:
    yield Line(f"   $ {printable(shlex.join(applied.argv))}", Tone.COMMAND)
    code = "nobody knows how it ended" if applied.exit_code is None else f"exit code {applied.exit_code}"
    yield Line(f"     {code}, {applied.seconds:.2f} s", Tone.GOOD if applied.exit_code == 0 else Tone.BAD)
    for printed in (applied.output, applied.errors):
        if printed is not None:
            yield from _printed(printed)


def _printed(printed: Output) -> Lines:
    lines = printed.excerpt.strip().splitlines()
    yield from (Line(f"     {text}", Tone.DIM) for text in lines[:_OUTPUT_LINES])
    if len(lines) > _OUTPUT_LINES or printed.bytes > len(printed.excerpt.encode()):
        yield Line(f"     … {printed.bytes} bytes in all, SHA-256 {printed.sha256}", Tone.DIM)


def _impact(run: RunRecord) -> Lines:
    yield Line("Impact", Tone.HEAD)
    if run.plan is not None:
        yield from (Line(f"   {text}") for text in impact_lines(run.plan.impact))
    yield from (Line(f"   on record: {_became(hit)}") for hit in run.impacts)
    if not run.impacts:
        yield Line("   of what became of jobs nothing is on record", Tone.DIM)


def _became(hit: JobImpact) -> str:
    user = f" of {hit.user}" if hit.user else ""
    lost = f", {hit.gpu_hours_lost:.1f} accelerator hours lost" if hit.gpu_hours_lost is not None else ""
    again = f", goes on as {hit.next_job}" if hit.next_job else ""
    return f"job {hit.job}{user} {hit.effect}{lost}{again}"
