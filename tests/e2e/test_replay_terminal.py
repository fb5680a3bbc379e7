"""A recorded session in a real terminal: opened, paused, sought, compared, left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_terminal import Terminal, opened
from tests.support.sessions import Floor


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    Floor().recorded(tmp_path / "s", 30, {20: "proposed: drain dgx-02"})
    yield from opened(tmp_path, f"watchfloor replay {tmp_path / 's'} --at start")


def seconds(screen: str) -> int:
    """Of the recorded time in the badge."""
    told = re.search(r"REPLAY (\d\d):(\d\d):(\d\d)", screen)
    assert told is not None, screen
    return int(told[1]) * 3600 + int(told[2]) * 60 + int(told[3])


def command(terminal: Terminal, words: str) -> None:
    """Type it, and see the line closed again."""
    terminal.type(f":{words}")
    terminal.wait(f": {words}")
    terminal.press("Enter")
    terminal.wait(lambda screen: f": {words}" not in screen)


def test_a_session_is_watched_again(terminal: Terminal) -> None:
    terminal.wait("accelerators by state")
    terminal.press("Space")
    begin = seconds(terminal.wait("paused"))
    command(terminal, "seek start")
    begin = seconds(terminal.wait(lambda screen: "paused" in screen and seconds(screen) <= begin))
    terminal.type("}")
    terminal.wait(lambda screen: seconds(screen) > begin)
    command(terminal, "seek run")
    terminal.wait(lambda screen: seconds(screen) == begin + 20)
    terminal.type("[")
    terminal.wait(lambda screen: seconds(screen) == begin + 10)
    terminal.type(">")
    command(terminal, "compare start end")
    terminal.wait(lambda screen: "BEFORE" in screen and "in state" in screen)
    terminal.type("6")
    terminal.type("a")
    screen = terminal.wait("SUBJECT")
    assert "acknowledge" not in screen
    terminal.press("Space")
    terminal.wait(lambda screen: seconds(screen) > begin + 10)
    terminal.press("q")
    terminal.wait("status=0")
