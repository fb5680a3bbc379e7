"""A demo that is acted upon: its console is none of the user's own, but for what it records."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from watchfloor import trial
from watchfloor.places import ledger_file, lineage_place, sessions_folder, signers_file


def test_who_enters_keeps_nothing_of_the_user_but_the_folder_of_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"XDG_STATE_HOME": str(tmp_path / "mine"), "WATCHFLOOR_LEDGER": "/mine.db"})
    mine = sessions_folder()
    trial.prepare(tmp_path / "act", "nodes: {}\n", "http://127.0.0.1:1")
    trial.enter(tmp_path / "act")
    assert sessions_folder() == mine
    assert tmp_path / "act" in ledger_file().parents and tmp_path / "act" in signers_file().parents


def test_a_second_shell_asks_the_lineage_of_the_demo_whatever_the_user_has_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "act"
    real = {"XDG_STATE_HOME": str(tmp_path / "mine"), "WATCHFLOOR_LINEAGE": "postgresql://watchfloor@db.example/fleet"}
    monkeypatch.setattr(os, "environ", dict(real))
    trial.prepare(folder, "nodes: {}\n", "http://127.0.0.1:1")
    trial.enter(folder)
    ours = lineage_place()
    said = [line.removeprefix("export ").split("=", 1) for line in (folder / "colleague").read_text().splitlines()]
    monkeypatch.setattr(os, "environ", real | dict(said))
    assert lineage_place() == ours and folder in Path(ours).parents
