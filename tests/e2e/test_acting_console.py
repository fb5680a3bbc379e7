"""A console that acts, in a real terminal and on a real Slurm: from what would you do to the drained node."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.test_road import NODE, Person, kinds, state
from tests.e2e.test_terminal import Terminal
from tests.support import parts
from tests.support.slurm import Slurm


@pytest.fixture
def person(lab: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    found = Person(tmp_path, lab)
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "WATCHFLOOR_SIGNERS", "WATCHFLOOR_LIMITS"):
        monkeypatch.setenv(name, found.env[name])
    (tmp_path / "state").mkdir()
    return found


def read_to_its_end(terminal: Terminal, key: str) -> None:
    """A plan: its keys work once all of it was in view."""
    while f"{key} proposes it" not in terminal.screen():
        terminal.press("PageDown")
        terminal.wait(said("PgDn goes on", f"{key} proposes it"))


def said(*words: str) -> Callable[[str], bool]:
    return lambda screen: any(word in screen for word in words)


def test_a_node_is_drained_from_the_screen_after_somebody_else_approved(person: Person, tmp_path: Path) -> None:
    if shutil.which("tmux") is None:
        parts.missing("tmux")
    terminal = Terminal(tmp_path / "state", f"watchfloor --act --fleet {person.fleet}")
    try:
        terminal.wait("ACTING")
        terminal.press("2")
        terminal.wait("n/p node")
        terminal.press("w")
        terminal.wait("2 drain-node  R3")
        terminal.press("2")
        terminal.wait("Verdict: needs-approval, 1 needed")
        read_to_its_end(terminal, "p")
        terminal.press("p")
        run = re.findall(r"run (r\w+) waits for approval", terminal.wait("waits for approval: the approvals page"))[0]
        assert state(person.lab).startswith("idle")
        person("approve", run, "--reason", "seen it", "--key", str(tmp_path / "bob"), "--yes")
        terminal.press("Escape")
        terminal.wait("n/p node")
        terminal.press("7")
        terminal.wait("approved")
        terminal.press("c")
        terminal.wait(f"carry out drain-node on {NODE} (1 step, R3)?")
        terminal.type("yes")
        terminal.press("Enter")
        terminal.wait(f"run {run} has begun")
        terminal.press("Escape")
        terminal.wait(lambda screen: "1 of 1 steps done" in screen and "verified" in screen)
        assert state(person.lab).startswith("drained|asked for at the terminal")
        terminal.press("q")
        terminal.wait("status=0")
    finally:
        terminal.close()
    ledger = tmp_path / "state/watchfloor/ledger.db"
    assert [kinds(ledger).count(kind) for kind in ("proposed", "approval", "intent", "outcome")] == [1, 1, 1, 1]
    assert "intact" in person("audit", "verify")
