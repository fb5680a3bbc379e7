"""`watchfloor demo --act`: two persons at two shells, with what the demo has made for them and nothing of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_terminal import Terminal, opened, terminal  # noqa: F401 - a fixture
from tests.support.evidence import each_byte_counts
from tests.support.parts import ROOT
from tests.support.patience import PATIENCE_SECONDS
from tests.support.planted import leaks, planted, texts_of
from watchfloor import trial
from watchfloor.evidence.container import unpacked
from watchfloor.exits import Exit
from watchfloor.session.folder import files
from watchfloor.session.reader import Session

NODE = "h100-01"
RECORDED = "watchfloor demo --nodes 2 --scenario steady --act --record"


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "watchfloor", *words]


class Shell:
    """A second shell that has become one of the demo's persons."""

    def __init__(self, folder: Path, person: str) -> None:
        lines = re.findall(r"export (\w+)='?([^'\n]*)'?\n", (folder / person).read_text())
        self._env = {**os.environ, **dict(lines)}

    def __call__(self, *words: str, code: int = Exit.OK) -> str:
        done = subprocess.run(command(*words), cwd=ROOT, env=self._env, capture_output=True, text=True,
                              timeout=PATIENCE_SECONDS, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
        assert done.returncode == code, f"{done.returncode}: {done.stdout}\n{done.stderr}"
        return done.stdout


def test_what_one_person_proposes_another_approves_and_it_is_done_on_the_simulated_fleet(tmp_path: Path) -> None:
    words = command("demo", "--nodes", "2", "--scenario", "steady", "--headless", "--act")
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(words, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stderr is not None
            folder = next(Path(found[1]) for line in demo.stderr if (found := re.search(r"demo are in (\S+)", line)))
            proposed_approved_done(folder)
        finally:
            demo.terminate()


def proposed_approved_done(folder: Path) -> None:
    you, colleague = Shell(folder, trial.YOU), Shell(folder, trial.COLLEAGUE)
    fleet = ("--fleet", str(folder / trial.FLEET))
    target = ("drain-node", "--target", f'node == "{NODE}"', "--set", "reason=a trial")
    waiting = you("run", *target, "--apply", *fleet, code=Exit.WAITS_FOR_APPROVAL)
    run = waiting.split("watchfloor approve ")[1].split()[0]
    you("approve", run, "--reason", "my own", "--yes", code=Exit.DENIED)
    assert "1 of 1: colleague" in colleague("approve", run, "--reason", "seen it", "--yes")
    assert "succeeded" in you("run", run, "--apply", *fleet)
    assert "intact" in you("audit", "verify")
    shown_again(folder / "state" / "watchfloor" / "sessions")
    bundled(you, run, folder / "evidence.zip")


def shown_again(recordings: Path) -> None:
    """The recording of `run --apply` has all that was put on record, and what was seen afterwards."""
    session = Session(max(files(recordings)))
    (outcome,) = [mark for mark in session.marks() if mark.text.startswith("outcome: succeeded")]
    kinds = {mark.facts["kind"] for mark in session.marks() if mark.kind == "ledger"}
    assert {"intent", "applied", "verified", "outcome"} <= kinds
    assert session.next_at(outcome.at) is not None, "a moment after it"


def bundled(you: Shell, run: str, path: Path) -> None:
    """What `run --apply` has recorded, the plan, its approval, its commands and the proof of all that, in one file."""
    you("evidence", run, "-o", str(path))
    told = you("evidence", "verify", str(path))
    assert told.startswith("proven") and "is the one whose digest entry" in told
    members, _ = unpacked(path.read_bytes())
    kinds = {name.split("/")[0] for name in members}
    assert {"telemetry", "approvals", "policy", "ledger", "runs", "report.html"} <= kinds
    assert b"State=DRAIN" in members[f"runs/{run}/transcript.txt"]
    each_byte_counts(members)


@pytest.mark.parametrize("terminal", ["watchfloor demo --nodes 1 --act"], indirect=True)
def test_it_opens_in_the_terminal(terminal: Terminal) -> None:  # noqa: F811
    terminal.wait("ACTING")
    terminal.wait("nodes 1/1")
    terminal.press("q")
    assert "recorded in" not in terminal.wait("status=0")


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """Its demo's folder is below tmp_path, as all that it writes."""
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "run"))
    yield from opened(tmp_path, RECORDED)


def test_a_passphrase_is_typed_to_ssh_keygen_and_kept_nowhere(recorded: Terminal, tmp_path: Path) -> None:
    recorded.wait("ACTING REC")
    recorded.wait("nodes 2/2")
    (folder,) = (tmp_path / "run").glob("watchfloor-*/act")
    you, colleague, passphrase = Shell(folder, trial.YOU), Shell(folder, trial.COLLEAGUE), planted()
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", passphrase, "-f", folder / "you.key"], check=True)
    target = ("drain-node", "--target", f'node == "{NODE}"', "--apply", "--fleet", str(folder / trial.FLEET))
    waiting = colleague("run", *target, code=Exit.WAITS_FOR_APPROVAL)
    run = waiting.split("watchfloor approve ")[1].split()[0]
    recorded.press("8")
    recorded.wait(run)
    recorded.press("Enter", "End")
    recorded.wait("a approves")
    for prompts, reason, answer, said in (
        (0, f"seen it: token={planted()}", "", "looks as if it held a secret"),
        (1, "seen it", f"q{passphrase}", "not signed: this key can't sign"),  # a wrong one, with a key that quits
        (2, "seen it", "", "not signed: signing was given up"),
        (3, "seen it", passphrase, "1 of 1: you"),
    ):
        recorded.press("a")
        recorded.wait("Enter signs")
        recorded.type(reason)
        recorded.press("Enter")
        if prompts:
            recorded.wait(lambda screen, prompts=prompts: screen.count("Enter passphrase") == prompts)
            recorded.type(answer)
            recorded.press("Enter" if answer else "C-c")
        recorded.wait(said)
    you("evidence", run, "-o", str(tmp_path / "run.zip"), "--key", str(folder / "colleague.key"))
    you("report", "--html", "-o", str(tmp_path / "week.html"))
    shutil.copytree(folder, tmp_path / "kept")  # it goes with the demo
    recorded.press("C-c")
    recorded.wait("recorded in")
    (session,) = (tmp_path / "watchfloor" / "sessions").glob("*-terminal-*")
    you("sessions", "cast", session.name, "-o", str(tmp_path / "x.cast"))
    assert leaks(tmp_path) == []
    cast = (tmp_path / "x.cast").read_bytes()
    assert b"1 of 1: you" in cast and b"Enter passphrase" not in cast
    assert any(b"seen it" in text for path, text in texts_of(tmp_path) if path.name == "ledger.db")
