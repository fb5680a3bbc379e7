"""The terminal in a real terminal: tmux on its own socket, keys typed, the screen read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
SYNTHETIC = "tests.support.terminal"
DEMO = "watchfloor demo --nodes 6"


class Terminal:
    """A tmux server of its own with the program in it. Waiting is for what the screen says, up to a deadline."""

    def __init__(self, folder: Path, module: str) -> None:
        """`module` is a Python module and its arguments; at the end the pane says its status and stays to be read."""
        self._pause = threading.Event()
        self._socket = folder / "tmux"
        self._environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "XDG_STATE_HOME": str(folder)}
        for name in ("TMUX", "NO_COLOR"):
            self._environment.pop(name, None)
        program = f"PYTHONPATH={ROOT} {sys.executable} -m {module}; echo status=$?; exec cat"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "36", program)

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), *arguments]
        done = subprocess.run(command, env=self._environment, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def cursor_visible(self) -> bool:
        return self._tmux("display-message", "-p", "#{cursor_flag} #{alternate_on}").split() == ["1", "0"]

    def wait(self, wanted: str | Callable[[str], bool]) -> str:
        """The screen, as soon as it says (or is) what is wanted."""
        end = time.monotonic() + PATIENCE_SECONDS
        screen = ""
        while time.monotonic() < end:
            screen = self.screen()
            if wanted in screen if isinstance(wanted, str) else wanted(screen):
                return screen
            self._pause.wait(0.02)  # between two looks at the screen: nothing tells when it changes
        pane = self._tmux("display-message", "-p", "#{pane_width}x#{pane_height} on #{pane_tty}").strip()
        told = subprocess.run(
            ["stty", "-F", pane.split()[-1], "size"], capture_output=True, text=True, check=False
        ).stdout
        raise AssertionError(f"the screen ({pane}, which says {told.strip()}) never said {wanted!r}:\n{screen}")

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    yield from opened(tmp_path, getattr(request, "param", SYNTHETIC))


def opened(folder: Path, module: str) -> Iterator[Terminal]:
    """For a fixture: a terminal with this in it, where there is tmux."""
    if shutil.which("tmux") is None:
        reason = "tmux is not installed (Debian: apt-get install tmux)"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    terminal = Terminal(folder, module)
    yield terminal
    terminal.close()


def start(terminal: Terminal) -> None:
    terminal.wait("LIVE")
    terminal.wait("accelerators by state")


def first_row(screen: str) -> str:
    """The row below the table's titles."""
    lines = screen.splitlines()
    return lines[next(at for at, line in enumerate(lines) if "UTIL%" in line) + 1]


def keep_filter(terminal: Terminal, query: str) -> None:
    """Type a filter and press Enter: it stands in the field and in the status bar, then in the status bar alone."""
    terminal.type(f"/{query}")
    terminal.wait(lambda screen: screen.count(f"/ {query}") == 2)
    terminal.press("Enter")
    terminal.wait(lambda screen: screen.count(f"/ {query}") == 1)


def test_sort_filter_drill_and_quit(terminal: Terminal) -> None:
    start(terminal)
    terminal.wait(lambda screen: "dgx-02" in first_row(screen))
    terminal.press("N")
    terminal.wait("accelerators by node")
    terminal.wait(lambda screen: "dgx-01" in screen)
    keep_filter(terminal, "node ~ l40")
    terminal.wait("12 of 76")
    terminal.press("g", "Enter")
    screen = terminal.wait("NVIDIA L40S")
    assert "l40-01" in screen
    terminal.press("Escape")
    terminal.wait("accelerators by node")
    terminal.press("q")
    terminal.wait("status=0")
    terminal.wait(lambda _: terminal.cursor_visible())


def test_a_wrong_filter_is_pointed_at(terminal: Terminal) -> None:
    start(terminal)
    terminal.type("/utl > 5")
    screen = terminal.wait("did you mean")
    assert "^" in screen
    terminal.press("Escape")
    terminal.wait("accelerators by state")


def test_control_c_quits_cleanly(terminal: Terminal) -> None:
    start(terminal)
    terminal.press("C-c")
    terminal.wait("status=0")
    terminal.wait(lambda _: terminal.cursor_visible())


def shrink_and_grow(terminal: Terminal) -> None:
    start(terminal)
    terminal.resize(80, 24)
    terminal.wait(lambda screen: "LIVE" in screen and len(screen.splitlines()) <= 24)  # at the right, where 80 end
    terminal.resize(180, 50)
    terminal.wait("MODEL")


def test_a_small_terminal_grows(terminal: Terminal) -> None:
    shrink_and_grow(terminal)


@pytest.fixture
def exported_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `resize` leaves it in a shell, and a program with readline in its children."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")


@pytest.mark.usefixtures("exported_size")
def test_a_terminal_grows_past_an_exported_size(terminal: Terminal) -> None:
    shrink_and_grow(terminal)


@pytest.mark.parametrize("terminal", [DEMO], indirect=True)
def test_the_demo_from_the_first_screen_to_the_last(terminal: Terminal) -> None:
    """Simulated nodes behind real SSH servers, the real probe, the real terminal."""
    terminal.wait("nodes 6/6")
    screen = terminal.wait("accelerators by state")
    node = next(line.split()[1] for line in screen.splitlines() if line.strip().startswith("●"))
    terminal.press("U")
    terminal.wait("accelerators by util")
    keep_filter(terminal, f"node == {node}")
    terminal.press("g", "Enter")
    terminal.wait(lambda screen: node in screen and "driver" in screen and "n/p node" in screen)
    terminal.press("e")
    terminal.wait("METRIC")
    terminal.press("Escape")
    terminal.wait("accelerators by util")
    terminal.press("q")
    terminal.wait("status=0")
    terminal.wait(lambda _: terminal.cursor_visible())
