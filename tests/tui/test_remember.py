"""What was typed before: bounded, private, and never a reason to fail."""

from __future__ import annotations

import stat
from pathlib import Path

from tui.remember import LIMIT, Remembered
from watchfloor.places import state_folder


def test_up_and_down_over_two_sessions(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "filters"
    first = Remembered(path)
    first.add("one")
    first.add("two")
    first.add("one")
    second = Remembered(path)
    assert [second.older(), second.older(), second.older()] == ["one", "two", None]
    assert [second.newer(), second.newer(), second.newer()] == ["one", "", None]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["filters"], "no temporary file stays"


def test_it_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "filters"
    kept = Remembered(path)
    for number in range(LIMIT + 50):
        kept.add(f"util > {number}")
    lines = path.read_text().splitlines()
    assert len(lines) == LIMIT
    assert lines[-1] == f"util > {LIMIT + 49}"


def test_what_cannot_be_read_or_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff\xfe")
    unreadable = Remembered(tmp_path / "file")
    assert unreadable.older() is None
    nowhere = Remembered(tmp_path / "file" / "below")  # a folder cannot be made there
    nowhere.add("util > 5")
    assert nowhere.older() == "util > 5"


def test_an_empty_text_is_not_kept() -> None:
    kept = Remembered(None)
    kept.add("  ")
    assert kept.older() is None


def test_the_folder_follows_the_standard() -> None:
    assert state_folder({"XDG_STATE_HOME": "/var/state"}) == Path("/var/state/watchfloor")
    assert state_folder({"XDG_STATE_HOME": "relative"}) == Path.home() / ".local/state/watchfloor"
