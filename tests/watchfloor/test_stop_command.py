"""`watchfloor stop` and `watchfloor resume`, as a person and a script use them."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest

from watchfloor.cli import run
from watchfloor.exits import Exit


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WATCHFLOOR_LEDGER", str(tmp_path / "ledger.db"))
    return tmp_path / "ledger.db"


def test_a_stop_and_its_end_are_told_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stop", "smoke in row 3", "--json"]) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert told == {"format": "watchfloor.stop/1", "entry": told["entry"], "was_stopped": False, "stopped": True}
    assert run(["resume", "it was steam", "--json"]) == Exit.OK
    after = json.loads(capsys.readouterr().out)
    assert after["was_stopped"] and not after["stopped"] and after["entry"] > told["entry"]


def test_resuming_what_was_not_stopped_does_not_say_that_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["resume", "just so"]) == Exit.OK
    assert "Nothing was stopped." in capsys.readouterr().out
    run(["stop", "smoke"])
    assert run(["resume", "steam"]) == Exit.OK
    assert "Acts may begin again." in capsys.readouterr().out


@pytest.mark.parametrize("word", ["stop", "resume"])
def test_without_a_reason_nothing_is_put_on_record(word: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([word, " "]) == Exit.USAGE
    assert "there is no reason" in capsys.readouterr().err and not path.exists()


def test_who_it_is_on_record_nobody_chooses_by_the_environment(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert run(["stop", "smoke"]) == Exit.OK
    capsys.readouterr()
    assert run(["audit", "show", "0", "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["who"]["name"] == pwd.getpwuid(os.getuid()).pw_name
