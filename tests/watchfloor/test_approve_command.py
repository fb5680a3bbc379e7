"""`watchfloor approve`, `reject`, `withdraw` with real keys: what is signed and what is refused, both on record."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.governed import NEEDS_ONE, Person, person, plan, proposed, ssh_agent
from tests.support.parts import ROOT
from tests.support.planted import leaks, planted
from tui.present import approvals as words
from watchfloor import cli, governance
from watchfloor.change import Plan, Ruling, Verdict
from watchfloor.commands.run import myself
from watchfloor.exits import Exit
from watchfloor.ledgerfollower import LedgerFollower
from watchfloor.lineage.times import Times
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Entry, Note
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.records.ledgerwords import Body, Outcome, Refused
from watchfloor.signing import SshSigner

Run = Callable[..., int]


class Office:
    """A ledger with one plan of anna's that waits, three people with keys, and the commands."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capfd = folder, capfd
        self.path = folder / "ledger.db"
        self.anna, self.bob, self.carol = (person(folder, f"{name}@example.org") for name in ("anna", "bob", "carol"))
        self.signers = folder / "allowed_signers"
        self.signers.write_text(self.anna.line() + self.bob.line() + self.carol.line(), "utf-8")
        self.plan = fresh()
        self.out = self.err = ""

    def __call__(self, word: str, what: str, who: Person | None = None, reason: str = "seen it", *more: str) -> int:
        key = ["--key", str(who.key)] if who else []
        code = cli.run([word, what, "--reason", reason, *key, "--yes", *more])
        self.out, self.err = self._capfd.readouterr()
        return code

    def json(self, *words: Any) -> dict[str, Any]:
        self(*words, "--json")
        return json.loads(self.out)

    def tell(self, body: Body) -> None:
        with Ledger(self.path) as ledger:
            ledger.append(Note(self.plan.who, body, (), "r1", self.plan.digest))

    def newest(self) -> Entry:
        with LedgerReader(self.path) as reader:
            return next(reader.entries(Wanted(), most=1, newest_first=True))


def fresh(playbook: str = "by-hand") -> Plan:
    now = time.time()
    return replace(plan("drain_node", playbook=playbook), created=now, expires=now + 3600)


@pytest.fixture
def office(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Office:
    office = Office(tmp_path, capfd)
    monkeypatch.setenv("WATCHFLOOR_LEDGER", str(office.path))
    monkeypatch.setenv("WATCHFLOOR_SIGNERS", str(office.signers))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("WATCHFLOOR_POLICIES", "WATCHFLOOR_PEOPLE", "WATCHFLOOR_KEY"):
        monkeypatch.delenv(name, raising=False)
    proposed(office.path, office.plan)
    return office


def test_an_approval_is_signed_and_on_record(office: Office) -> None:
    assert office("approve", "r1", office.carol) == Exit.OK
    assert office.plan.digest[:16] in office.out and "drain_node n1" in office.out  # the whole plan comes first
    assert "On record as entry 2. Approvals: 1 of 1: carol@example.org." in office.out
    entry = office.newest()
    assert (entry.kind, entry.plan, entry.run) == ("approval", office.plan.digest, "r1")
    assert entry.body["reason"] == "seen it" and entry.who.fingerprint.startswith("SHA256:")
    assert entry.subjects == ("node:n1", "person:carol@example.org")


def test_what_was_signed_can_be_checked_by_ssh_keygen_alone(office: Office) -> None:
    """As docs/approvals.md says."""
    office("approve", office.plan.digest[:8], office.carol, "seen it", "--expires", "2h")
    body = office.newest().body
    facts = {"decision": "approve", "expires": body["expires"], "format": "watchfloor-approval/1"}
    facts |= {"plan": office.plan.digest, "reason": body["reason"], "time": body["facts"]["signed"]}
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    (office.folder / "sig").write_text(body["signature"], "ascii")
    words = ["ssh-keygen", "-Y", "verify", "-f", office.signers, "-I", "carol@example.org", "-n", "watchfloor-approval"]
    done = subprocess.run([*words, "-s", office.folder / "sig"], input=text, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_more_than_one_may_be_needed(office: Office) -> None:
    two = fresh("two")
    proposed(office.path, two, replace(NEEDS_ONE, approvals=2), "r2")
    assert office("approve", "r2", office.carol) == Exit.WAITS_FOR_APPROVAL
    assert office("approve", "r2", office.carol) == Exit.WAITS_FOR_APPROVAL  # herself again
    assert office.json("approve", "r2", office.bob, "me too") | {"entry": 0} == {
        "format": "watchfloor.approval/1",
        "plan": two.digest,
        "run": "r2",
        "decision": "approve",
        "entry": 0,
        "refused": None,
        "approved": True,
        "have": 2,
        "need": 2,
        "by": ["carol@example.org", "bob@example.org"],
        "rejected_by": [],
    }


@pytest.mark.parametrize(
    ("who", "word"), [("anna", "requester"), ("mallory", "unknown-key")], ids=["by who asked", "by an unknown key"]
)
def test_what_is_refused_is_on_record_too(office: Office, who: str, word: str) -> None:
    someone = office.anna if who == "anna" else person(office.folder, "mallory@example.org")
    assert office("approve", "r1", someone) == Exit.DENIED
    assert f"Refused ({word})" in office.err
    entry = office.newest()
    assert (entry.kind, entry.body["why"], entry.plan) == ("refused", word, office.plan.digest)
    told = office.json("approve", "r1", someone, "again")
    assert told["refused"]["word"] == word and not told["approved"] and told["entry"] is None


def test_nothing_is_approved_after_the_state_moved_or_the_run_is_over(office: Office) -> None:
    office.tell(Refused(why="moved", text="n1 has another job"))
    assert office("approve", "r1", office.carol) == Exit.DENIED
    assert "Refused (moved): moved: n1 has another job" in office.err
    office.tell(Outcome(outcome="refused", text="moved"))
    assert office.json("approve", "r1", office.carol, "so what")["refused"]["word"] == "over"


def test_a_plan_that_has_expired_or_is_denied_is_not_approved(office: Office) -> None:
    old = replace(fresh("old"), expires=time.time() - 1)
    proposed(office.path, old, NEEDS_ONE, "r2")
    assert office.json("approve", "r2", office.carol, "late")["refused"]["word"] == "expired"
    proposed(office.path, fresh("denied"), Verdict(Ruling.DENY, ("nobody may",)), "r3")
    assert office.json("approve", "r3", office.carol, "but I may")["refused"]["word"] == "denied"


def test_what_is_permitted_needs_no_approval(office: Office) -> None:
    proposed(office.path, fresh("permitted"), Verdict(Ruling.PERMIT), "r2")
    assert office("approve", "r2", office.carol) == Exit.NOTHING_TO_DO


def test_a_copy_of_an_approval_on_another_plan_counts_nothing(office: Office) -> None:
    office("approve", "r1", office.carol)
    copied = office.newest().told()
    assert copied is not None
    other = fresh("other")
    proposed(office.path, other, replace(NEEDS_ONE, approvals=2), "r2")
    with Ledger(office.path) as ledger:
        ledger.append(Note(other.who, copied, (), "r2", other.digest))
    assert office("approve", "r2", office.bob) == Exit.WAITS_FOR_APPROVAL
    assert "1 of 2: bob@example.org" in office.out


def test_a_rejection_holds_up_until_it_is_withdrawn(office: Office) -> None:
    assert office("reject", "r1", office.bob, "not today") == Exit.OK
    assert office("approve", "r1", office.carol) == Exit.WAITS_FOR_APPROVAL
    assert "rejected by bob@example.org: not today" in office.out
    assert office("withdraw", "r1", office.bob, "today after all") == Exit.OK
    assert "1 of 1: carol@example.org" in office.out
    assert office.json("withdraw", "r1", office.bob, "again")["refused"]["word"] == "nothing"


def test_an_approval_that_was_withdrawn_is_gone(office: Office) -> None:
    office("approve", "r1", office.carol)
    assert office("withdraw", "r1", office.carol, "too early") == Exit.OK
    assert "Approvals: 0 of 1; taken back by carol@example.org: too early." in office.out


@pytest.mark.parametrize(
    ("reason", "more", "words"),
    [
        (" ", (), "there is no reason"),
        ("x" * 1001, (), "1001 characters"),
        ("password=hunter2", (), "held a secret"),
        ("seen", ("--expires", "soon"), "soon"),
        ("seen", ("--expires", "0s"), "never counts"),
    ],
)
def test_what_is_not_signed_at_all(office: Office, reason: str, more: tuple[str, ...], words: str) -> None:
    assert office("approve", "r1", office.carol, reason, *more) == Exit.USAGE
    assert words in office.err and office.newest().kind == "decided"


def test_a_plan_is_named_by_its_digest_or_by_enough_of_it(office: Office) -> None:
    assert office("approve", office.plan.digest, office.carol) == Exit.OK
    assert office("approve", office.plan.digest[:3], office.carol) == Exit.USAGE
    assert "at least four letters" in office.err


def test_the_key_is_found_among_those_of_the_user(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(office.folder / "home"))
    assert office("approve", "r1") == Exit.USAGE
    assert "no key of ~/.ssh, nor of an agent, is in" in office.err
    folder = office.folder / "home" / ".ssh"
    folder.mkdir(parents=True)
    for suffix in ("", ".pub"):
        (folder / f"id_ed25519{suffix}").write_bytes(Path(f"{office.carol.key}{suffix}").read_bytes())
    (folder / "id_ed25519").chmod(0o600)
    assert office("approve", "r1") == Exit.OK


def test_a_key_that_an_agent_alone_has_signs_and_tells_who_asks(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where several people log in to one account, each with their own agent forwarded: no file has their keys."""
    monkeypatch.setenv("HOME", str(office.folder / "home"))
    stranger = person(office.folder, "stranger")
    with ssh_agent(office.folder, [stranger.key, office.anna.key]) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        assert myself().fingerprint == SshSigner(office.anna.key).fingerprint(), "nobody approves a plan of their own"
    with ssh_agent(office.folder, [stranger.key, office.carol.key]) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        assert office("approve", "r1") == Exit.OK
    assert "Approvals: 1 of 1: carol@example.org." in office.out
    assert myself().fingerprint == "", "an agent that is gone has none"


def test_without_a_terminal_nothing_is_signed_unasked(office: Office, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["approve", "r1", "--reason", "x", "--key", str(office.carol.key)]) == Exit.USAGE
    assert "--yes signs without a question" in capfd.readouterr().err


def typed(key: Path, *answers: tuple[bytes, str]) -> tuple[int, bytes]:
    """`approve` at a terminal of its own, where each answer is typed once its question is there: exit code, screen."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "watchfloor", "approve", "r1", "--reason", "seen", "--key", str(key)]
    with subprocess.Popen(["setsid", "-c", *words], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        shown, after = b"", 0
        for question, answer in answers:
            while question not in shown[after:]:
                shown += os.read(ours, 4096)
            after = len(shown)
            os.write(ours, answer.encode() + b"\n")
        with contextlib.suppress(OSError):  # so a pty says that its other end was closed
            while more := os.read(ours, 4096):
                shown += more
        code = running.wait(30)
    os.close(ours)
    return code, shown


@pytest.mark.parametrize(("answer", "code"), [("yes", Exit.OK), ("y", Exit.USAGE), ("", Exit.USAGE)])
def test_in_a_terminal_the_plan_is_shown_and_yes_is_typed(office: Office, answer: str, code: int) -> None:
    ended, shown = typed(office.carol.key, (b"Type yes:", answer))
    assert office.plan.digest[:16].encode() in shown and b"drain_node n1" in shown
    assert (ended, office.newest().kind == "approval") == (code, code == Exit.OK)


def test_a_passphrase_is_typed_to_ssh_keygen_shown_and_kept_nowhere(office: Office) -> None:
    passphrase = planted()
    set_it = ["ssh-keygen", "-q", "-p", "-P", "", "-N", passphrase, "-f", office.carol.key]
    subprocess.run(set_it, check=True, stdout=subprocess.DEVNULL)
    asked = b"Enter passphrase"
    wrong, _ = typed(office.carol.key, (b"Type yes:", "yes"), (asked, f"not {passphrase}"))
    assert (wrong, office.newest().kind) == (Exit.USAGE, "decided")
    code, shown = typed(office.carol.key, (b"Type yes:", "yes"), (asked, passphrase))
    assert (code, office.newest().kind) == (Exit.OK, "approval")
    assert passphrase.encode() not in shown and leaks(office.folder) == []


def test_show_names_whose_key_signed_and_what_does_not_count(office: Office, capfd: pytest.CaptureFixture[str]) -> None:
    office("approve", "r1", office.carol)
    signed = office.newest()
    replayed_under(office, signed)
    assert cli.run(["show", "r1"]) == Exit.OK
    told = capfd.readouterr().out
    assert "approval of carol@example.org, " in told and "doesn't count" not in told
    assert cli.run(["show", "r2"]) == Exit.OK
    told = capfd.readouterr().out
    assert f"approval of nobody who is known, put on record by {signed.who.name}, " in told
    assert "   doesn't count, not-signed: it is over another plan, or was altered since" in told


def test_what_does_not_count_is_told_to_programs_and_on_the_pages(
    office: Office, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `show` and `runs` as JSON, in the table and on the card of page 8, and by the count in the header."""
    office("approve", "r1", office.carol, "seen it", "--expires", "30m")
    signed, now = office.newest(), time.time()
    replayed_under(office, signed)
    (said,) = shown(capfd, "show", "r2", "--json")["said"]
    assert (said["counts"], said["by"], said["on_record_by"]) == (False, None, signed.who.name)
    assert said["why_not"] == "not-signed: it is over another plan, or was altered since"
    good, bad = shown(capfd, "runs", "--json")["runs"]
    assert (good["approved_by"], bad["approved_by"], bad["approvals_needed"]) == (["carol@example.org"], [], 2)

    follower = LedgerFollower(office.path, lambda run: governance.heard(run, time.time()))
    picture = follower.look()
    assert [run.run for run in picture.waiting(now)] == ["r2"]
    r1, r2 = picture.run("r1"), picture.run("r2")
    assert (
        r1 is not None
        and r2 is not None
        and (words.said(r1), words.said(r2)) == ("1 of 1: carol@example.org", "0 of 2")
    )
    card = ["".join(text for text, _ in line) for line in words.card_lines(r2, Times(now), 200)]
    assert "    doesn't count, not-signed: it is over another plan, or was altered since" in card

    monkeypatch.setattr(time, "time", lambda: now + 1860.0)
    later = [follower.look() for _ in range(8)][-1]  # nothing is appended
    assert {run.run for run in later.waiting(now)} == {"r1", "r2"}, "the signature has run out"
    assert [follower.look() for _ in range(8)][-1] is later


def shown(capfd: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert cli.run([*words]) == Exit.OK
    return json.loads(capfd.readouterr().out)


def test_a_replayed_approval_is_named_where_more_are_needed(office: Office) -> None:
    office("approve", "r1", office.carol)
    replayed_under(office, office.newest())
    assert office("approve", "r2", office.bob) == Exit.WAITS_FOR_APPROVAL
    assert "1 of 2: bob@example.org; one approval doesn't count, not-signed: it is over another plan" in office.out


def replayed_under(office: Office, signed: Entry) -> None:
    """What was signed over one plan is put on record under another, which needs two."""
    other, body = fresh("other"), signed.told()
    assert body is not None
    proposed(office.path, other, replace(NEEDS_ONE, approvals=2), "r2")
    with Ledger(office.path) as ledger:
        ledger.append(Note(signed.who, body, signed.subjects, "r2", other.digest))
