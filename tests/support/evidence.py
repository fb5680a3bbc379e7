"""A console that has recorded a fault and what was done about it: a session, a ledger with real signatures."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

from agents.approvals import NAMESPACE, Choice, Statement, statements
from tests.support import runstory
from tests.support.frames import START
from tests.support.governed import Person, person
from tests.support.sessions import Floor
from watchfloor.change import Impact, JobHit, Origin, Plan
from watchfloor.evidence import check
from watchfloor.evidence.container import packed
from watchfloor.evidence.texts import Signed
from watchfloor.exits import Proof
from watchfloor.jobs.model import Allocation, Job, JobState, SourceAnswer, SourceState, SourceStatus
from watchfloor.records import ledgerwords as words
from watchfloor.records.ledgerentry import Entry, Party, Who, time_of
from watchfloor.report import Event
from watchfloor.session.cast import ScreenTape
from watchfloor.session.writer import Mark, SessionWriter
from watchfloor.signing import Checked, SshSigner, check_alone

RUN, NODE, JOB, FILE = "r9d41c07a9e2", "dgx-02", "slurm:41", "20270115T080000Z-terminal-1.session"
SECRET = "hf_" + "abcdefghijklmnopqrst"
HOSTILE = '<script>alert("x")</script>'
SECONDS = 90


@dataclass(frozen=True)
class Console:
    """`folder`: of its state. `colleague`: who has approved; `auditor`: whose key signs."""

    folder: Path
    plan: Plan
    colleague: Person
    auditor: Person

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def sessions(self) -> Path:
        return self.folder / "sessions"

    @property
    def unsigned_ledger(self) -> Path:
        """As it was before anybody bundled it."""
        return self.folder / "unsigned.db"

    @property
    def signers(self) -> Path:
        return self.folder / "allowed_signers"

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """This process becomes a command of that console."""
        monkeypatch.setenv("WATCHFLOOR_LEDGER", str(self.ledger))
        monkeypatch.setenv("WATCHFLOOR_SESSIONS", str(self.sessions))
        monkeypatch.setenv("WATCHFLOOR_SIGNERS", str(self.signers))
        monkeypatch.setenv("WATCHFLOOR_LINEAGE", str(self.folder / "lineage.db"))
        monkeypatch.setenv("WATCHFLOOR_KEY", str(self.auditor.key))


def console(folder: Path, secret: str = "", name: str = "train") -> Console:
    """`secret`: planted wherever something of the fleet's may be told. `name`: of the job."""
    colleague, auditor = person(folder, "carol@example.org"), person(folder, "audit@example.org")
    (folder / "allowed_signers").write_text(f"# who may approve\n{colleague.line()}{auditor.line('')}")
    digest = _recorded(folder / "sessions" / FILE, secret, name)
    plan = _on_record(folder / "ledger.db", colleague, digest, secret)
    shutil.copy(folder / "ledger.db", folder / "unsigned.db")
    return Console(folder, plan, colleague, auditor)


def _recorded(path: Path, secret: str, name: str) -> str:
    """The digest that it is sealed with."""
    floor, tape = Floor(), ScreenTape()
    writer = SessionWriter(path, floor.head())
    for second in range(SECONDS):
        if second == 20:
            text = f"XID 79 {name}, token={secret}" if secret else "XID 79"
            floor.tell(Event(floor.now, "kernel", "xid", text, "", 79, id="x"))
            floor.answer(_answer(floor.now, f"{name} {secret}".strip()))
        writer.frame(floor.step())
        shown = f"second {second} of --token {secret}" if secret else f"second {second}"
        lines = [("watchfloor", "\x1b[1mwatchfloor\x1b[0m"), (shown, f"\x1b[31m{shown}\x1b[0m")]
        writer.terminal(floor.now, tape.told(floor.now, (60, 2), lines))
    writer.mark(Mark(floor.now, "ledger", "outcome: succeeded", {"entry": "9"}))
    return writer.end()


def _answer(at: float, name: str) -> SourceAnswer:
    allocation = Allocation(NODE, 8, tuple(range(8)))
    job = Job(
        JOB, "alpha", "slurm", "41", name, "mira", state=JobState.RUNNING, started=at - 600, allocations=(allocation,)
    )
    return SourceAnswer(SourceStatus("alpha", "slurm", SourceState.OK, at, 0.1, 5.0), (job,), ())


def _on_record(path: Path, colleague: Person, digest: str, secret: str) -> Plan:
    """Ten entries of a run, with others before, between and behind them."""
    now = START + SECONDS
    drain = runstory.drain(NODE, f"xid 79 {secret}".strip())
    why = Origin("XID 79 on dgx-02", "xid in (79)", "xid-fatal", f"{NODE}/gpu3", {"xid": 79}, seen_at=now - 60)
    hit = Impact((JobHit(JOB, "drained-around", "mira", "train", 8, 1.5, "start"),), (NODE,), 8, 0.9)
    plan = runstory.planned("drain-node", runstory.ANNA, why, [drain], now - 55, hit)
    story = runstory.Story(path, now)
    story.tell(80, runstory.CRON, words.SessionStart(session="s1", version="0.1.0", mode="terminal", nodes=13))
    story.tell(79, runstory.CRON, words.PolicyChange(digest="bb" * 32, files=["shipped/default.cedar"]))
    story.run(
        RUN, plan,
        runstory.proposed(plan, 55), runstory.decided(54, "needs-approval", ["it takes a node out"], 1),
        _approval(colleague, plan, now - 50, now),
        *runstory.done(drain, 40, RUN, printed=f"drained\nAuthorization: Bearer {secret}\n" if secret else "drained\n"),
        runstory.seen(drain, 30, "took-effect", "the node is drained"), runstory.over(29, "succeeded"),
    )  # fmt: skip
    for ago in range(41, 48):
        story.tell(ago, runstory.CRON, words.Heartbeat(session="s1"))
    story.tell(1, runstory.CRON, words.Recording(file=FILE, size=1, sha256=digest))
    with closing(story.ledger):
        story.write()
    return plan


def _approval(colleague: Person, plan: Plan, at: float, now: float) -> runstory.Told:
    said = Statement(Choice.APPROVE, plan.digest, "seen it", time_of(int(at * 1e9)))
    signature = SshSigner(colleague.key).sign(NAMESPACE, said.text)
    signed = Statement(said.choice, said.plan, said.reason, said.time, "", signature)
    return now - at, Who(Party.PERSON, "carol"), signed.body


# -- verification


def verified(data: bytes) -> check.Verified:
    """As the command does it, without asking ssh-keygen the same twice."""
    return check.verified(data, check.Keys(_alone, lambda *_: Checked(""), {}, _statements))


def _statements(entries: Iterable[Entry]) -> Signed:
    return {one.number: (one.text, one.signature) for one in statements(entries)}


@lru_cache
def _alone(namespace: str, data: bytes, signature: str) -> Checked:
    return check_alone(namespace, data, signature)


def each_byte_counts(members: Mapping[str, bytes]) -> None:
    """Of every member, its first and last byte and some between them."""
    for name, data in members.items():
        for at in sorted({0, len(data) // 3, len(data) // 2, len(data) - 1}):
            found = verified(packed({**members, name: flipped(data, at)}))
            assert found.proof is Proof.ALTERED, (name, at)
            assert name in {wrong.file for wrong in found.troubles}, (name, at, found.troubles)


def flipped(data: bytes, at: int) -> bytes:
    """With one bit another."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
