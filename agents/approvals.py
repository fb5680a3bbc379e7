"""Approvals: what a person signs over a plan's digest, and how many of them count. Signatures are checked by who calls.

What is signed is one line of canonical JSON (RFC 8785), under OpenSSH's namespace watchfloor-approval:

    {"decision":"approve","expires":"…Z","format":"watchfloor-approval/1","plan":"<digest>","reason":"…","time":"…Z"}

It can be made anew from an entry of the ledger, so that whoever counts believes signatures and not entries. Of each
person the statement signed last counts; who took part is the principal of allowed_signers, never an account's word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from agents.policy import needed_words
from watchfloor.change import Plan, Ruling, Verdict
from watchfloor.people import People
from watchfloor.records.ledgerentry import Entry, Party, Who, seconds_of
from watchfloor.records.ledgerjson import canonical
from watchfloor.records.ledgerwords import Approval, Rejection, Withdrawal
from watchfloor.runs import Heard
from watchfloor.signing import Checked

NAMESPACE = "watchfloor-approval"
FORMAT = "watchfloor-approval/1"
SIGNED_AT = "signed"  # among an entry's facts
LONGEST_REASON = 1_000  # characters
_SKEW_SECONDS = 300.0  # by which another console's clock may be ahead

Check = Callable[[bytes, str], Checked]  # what was signed, and the signature in armour: by whom


class Choice(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"


_BODIES = {Choice.APPROVE: Approval, Choice.REJECT: Rejection, Choice.WITHDRAW: Withdrawal}


class Word(StrEnum):
    """Why a statement doesn't count."""

    UNKNOWN_KEY = "unknown-key"
    NOT_SIGNED = "not-signed"  # by nobody, over another plan, or altered since
    REPLAYED = "replayed"
    EXPIRED = "expired"
    FROM_THE_FUTURE = "from-the-future"
    REQUESTER = "requester"
    AGENT = "agent"
    NOT_OF_GROUP = "not-of-group"
    NO_REASON = "no-reason"
    SUPERSEDED = "superseded"  # by a later statement of the same person
    MOVED = "moved"
    OVER = "over"
    DENIED = "denied"
    NOTHING = "nothing"  # to withdraw


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody says of a plan. Times as RFC 3339 in UTC; `expires` "" is as long as the plan lasts."""

    choice: Choice
    plan: str
    reason: str
    time: str
    expires: str = ""
    signature: str = ""
    party: Party = Party.PERSON  # who put it on record
    number: int = -1  # of its entry

    @property
    def text(self) -> bytes:
        """What is signed."""
        facts = {"decision": self.choice, "expires": self.expires, "format": FORMAT, "plan": self.plan}
        return canonical({**facts, "reason": self.reason, "time": self.time})

    @property
    def body(self) -> Approval | Rejection | Withdrawal:
        """As an entry holds it."""
        made = _BODIES[self.choice]
        return made(reason=self.reason, signature=self.signature, expires=self.expires, facts={SIGNED_AT: self.time})


@dataclass(frozen=True, slots=True)
class Said:
    """A statement whose signature was checked."""

    statement: Statement
    person: str
    principal: str
    fingerprint: str
    at: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Refusal:
    statement: Statement
    word: Word
    text: str
    principal: str = ""

    @property
    def told(self) -> str:
        return f"{self.word}: {self.text}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a plan stands. `by`: whose approvals count; `rejected`: who is against it, which holds it up; `withdrawn`:
    who took something back, and has said nothing since."""

    approved: bool
    have: int
    need: int
    by: tuple[Said, ...] = ()
    rejected: tuple[Said, ...] = ()
    refused: tuple[Refusal, ...] = ()
    withdrawn: tuple[Said, ...] = ()
    wanted: str = ""  # "1 approval of another person than who asks"

    @property
    def text(self) -> str:
        if self.rejected:
            return f"rejected by {_reasons(self.rejected)}"
        names = f": {', '.join(said.principal for said in self.by)}" if self.by else ""
        back = f"; taken back by {_reasons(self.withdrawn)}" if self.withdrawn and not self.approved else ""
        told = dict.fromkeys(_lost(each) for each in self.refused if each.word is not Word.SUPERSEDED)
        lost = "" if self.approved else "".join(f"; {text}" for text in told)
        return f"{self.have} of {self.need}{names}{back}{lost}" if self.need else "no approval is needed"

    @property
    def heard(self) -> dict[int, Heard]:
        """By the number of its entry what became of each statement."""
        taken = {each.statement.number: Heard(each.principal) for each in (*self.by, *self.rejected, *self.withdrawn)}
        return taken | {each.statement.number: Heard(each.principal, each.told) for each in self.refused}


def _lost(refusal: Refusal) -> str:
    whose = f" of {refusal.principal}" if refusal.principal else ""
    return f"one {refusal.statement.body.kind}{whose} doesn't count, {refusal.told}"


def _reasons(said: Iterable[Said]) -> str:
    return ", ".join(f"{each.principal}: {each.statement.reason}" for each in said)


def statements(entries: Iterable[Entry]) -> Iterator[Statement]:
    """Those among entries of the ledger."""
    choices = {body.kind: choice for choice, body in _BODIES.items()}
    for entry in entries:
        body = entry.told()
        if isinstance(body, Approval | Rejection | Withdrawal):
            yield Statement(
                choices[body.kind],
                entry.plan,
                body.reason,
                str(body.facts.get(SIGNED_AT, "")),
                body.expires,
                body.signature,
                entry.who.kind,
                entry.number,
            )


@dataclass(frozen=True, slots=True)
class _Case:
    plan: Plan
    verdict: Verdict
    now: float
    people: People
    over: str


def standing(
    plan: Plan, verdict: Verdict, told: Iterable[Statement], now: float, people: People, check: Check, over: str = ""
) -> Standing:
    """Who approves of a plan. `now` in seconds since the epoch; `over`: why nobody can approve it any more, or "".

    A verdict of deny is never met, whoever signs. Every signature is checked again.
    """
    said, refused = _heard(plan, told, now, people, check)
    last = _last_of_each(said)
    refused += [_superseded(each) for each in said if each not in last and each.statement.choice is Choice.APPROVE]
    case = _Case(plan, verdict, now, people, over)
    by: list[Said] = []
    for each in last:
        if each.statement.choice is not Choice.APPROVE:
            continue
        if wrong := _not_counted(case, each, by):
            refused.append(Refusal(each.statement, *wrong, each.principal))
        else:
            by.append(each)
    rejected = tuple(each for each in last if each.statement.choice is Choice.REJECT)
    withdrawn = tuple(each for each in last if each.statement.choice is Choice.WITHDRAW)
    ready = verdict.ruling is not Ruling.DENY and not rejected and not over and now < plan.expires
    enough, wanted = len(by) >= verdict.approvals, needed_words(verdict) if verdict.approvals else ""
    return Standing(
        ready and enough, len(by), verdict.approvals, tuple(by), rejected, tuple(refused), withdrawn, wanted
    )


def _heard(
    plan: Plan, told: Iterable[Statement], now: float, people: People, check: Check
) -> tuple[list[Said], list[Refusal]]:
    """Each statement that a person signed, once; and the others."""
    said: dict[tuple[bytes, str], Said] = {}  # by what was signed and with which key: two may say the same
    refused: list[Refusal] = []
    for statement in told:
        found = _said(plan, statement, now, people, check)
        if isinstance(found, Refusal):
            refused.append(found)
        elif (statement.text, found.fingerprint) in said:
            refused.append(Refusal(statement, Word.REPLAYED, "it is on record already", found.principal))
        else:
            said[statement.text, found.fingerprint] = found
    return list(said.values()), refused


def _said(plan: Plan, statement: Statement, now: float, people: People, check: Check) -> Said | Refusal:
    """Whose word it is, whatever it says."""
    if wrong := _beforehand(plan, statement):
        return Refusal(statement, *wrong)
    checked = check(statement.text, statement.signature)
    who = checked.principal
    if not who:
        if "incorrect signature" in checked.why or not statement.signature:
            return Refusal(statement, Word.NOT_SIGNED, "it is over another plan, or was altered since")
        return Refusal(statement, Word.UNKNOWN_KEY, f"no key that counts has signed it ({checked.why})")
    if wrong := _of_nobody(who, statement, now):
        return Refusal(statement, *wrong, who)
    at = seconds_of(statement.time)
    return Said(statement, people.person(who, checked.fingerprint), who, checked.fingerprint, at)


def _of_nobody(who: str, statement: Statement, now: float) -> tuple[Word, str] | None:
    """Why this principal is no person, or hasn't said it yet."""
    if set(who) & set("*?!"):
        return Word.UNKNOWN_KEY, f"{who} is a pattern: allowed_signers must name each person"
    if who.partition(":")[0] in (Party.AGENT, Party.SERVICE):
        return Word.AGENT, f"{who} is no person"
    if seconds_of(statement.time) > now + _SKEW_SECONDS:
        return Word.FROM_THE_FUTURE, f"signed at {statement.time}, which is still to come"
    return None


def _beforehand(plan: Plan, statement: Statement) -> tuple[Word, str] | None:
    """What is wrong with a statement whoever signed it."""
    if statement.plan != plan.digest:
        return Word.NOT_SIGNED, "it is over another plan"
    if statement.party is not Party.PERSON:
        return Word.AGENT, f"a {statement.party} put it on record, and people approve"
    if not statement.reason.strip():
        return Word.NO_REASON, "it gives no reason"
    try:
        seconds_of(statement.time)
    except ValueError:
        return Word.NOT_SIGNED, "it doesn't say when it was signed"
    return None


def _last_of_each(said: Sequence[Said]) -> list[Said]:
    """Of each person the statement signed last; where two were signed at once, the one that approves less.

    Names that merely look alike are two persons here: nobody takes back another's rejection.
    """
    caution = (Choice.APPROVE, Choice.WITHDRAW, Choice.REJECT)
    last: list[Said] = []
    for each in sorted(said, key=lambda found: (found.at, caution.index(found.statement.choice))):
        last = [other for other in last if other.person != each.person and other.fingerprint != each.fingerprint]
        last.append(each)
    return last


def _same(one: Said, other: Said, people: People) -> bool:
    """Whether two may be one person, by key or name: rather taken for one once too often."""
    return one.fingerprint == other.fingerprint or people.same(one.person, other.person)


def _superseded(each: Said) -> Refusal:
    return Refusal(each.statement, Word.SUPERSEDED, f"{each.principal} has said otherwise since", each.principal)


def _not_counted(case: _Case, each: Said, by: Sequence[Said]) -> tuple[Word, str] | None:
    """Why an approval with a good signature doesn't count."""
    who, people, verdict = each.principal, case.people, case.verdict
    groups = people.groups_of(Who(Party.PERSON, each.person, each.fingerprint))
    lacking = [name for name in verdict.approvers if name not in groups]
    tests = (
        (bool(case.over), Word.MOVED if case.over.startswith("moved") else Word.OVER, case.over),
        (case.now >= case.plan.expires, Word.EXPIRED, "the plan is too old"),
        (_is_over(each.statement.expires, case.now), Word.EXPIRED, f"it counted until {each.statement.expires}"),
        (
            verdict.not_requester and is_requester(case.plan, each, people),
            Word.REQUESTER,
            f"{who} asked for it: another person has to approve",
        ),
        (bool(lacking), Word.NOT_OF_GROUP, f"{who} is not of the group {' and '.join(lacking)}"),
        (any(_same(each, other, people) for other in by), Word.SUPERSEDED, f"{who} has approved already"),
    )
    return next(((word, text) for holds, word, text in tests if holds), None)


def _is_over(expires: str, now: float) -> bool:
    try:
        return bool(expires) and now >= seconds_of(expires)
    except ValueError:
        return True


def is_requester(plan: Plan, said: Said, people: People) -> bool:
    """Whether this is who asked for the plan, or on whose behalf: by name, principal or key."""
    who = plan.who
    names = (who.name if who.kind is Party.PERSON else "", who.on_behalf_of)
    if who.fingerprint and (said.fingerprint == who.fingerprint or people.same(said.person, who.fingerprint)):
        return True
    return any(people.same(name, mine) for name in names for mine in (said.person, said.principal))


@dataclass(frozen=True)
class Tally:
    """`standing` over entries of the ledger, as the harness asks for it."""

    people: People
    check: Check

    def __call__(self, plan: Plan, verdict: Verdict, entries: Sequence[Entry], now: float) -> Standing:
        return standing(plan, verdict, statements(entries), now, self.people, self.check)
