"""`watchfloor replay` as a program: what it refuses, and with which exit code. tests/e2e has it in a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.feeds import HandFeed
from tests.support.parts import ROOT
from tests.support.sessions import Floor
from watchfloor.commands.terminal import recording_of
from watchfloor.exits import Exit
from watchfloor.frame import Frame
from watchfloor.session.writer import SessionWriter


def refused(*words: str) -> tuple[int, str]:
    """Exit code and what is said, where it could draw on a terminal."""
    command = [sys.executable, "-m", "watchfloor", "replay", *words]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as program:
        code = program.wait()
    os.close(theirs)
    said = os.read(ours, 65_536).decode()
    os.close(ours)
    return code, said


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> str:
    path, floor = tmp_path_factory.mktemp("replay") / "s", Floor()
    writer = SessionWriter(path, floor.head())
    writer.frame(floor.step())
    writer.end()
    return str(path)


def test_what_is_no_session_is_told_apart_from_a_wrong_word(session: str, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("not a session")
    for words, code, text in (
        ((str(tmp_path / "nowhere"),), Exit.USAGE, "there is no session"),
        ((str(tmp_path / "notes"),), Exit.NOT_KEPT, "is no session"),
        ((session, "--at", "soon"), Exit.USAGE, "neither a time nor"),
        ((session, "--speed", "3"), Exit.USAGE, "is no speed"),
    ):
        assert (found := refused(*words))[0] == code, found
        assert text in found[1]


def test_a_console_that_records_can_look_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    floor, live, shown = Floor(), HandFeed(), list[Frame]()
    with recording_of(live, wanted=True) as (feed, told):
        feed.start(shown.append)
        for _ in range(3):
            live.give(floor.step())
        told["recording"].close()
        past = told["past"]()
        assert past.frame_at(shown[1].at)[0].at == shown[1].at
        past.stop()
    with recording_of(live, wanted=False) as (feed, told):
        assert feed is live and not told
