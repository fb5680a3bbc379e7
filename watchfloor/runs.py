"""Runs as the ledger tells them: what was proposed, decided, approved, done, seen, and how it ended. Pure.

There is no other record of a run: whoever resumes, shows or reviews one folds its entries. What the ledger holds is on
disk before anything is done, so a run that was killed at any instant is exactly what its entries say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from watchfloor.change import Plan, Step, read_plan
from watchfloor.records import ledgerwords as words
from watchfloor.records.ledgerentry import Entry, Who, subjects_of

if TYPE_CHECKING:
    from watchfloor.records.ledgerreader import LedgerReader

APPROVALS = (words.Kind.APPROVAL, words.Kind.REJECTION, words.Kind.WITHDRAWAL)
KINDS = (
    words.Kind.PROPOSED,
    words.Kind.DECIDED,
    words.Kind.REFUSED,
    words.Kind.INTENT,
    words.Kind.APPLIED,
    words.Kind.VERIFIED,
    words.Kind.OUTCOME,
    words.Kind.JOB_IMPACT,
    *APPROVALS,
)


INTERLOCKED = "interlocked"  # a ruling: policy would have let it go on, or wait for approval


class Standing(StrEnum):
    """Where a run stands."""

    PROPOSED = "proposed"
    WAITING = "waits for approval"
    READY = "may begin"
    RUNNING = "running"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Heard:
    """Whose key signed an approval, rejection or withdrawal ("": nobody's who is known), and why it doesn't count."""

    principal: str
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy as it stands now. `where`: its file and line."""

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the files of this console say of a run: whose each approval, rejection and withdrawal is, by the number of
    its entry, and the policies that decided, by their ids. `moved`: since it was decided, other policies are in force.
    """

    heard: Mapping[int, Heard] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    moved: bool = False


_UNREADABLE = Heard("", "it can't be read")


class StepState(StrEnum):
    WAITING = "waiting"
    BEGUN = "begun"  # its intent is on record, and nothing of what came of it
    APPLIED = "applied"
    VERIFIED = "verified"
    FAILED = "failed"
    UNVERIFIED = "unverified"
    SKIPPED = "skipped"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One intent, and the commands of it that ended, each once: not those that made room anew after a stop."""

    operation: str
    number: int
    at: float
    undo: bool = False
    notes: str = ""  # where the console that began it notes which calls it has sent
    applied: tuple[words.Applied, ...] = ()

    def has(self, operation: str) -> bool:
        """Whether this is an operation of its own."""
        return operation in ("", self.operation) or operation.startswith(f"{self.operation}.")

    @property
    def done(self) -> bool:
        """Whether the last command ended well."""
        return bool(self.applied) and self.applied[-1].exit_code == 0

    @property
    def doubtful(self) -> bool:
        """Whether nobody knows how it ended."""
        return not self.applied or self.applied[-1].exit_code is None


@dataclass(frozen=True, slots=True)
class StepRecord:
    key: str
    state: StepState = StepState.WAITING
    attempts: tuple[Attempt, ...] = ()
    text: str = ""
    at: float = 0.0

    @property
    def last(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Times in seconds since the epoch; `decided` is the newest of `decisions`; `entries` are the numbers of the first
    and the last one."""

    run: str
    digest: str = ""
    plan: Plan | None = None
    who: Who | None = None
    proposed: float = 0.0
    ruling: str = ""  # permit, needs-approval, deny, interlocked
    decided: words.Decided | None = None
    decisions: tuple[Entry, ...] = ()
    begun: float = 0.0  # the first intent
    steps: Mapping[str, StepRecord] = field(default_factory=dict)
    outcome: str = ""
    text: str = ""
    ended: float = 0.0
    refusals: tuple[words.Refused, ...] = ()
    given: tuple[Entry, ...] = ()  # approvals, rejections, withdrawals
    impacts: tuple[words.JobImpact, ...] = ()  # what became of jobs
    heard: Mapping[int, Heard] | None = None  # by number of those entries; None where signatures weren't looked at
    entries: tuple[int, int] = (-1, -1)

    @property
    def standing(self) -> Standing:
        if self.outcome:
            return Standing.OVER
        if self.begun:
            return Standing.RUNNING
        return {"needs-approval": Standing.WAITING, "permit": Standing.READY}.get(self.ruling, Standing.PROPOSED)

    @property
    def told_last(self) -> float:
        """When something was told of it last."""
        return max(self.proposed, self.begun, self.ended, *(step.at for step in self.steps.values()), 0.0)

    @property
    def last_words(self) -> Mapping[str, Entry]:
        """The last word of each who approved, rejected or withdrew, as the entries say it; by their key, else name."""
        return {entry.who.fingerprint or entry.who.name: entry for entry in self.given}

    def whose(self, entry: Entry) -> Heard:
        """Whose word one of `given` is: by its signature, or as the entry says it where that wasn't looked at."""
        return Heard(signer_of(entry)) if self.heard is None else self.heard.get(entry.number, _UNREADABLE)

    @property
    def approved_by(self) -> tuple[str, ...]:
        return self._said(words.Kind.APPROVAL)

    @property
    def rejected_by(self) -> tuple[str, ...]:
        return self._said(words.Kind.REJECTION)

    def _said(self, kind: words.Kind) -> tuple[str, ...]:
        """Of whom it counts: by their signatures, or by who spoke last where those weren't looked at."""
        entries = self.last_words.values() if self.heard is None else self.given
        told = [self.whose(entry) for entry in entries if entry.kind == kind]
        return tuple(one.principal for one in told if not one.lost)

    def waits(self, now: float) -> bool:
        """Whether a person still has to say something for it to begin, and can."""
        if self.standing is not Standing.WAITING or self.plan is None or now >= self.plan.expires or self.rejected_by:
            return False
        return self.lacks > 0

    @property
    def needed(self) -> int:
        """How many persons have to approve it, where any has to."""
        return max(1, self.decided.approvals if self.decided else 1)

    @property
    def lacks(self) -> int:
        """How many approvals are missing; all signatures are looked at again when it begins."""
        return max(0, self.needed - len(self.approved_by))

    @property
    def held_back(self) -> str:
        """Why interlocks held it back when that was decided, "" where none did: those are the last of the reasons."""
        decided = self.decided
        held = decided.reasons[-len(decided.interlocks) :] if decided and decided.interlocks else []
        return "" if self.ruling != INTERLOCKED or self.outcome else "; ".join(held)

    def step(self, key: str) -> StepRecord:
        return self.steps.get(key, StepRecord(key))

    def of_plan(self) -> list[tuple[Step, StepRecord]]:
        """The steps of the plan in their order, with what became of each."""
        return [(step, self.step(step.key)) for step in self.plan.steps] if self.plan else []


def signer_of(entry: Entry) -> str:
    """The principal whose key signed it, as it was found when it was put on record; else the account that put it."""
    return next(iter(subjects_of(entry.subjects, "person")), entry.who.name)


class Fold:
    """Runs by their id, from entries in the order of their numbers: taken bit by bit, as a ledger grows."""

    def __init__(self) -> None:
        self.runs: dict[str, RunRecord] = {}
        self._by_plan: dict[str, list[str]] = {}

    def take(self, entries: Iterable[Entry]) -> None:
        """Those that follow. Approvals name a plan: they go to its runs."""
        for entry in entries:
            for run in [entry.run] if entry.run else self._by_plan.get(entry.plan, ()):
                before = self.runs.get(run, RunRecord(run, entries=(entry.number, entry.number)))
                after = _after(before, entry)
                self.runs[run] = replace(after, entries=(before.entries[0], entry.number))
                if entry.plan and run not in self._by_plan.setdefault(entry.plan, []):
                    self._by_plan[entry.plan].append(run)


def fold(entries: Iterable[Entry]) -> dict[str, RunRecord]:
    """Runs by their id, from entries in the order of their numbers."""
    whole = Fold()
    whole.take(entries)
    return whole.runs


def runs_of(reader: LedgerReader, since: float) -> list[RunRecord]:
    """Those of which something was told since then, in their order; what was told of them before is there as well."""
    return [run for run in _all(reader).values() if run.told_last >= since]


def _all(reader: LedgerReader) -> dict[str, RunRecord]:
    from watchfloor.records.ledgerreader import Wanted  # noqa: PLC0415 - a screen without a ledger needs no database

    return fold(reader.entries(Wanted(kinds=KINDS)))


def find(reader: LedgerReader, run: str) -> list[RunRecord]:
    """The run of this id, else those whose ids begin so."""
    found = _all(reader)
    return [found[run]] if run in found else [record for name, record in found.items() if name.startswith(run)]


def _after(run: RunRecord, entry: Entry) -> RunRecord:
    body = entry.told()
    fold_in = _FOLDS.get(type(body))
    return run if fold_in is None else fold_in(run, entry, body)


def _proposed(run: RunRecord, entry: Entry, body: words.Proposed) -> RunRecord:
    return replace(run, digest=entry.plan, plan=_plan(body), who=entry.who, proposed=entry.seconds)


def _decided(run: RunRecord, entry: Entry, body: words.Decided) -> RunRecord:
    known = replace(run, ruling=body.verdict, decided=body, decisions=(*run.decisions, entry))
    return replace(known, digest=run.digest or entry.plan)


def _given(run: RunRecord, entry: Entry, body: words.Body) -> RunRecord:
    return replace(run, given=(*run.given, entry))


def _refused(run: RunRecord, entry: Entry, body: words.Refused) -> RunRecord:
    return replace(run, refusals=(*run.refusals, body))


def _intent(run: RunRecord, entry: Entry, body: words.Intent) -> RunRecord:
    begun = replace(run, begun=run.begun or entry.seconds)
    return _with(begun, _intended(run.step(body.step), body, entry.seconds))


def _apply(run: RunRecord, entry: Entry, body: words.Applied) -> RunRecord:
    return _with(run, _applied(run.step(body.step), body, entry.seconds))


def _verify(run: RunRecord, entry: Entry, body: words.Verified) -> RunRecord:
    return _with(run, _verified(run.step(body.step), body, entry.seconds))


def _over(run: RunRecord, entry: Entry, body: words.Outcome) -> RunRecord:
    return replace(run, outcome=body.outcome, text=body.text, ended=entry.seconds)


def _hit(run: RunRecord, entry: Entry, body: words.JobImpact) -> RunRecord:
    return replace(run, impacts=(*run.impacts, body))


_FOLDS: Mapping[type, Callable[[RunRecord, Entry, Any], RunRecord]] = {
    words.Proposed: _proposed,
    words.Decided: _decided,
    words.Approval: _given,
    words.Rejection: _given,
    words.Withdrawal: _given,
    words.Refused: _refused,
    words.Intent: _intent,
    words.Applied: _apply,
    words.Verified: _verify,
    words.Outcome: _over,
    words.JobImpact: _hit,
}


def _plan(body: words.Proposed) -> Plan | None:
    try:
        return read_plan(body.plan)
    except msgspec.ValidationError:
        return None


def _with(run: RunRecord, step: StepRecord) -> RunRecord:
    return replace(run, steps={**run.steps, step.key: step})


def _intended(step: StepRecord, body: words.Intent, at: float) -> StepRecord:
    facts = body.facts
    attempt = Attempt(body.operation, body.attempt, at, bool(facts.get("undo")), str(facts.get("notes", "")))
    return replace(step, state=StepState.BEGUN, attempts=(*step.attempts, attempt), at=at, text="")


def _applied(step: StepRecord, body: words.Applied, at: float) -> StepRecord:
    last = step.last
    if last is None:
        return step
    if not last.has(body.operation):
        return replace(step, at=at)
    last = replace(last, applied=(*last.applied, body))
    return replace(step, state=StepState.APPLIED, attempts=(*step.attempts[:-1], last), at=at)


def _verified(step: StepRecord, body: words.Verified, at: float) -> StepRecord:
    return replace(step, state=state_after(body.result, step), text=body.text, at=at)


def state_after(result: str, step: StepRecord) -> StepState:
    """What the result of a look, as the ledger has it, makes of a step."""
    undone = step.last is not None and step.last.undo
    took = StepState.UNDONE if undone else StepState.VERIFIED
    known = {"took-effect": took, "no-effect": StepState.FAILED, "skipped": StepState.SKIPPED}
    return known.get(result, StepState.UNVERIFIED)
