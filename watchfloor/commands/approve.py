"""`watchfloor approve`, `reject`, `withdraw`: what a person signs over a plan goes into the ledger; nothing is run."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from watchfloor import governance
from watchfloor.change import Plan, Ruling, Verdict
from watchfloor.commands import output
from watchfloor.commands.arguments import Source
from watchfloor.commands.plans import placed, run_of
from watchfloor.errors import ConfigError
from watchfloor.exits import Exit
from watchfloor.keeper import account
from watchfloor.metrics import Unit
from watchfloor.nosecret import refuse_secret
from watchfloor.places import ledger_file, signers_file
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note, Party, Who, node, person, time_of
from watchfloor.records.ledgerwords import Body, Refused
from watchfloor.runs import RunRecord
from watchfloor.signing import AgentSigner, Keygen, SshSigner, own_key
from watchfloor.snapshot.plan import plan_text, printable
from watchfloor.units import quantity

if TYPE_CHECKING:
    from agents.approvals import Refusal, Standing, Statement

    Kept = tuple[Statement, Standing, Refusal | None, int]  # what was signed, how it stands, its entry's number

FORMAT = "watchfloor.approval/1"

What = Annotated[str, Parameter(help="A run's id, or how its plan's digest begins.")]
Reason = Annotated[str, Parameter(help="Why. It is signed, and it is in the ledger.")]


@Parameter(name="*")
@dataclass(frozen=True)
class Signing:
    """With which key, and by whom it is checked."""

    key: Annotated[
        Path | None,
        Parameter(help="An SSH key, the public one where an agent has it. None: WATCHFLOOR_KEY, else one of ~/.ssh."),
    ] = None
    signers: Annotated[Path | None, Parameter(help="An allowed_signers file, instead of WATCHFLOOR_SIGNERS's.")] = None
    policies: Annotated[Path | None, Parameter(help="A folder of policies, instead of WATCHFLOOR_POLICIES's.")] = None
    people: Annotated[Path | None, Parameter(help="A people.yaml, instead of WATCHFLOOR_PEOPLE's.")] = None
    ledger: Annotated[Path | None, Parameter(help="A ledger's file, instead of WATCHFLOOR_LEDGER's.")] = None
    yes: Annotated[bool, Parameter(help="Sign without being asked.")] = False
    json: Annotated[bool, Parameter(help="As JSON.")] = False

    @property
    def allowed(self) -> Path:
        return self.signers or signers_file()

    def signer(self) -> SshSigner | AgentSigner:
        """Raises ConfigError."""
        key = SshSigner(self.key) if self.key else own_key(self.allowed)
        if key is None:
            raise ConfigError(
                f"no key of ~/.ssh, nor of an agent, is in {self.allowed}",
                "name yours by --key, and put its public half there: docs/approvals.md",
                file="--key",
            )
        return key


def approve(
    plan: What,
    /,
    *,
    reason: Reason,
    expires: Annotated[str, Parameter(help="For how long it counts, such as 4h. None: as long as the plan.")] = "",
    signing: Signing = Signing(),
    source: Source = Source(),
) -> int:
    """Show a plan, and sign that it may be carried out (exit codes: 0 enough, 10 more must, 11 refused)."""
    return _Desk("approve", plan, signing, source).said(reason, expires)


def reject(plan: What, /, *, reason: Reason, signing: Signing = Signing(), source: Source = Source()) -> int:
    """Sign that a plan must not be carried out; it isn't until you withdraw that."""
    return _Desk("reject", plan, signing, source).said(reason)


def withdraw(plan: What, /, *, reason: Reason, signing: Signing = Signing(), source: Source = Source()) -> int:
    """Take back your own approval or rejection of a plan."""
    return _Desk("withdraw", plan, signing, source).said(reason)


def signed(choice: str, run: str, reason: str, keygen: Keygen) -> str:
    """For a console that has shown the plan: sign as the commands do. What came of it, in a sentence. Raises
    ConfigError where it is refused, or can't be signed."""
    desk = _Desk(choice, run, Signing(yes=True), Source(), keygen)
    _, standing, refusal, number = desk.kept(reason, "")
    if refusal is not None:
        raise ConfigError(f"refused ({refusal.word}): {printable(refusal.text)}", "it is on record that it was")
    return printable(f"on record as entry {number}; approvals: {standing.text}")


class _Desk:
    """One plan, and what is signed of it."""

    def __init__(self, choice: str, word: str, signing: Signing, source: Source, console: Keygen | None = None) -> None:
        """`console`: by what one signs that has shown the plan already; without, it is shown here before."""
        self._console = console
        self._rules = governance.approvals
        self._choice = self._rules.Choice(choice)
        self._signing = signing
        self._path = signing.ledger or ledger_file()
        self._record, self._plan = run_of(word, self._path)
        self._in_force = governance.policies(signing.policies, signing.people)
        self._verdict = self._judged(source)

    def _judged(self, source: Source) -> Verdict:
        """As it is on record; where that doesn't tell whose approvals count, as policy says now."""
        told = governance.verdict_on_record(self._record.decided)
        if told is not None:
            return told
        return governance.reasoned(self._plan, placed(self._plan, source), self._in_force).verdict

    def said(self, reason: str, expires: str = "") -> int:
        if self._is_permitted:
            output.remark("No approval is needed: policy permits this plan.")
            return Exit.NOTHING_TO_DO
        return self._told(*self.kept(reason, expires))

    @property
    def _is_permitted(self) -> bool:
        return self._choice is self._rules.Choice.APPROVE and self._verdict.ruling is Ruling.PERMIT

    def kept(self, reason: str, expires: str) -> Kept:
        """Sign it, and put that on record, or that it was refused. Raises ConfigError."""
        now = time.time_ns()
        statement = self._rules.Statement(
            self._choice,
            self._plan.digest,
            _fit(reason, self._rules.LONGEST_REASON),
            time_of(now),
            _until(expires, now),
        )
        signer = self._signing.signer()
        if self._console is None:
            self._shown()
        elif isinstance(signer, SshSigner):
            signer = replace(signer, keygen=self._console)
        statement = replace(statement, signature=signer.sign(self._rules.NAMESPACE, statement.text))
        who = Who(Party.PERSON, account(), signer.fingerprint())
        return self._kept(statement, who, now / 1e9)

    def _shown(self) -> None:
        """The whole plan comes before the signature, and the question where there is a terminal."""
        if not self._signing.json:
            output.write(plan_text(self._plan, time.time()))
            output.write("")
            output.write("\n".join(printable(f"policy: {reason}") for reason in self._verdict.reasons))
        if self._signing.yes:
            return
        if not sys.stdin.isatty() or self._signing.json:
            raise ConfigError("nobody can be asked here", "--yes signs without a question", file="--yes")
        output.remark(f"\n{self._choice.capitalize()} this plan with your key? Type yes:")
        if sys.stdin.readline().strip().lower() != "yes":
            raise ConfigError("nothing was signed", "type yes to sign")

    def _kept(self, statement: Statement, who: Who, now: float) -> Kept:
        refusal = self._refusal(statement, now)
        if refusal is not None:
            self._append(
                who, Refused(why=str(refusal.word), text=refusal.text, what=str(self._choice)), refusal.principal
            )
            return statement, self._standing([], now), refusal, -1
        number = self._append(who, statement.body, self._principal(statement))
        return statement, self._standing([statement], now), None, number

    def _refusal(self, statement: Statement, now: float) -> Refusal | None:
        standing = self._standing([statement], now)
        found = [each for each in standing.refused if each.statement is statement]
        if found:
            return found[0]
        word = self._rules.Word
        if self._choice is self._rules.Choice.APPROVE and self._verdict.ruling is Ruling.DENY:
            return self._rules.Refusal(statement, word.DENIED, "policy denies this plan, whoever approves")
        if self._choice is self._rules.Choice.WITHDRAW and not self._has_spoken(statement, now):
            return self._rules.Refusal(statement, word.NOTHING, "there is nothing of yours to withdraw")
        return None

    def _has_spoken(self, statement: Statement, now: float) -> bool:
        before = self._standing([], now)
        principal = self._principal(statement)
        return any(said.principal == principal for said in (*before.by, *before.rejected))

    def _principal(self, statement: Statement) -> str:
        return governance.signers(self._signing.allowed)(statement.text, statement.signature).principal

    def _standing(self, more: Sequence[Statement], now: float) -> Standing:
        told = [*self._rules.statements(self._record.given), *more]
        check, people = governance.signers(self._signing.allowed), self._in_force.people
        return self._rules.standing(self._plan, self._verdict, told, now, people, check, _over(self._record))

    def _append(self, who: Who, body: Body, principal: str) -> int:
        nodes = dict.fromkeys(node(step.target.node) for step in self._plan.steps if step.target.node)
        subjects = (*nodes, *((person(principal),) if principal else ()))
        with Ledger(self._path) as ledger:
            return ledger.append(Note(who, body, subjects, self._record.run, self._plan.digest)).number

    def _told(self, statement: Statement, standing: Standing, refusal: Refusal | None, number: int) -> int:
        if self._signing.json:
            output.write_json(_document(self._plan, self._record, statement, standing, refusal, number))
        elif refusal is not None:
            output.remark(printable(f"Refused ({refusal.word}): {refusal.text}"))
        else:
            output.write(printable(f"On record as entry {number}. Approvals: {standing.text}."))
        if refusal is not None:
            return Exit.DENIED
        waits = self._choice is self._rules.Choice.APPROVE and not standing.approved
        return Exit.WAITS_FOR_APPROVAL if waits else Exit.OK


def _over(record: RunRecord) -> str:
    """Why nobody can approve it any more."""
    if record.outcome:
        return f"over: it {record.outcome}{': ' if record.text else ''}{record.text}"
    moved = [refused for refused in record.refusals if refused.why == "moved"]
    if moved:
        return f"moved: {moved[-1].text}"
    return "over: it has begun" if record.begun else ""


def _fit(reason: str, longest: int) -> str:
    """As the ledger will keep it, so that what was signed can be read from there. Raises ConfigError."""
    text = " ".join(reason.split())
    if not text:
        raise ConfigError("there is no reason", "say why: it is what an auditor reads", file="--reason")
    if len(text) > longest:
        raise ConfigError(f"the reason has {len(text)} characters", f"at most {longest}", file="--reason")
    refuse_secret(text, "the reason", "the ledger", "--reason")
    return text


def _until(expires: str, now_ns: int) -> str:
    if not expires:
        return ""
    try:
        seconds = quantity(expires, Unit.SECONDS)
    except ValueError as error:
        raise ConfigError(str(error), "such as 4h", file="--expires") from error
    if seconds <= 0:
        raise ConfigError("an approval that never counts", "such as 4h", file="--expires")
    return time_of(now_ns + int(seconds * 1e9))


def _document(
    plan: Plan, record: RunRecord, statement: Statement, standing: Standing, refusal: Refusal | None, number: int
) -> dict[str, object]:
    return {
        "format": FORMAT,
        "plan": plan.digest,
        "run": record.run or None,
        "decision": str(statement.choice),
        "entry": None if refusal is not None else number,
        "refused": None if refusal is None else {"word": str(refusal.word), "text": refusal.text},
        "approved": standing.approved,
        "have": standing.have,
        "need": standing.need,
        "by": [said.principal for said in standing.by],
        "rejected_by": [said.principal for said in standing.rejected],
    }
