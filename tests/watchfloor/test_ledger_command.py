"""`watchfloor audit` as a person and a script use it, with real keys, a real git, and the document's own script."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ledgers import beat, key, story, tampered, written
from tests.support.parts import ROOT
from tests.support.told import Told
from watchfloor.exits import AUDIT_MEANINGS, Audit, Exit
from watchfloor.places import ledger_file
from watchfloor.records.ledgerentry import Note
from watchfloor.records.ledgermerkle import included
from watchfloor.records.ledgerwords import PolicyChange, Stop
from watchfloor.signing import SshSigner, check

DOCUMENT = (ROOT / "docs" / "ledger.md").read_text("utf-8")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of the story, which the commands take by themselves."""
    monkeypatch.setenv("WATCHFLOOR_LEDGER", str(tmp_path / "ledger.db"))
    return written(ledger_file())


@pytest.fixture
def audit(capfd: pytest.CaptureFixture[str]) -> Told:
    return Told("audit", capfd)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    for words in (
        ["init", "-q", str(folder)],
        ["-C", str(folder), "config", "user.name", "anna"],
        ["-C", str(folder), "config", "user.email", "anna@example.org"],
        ["-C", str(folder), "commit", "-q", "--allow-empty", "-m", "begun"],
    ):
        subprocess.run(["git", *words], check=True)
    return folder


# -- log, show, export


def test_the_log_is_a_line_an_entry(path: Path, audit: Told) -> None:
    assert audit("log") == Exit.OK
    lines = audit.out.splitlines()
    assert len(lines) == len(story())
    assert re.match(r"      9  \d\d:\d\d  intent  +anna  n2, n2/GPU-7, slurm:42 \+1  1  drain_node  scontrol", lines[9])
    assert "service cron for ops" in lines[10] and "agent desk for bob" in lines[11]
    assert audit("log", "--node", "n2", "--kind", "intent", "--kind", "stop", "--since", "1h") == Exit.OK
    assert len(audit.out.splitlines()) == 1
    assert audit("log", "--most", "2") == Exit.OK and "session-stop" in audit.out.splitlines()[-1]
    assert audit("log", "--person", "nobody") == Exit.OK and audit.out == "no entries\n"


def test_a_text_of_an_entry_can_not_leave_its_line(tmp_path: Path, audit: Told) -> None:
    file = written(tmp_path / "l.db", [Note(beat().who, Stop(reason="a\n\x1b[31m" + "b" * 300))])
    assert audit("log", "--ledger", file) == Exit.OK
    assert audit.out.count("\n") == 1 and "\x1b" not in audit.out and "…" in audit.out


def test_the_log_as_json_has_all_that_entries_say(path: Path, audit: Told) -> None:
    document = audit.json("log", "--kind", "job-impact")
    (entry,) = document["entries"]
    assert document["format"] == "watchfloor.ledger/1"
    assert entry["body"]["gpu_hours_lost"] == 1.25 and entry["who"]["name"] == "cron" and len(entry["hash"]) == 64
    assert audit.json("show", "13") == {"format": "watchfloor.ledger-entry/1", **entry}


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["log", "--kind", "aplied"], "did you mean applied?"),
        (["log", "--since", "yesterday"], "such as 12h"),
        (["show", "99"], "the ledger has 19"),
    ],
)
def test_what_can_not_be_understood_is_told(path: Path, audit: Told, words: list[str], advice: str) -> None:
    assert audit(*words) == Exit.USAGE
    assert advice in audit.err


def test_an_export_is_the_entries_byte_for_byte(path: Path, audit: Told, tmp_path: Path) -> None:
    assert audit("export") == Exit.OK
    printed = audit.out
    assert audit("export", tmp_path / "out") == Exit.OK and (tmp_path / "out").read_text("utf-8") == printed
    assert audit("export", tmp_path / "out") == Exit.USAGE  # nothing is overwritten
    assert audit("verify", tmp_path / "out") == Audit.INTACT
    (tmp_path / "out").write_text(printed.replace("storm", "Storm"), "utf-8")
    assert audit("verify", tmp_path / "out") == Audit.ALTERED and "entry 14 has been altered" in audit.out
    (tmp_path / "out").write_text("".join(printed.splitlines(keepends=True)[1:]), "utf-8")
    assert audit("verify", tmp_path / "out") == Audit.ALTERED and "entry 0 isn't there" in audit.out


# -- verify


def test_every_ending_of_verification_is_documented() -> None:
    for text in (DOCUMENT, (ROOT / "docs" / "exit-codes.md").read_text("utf-8")):
        for code, meaning in AUDIT_MEANINGS.items():
            assert f"| {code.value} | {meaning} |" in text
    assert {code.meaning for code in Audit} == {*AUDIT_MEANINGS.values()}


def test_verification_ends_with_what_it_found(path: Path, audit: Told, tmp_path: Path) -> None:
    anchors = tmp_path / "anchors"
    assert audit("anchor", "--file", anchors) == Exit.OK
    assert audit("verify", "--anchor", anchors) == Audit.INTACT and "1 anchor holds" in audit.out
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    with tampered(copy) as base:
        base.execute("UPDATE entry SET text = replace(text, 'storm', 'Storm')")
    assert audit("verify", copy) == Audit.ALTERED
    found = audit.json("verify", copy)
    assert (found["result"], found["first_bad"]) == ("altered", 14) and "entry 14 has been altered" in found["why"]
    shutil.copy(path, copy)
    with tampered(copy) as base:
        base.execute("DELETE FROM entry WHERE number > 9")
    assert audit("verify", copy, "--anchor", anchors) == Audit.TRUNCATED
    assert audit.json("verify", copy, "--anchor", anchors)["result"] == "truncated"
    assert audit("verify", copy) == Audit.ALTERED


def test_what_is_unreadable_is_told_apart(path: Path, audit: Told, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("some text", "utf-8")
    (tmp_path / "empty").touch()
    for name in ("absent", "text", "empty"):
        assert audit("verify", tmp_path / name) == Audit.UNREADABLE and "unreadable: " in audit.err
    assert audit.json("verify", tmp_path / "absent")["result"] == "unreadable"
    assert audit("verify", "--anchor", tmp_path / "absent") == Exit.USAGE == Audit.UNREADABLE
    assert audit("verify", "--anchor", tmp_path / "text") == Exit.USAGE and "no anchor in it" in audit.err
    assert audit("log", "--ledger", tmp_path / "absent") == Exit.NOT_KEPT
    assert audit("anchor", "--ledger", tmp_path / "absent") == Exit.NOT_KEPT and not (tmp_path / "absent").exists()


def test_a_head_that_is_gone_is_an_alteration(path: Path, audit: Told) -> None:
    with tampered(path) as base:
        base.execute("DELETE FROM head")
    assert audit("verify") == Audit.ALTERED and "how far it goes is gone" in audit.out


# -- signatures and anchors


def test_a_checkpoint_counts_where_somebody_of_the_signers_made_it(path: Path, audit: Told, tmp_path: Path) -> None:
    anna, signers = key(tmp_path)
    mallory, of_mallory = key(tmp_path, "mallory")
    assert audit("verify", "--signers", signers) == Audit.ALTERED and "has signed any of it" in audit.out
    assert audit("anchor", "--key", anna) == Exit.OK
    assert audit("verify", "--signers", signers) == Audit.INTACT
    assert "entries 0 to 18 are signed by anna; 1 came after that" in audit.out
    assert audit.json("verify", "--signers", signers)["signed"] == {"entry": 19, "size": 19, "by": "anna"}
    assert audit("verify", "--signers", of_mallory) == Audit.ALTERED
    assert audit("anchor", "--key", mallory) == Exit.OK
    assert audit("verify", "--signers", signers) == Audit.ALTERED and "the checkpoint in entry 20" in audit.out
    assert audit.json("verify", "--signers", signers)["first_bad"] == 20
    assert audit.json("show", "19")["who"]["fingerprint"] == SshSigner(anna).fingerprint()


def test_a_file_of_nobody_vouches_for_nothing(path: Path, audit: Told, tmp_path: Path) -> None:
    anna, _ = key(tmp_path)
    assert audit("anchor", "--key", anna) == Exit.OK
    assert audit("verify", "--signers", "/dev/null") == Audit.ALTERED
    assert "is signed by nobody of /dev/null" in audit.out


def test_the_log_says_which_policies_changed(tmp_path: Path, audit: Told) -> None:
    change = PolicyChange(digest="56c8abc44c87", files=["default.yaml", "own.yaml"])
    file = written(tmp_path / "l.db", [Note(beat().who, change)])
    assert audit("log", "--ledger", file) == Exit.OK
    assert audit.out.rstrip().endswith("default.yaml own.yaml  56c8abc44c87")


def test_a_signature_for_another_purpose_is_none(path: Path, audit: Told, tmp_path: Path) -> None:
    anna, signers = key(tmp_path, namespaces="watchfloor-approval")
    assert audit("anchor", "--key", anna) == Exit.OK
    assert audit("verify", "--signers", signers) == Audit.ALTERED


def test_a_key_that_was_valid_then_is_valid_for_what_it_signed_then(tmp_path: Path) -> None:
    private, signers = key(tmp_path)
    signed = SshSigner(private).sign("watchfloor-checkpoint", b"data")
    public = private.with_name(private.name + ".pub").read_text("ascii")
    signers.write_text(f'anna valid-before="20200101" {public}', "ascii")
    asked = (signers, "watchfloor-checkpoint", b"data", signed)
    assert check(*asked, at=1_500_000_000.0).principal == "anna"
    assert not check(*asked).principal and "expired" in check(*asked).why


def test_a_key_that_can_not_sign_is_told(path: Path, audit: Told, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no key", "utf-8")
    assert audit("anchor", "--key", tmp_path / "text") == Exit.USAGE
    assert audit("log", "--kind", "checkpoint") == Exit.OK and audit.out == "no entries\n"


def test_nobody_signs_for_what_was_altered(path: Path, audit: Told) -> None:
    with tampered(path) as base:
        base.execute("UPDATE entry SET text = replace(text, 'storm', 'Storm')")
    assert audit("anchor") == Exit.NOT_KEPT and "isn't signed: entry 14 has been altered" in audit.err
    assert audit("log", "--kind", "checkpoint") == Exit.OK and audit.out == "no entries\n"


def test_an_agent_signs(path: Path, audit: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, signers = key(tmp_path)
    place = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.PIPE)
    try:
        assert agent.stdout is not None and agent.stdout.readline()  # it says where it listens once it does
        monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
        subprocess.run(["ssh-add", "-q", str(private)], check=True)
        private.unlink()
        assert audit("anchor", "--key", f"{private}.pub") == Exit.OK
        assert audit("verify", "--signers", signers) == Audit.INTACT
    finally:
        agent.terminate()
        agent.wait()


def test_anchors_in_git_and_in_the_system_log(path: Path, audit: Told, tmp_path: Path, repository: Path) -> None:
    anna, _ = key(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(tmp_path / "log"))
        words = ["--key", anna, "--git", repository, "--syslog", "--log-socket", tmp_path / "log"]
        assert audit("anchor", *words) == Exit.OK
        line = log.recv(4_096).decode()
    assert line.startswith("<85>watchfloor[") and "signature" not in line and len(line) < 400
    (tmp_path / "messages").write_text(f"Nov 28 18:00:00 c1 other[1]: x\nNov 28 18:00:01 c1 {line}\n", "utf-8")
    assert audit("anchor", "--git", repository) == Exit.OK  # a second one on the same commit
    assert audit("verify", "--anchor", f"git:{repository}", "--anchor", tmp_path / "messages") == Audit.INTACT
    assert "3 anchors hold" in audit.out
    other = written(tmp_path / "other.db", [beat(at) for at in range(50)])
    assert audit("verify", other, "--anchor", f"git:{repository}") == Audit.ALTERED and "of another ledger" in audit.out


def test_an_anchor_that_could_not_be_told_is_an_error(path: Path, audit: Told, tmp_path: Path) -> None:
    assert audit("anchor", "--syslog", "--log-socket", tmp_path / "nobody") == Exit.NOT_KEPT
    assert audit("anchor", "--file", tmp_path / "no" / "folder") == Exit.NOT_KEPT
    assert audit("anchor", "--git", tmp_path) == Exit.NOT_KEPT and "git repository" in audit.err


# -- the document's script


def documented(tmp_path: Path, entries: Path, signers: Path) -> subprocess.CompletedProcess[str]:
    (script,) = re.findall(r"```python\n(# check\.py\n.*?)```", DOCUMENT, re.DOTALL)
    (tmp_path / "check.py").write_text(script, "utf-8")
    command = [sys.executable, "-S", "check.py", str(entries), str(signers)]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_the_documented_script_redoes_verification(path: Path, audit: Told, tmp_path: Path) -> None:
    anna, signers = key(tmp_path)
    _, of_others = key(tmp_path, "mallory")
    assert audit("anchor", "--key", anna) == Exit.OK
    assert audit("anchor") == Exit.OK
    (tmp_path / "checked").mkdir()
    entries = tmp_path / "entries"
    (command,) = re.findall(r"sqlite3 ledger\.db '(.*)' > entries", DOCUMENT)
    entries.write_bytes(subprocess.run(["sqlite3", str(path), command], check=True, capture_output=True).stdout)
    root = audit.json("verify")["root"]
    done = documented(tmp_path, entries, signers)
    assert done.returncode == 0 and done.stdout.endswith(f"21 entries, root {root}\n"), done.stderr
    assert 'Good "watchfloor-checkpoint" signature for anna' in done.stdout
    assert documented(tmp_path, entries, of_others).returncode != 0
    sound = entries.read_text("utf-8")
    entries.write_text(sound.replace("storm", "Storm"), "utf-8")
    assert "entry 15 doesn't follow" in documented(tmp_path, entries, signers).stderr
    entries.write_text("".join(sound.splitlines(keepends=True)[:-3]), "utf-8")
    assert documented(tmp_path, entries, signers).returncode == 0  # a cut tail: an anchor's to find


def test_an_inclusion_proof_leads_to_the_root(path: Path, audit: Told) -> None:
    root = audit.json("verify")["root"]
    shown = audit.json("show", "7", "--proof")
    proof = shown["proof"]
    hashes = [bytes.fromhex(part) for part in proof["hashes"]]
    assert proof["root"] == root
    assert included(bytes.fromhex(shown["hash"]), proof["index"], proof["size"], hashes, bytes.fromhex(root))
