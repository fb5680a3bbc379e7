"""A demo that is acted upon: its console is none of the user's own, but for what it records."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from watchfloor import trial
from watchfloor.places import ledger_file, sessions_folder, signers_file


def test_who_enters_keeps_nothing_of_the_user_but_the_folder_of_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"XDG_STATE_HOME": str(tmp_path / "mine"), "WATCHFLOOR_LEDGER": "/mine.db"})
    mine = sessions_folder()
    trial.prepare(tmp_path / "act", "nodes: {}\n", "http://127.0.0.1:1")
    trial.enter(tmp_path / "act")
    assert sessions_folder() == mine
    assert tmp_path / "act" in ledger_file().parents and tmp_path / "act" in signers_file().parents
