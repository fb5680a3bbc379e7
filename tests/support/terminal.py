"""A program that opens the terminal over a synthetic fleet: python -m tests.support.terminal, for tests in tmux.

Steps the fleet once in STEP_SECONDS; everything below the feed's border is the real thing.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from tests.support.frames import SyntheticFleet
from tui.app import run
from tui.base import AppOptions
from tui.present.style import Palette
from watchfloor.frame import Frame
from watchfloor.model import Subject
from watchfloor.places import state_folder

STEP_SECONDS = 0.25


class SyntheticFeed:
    """Implements ports.Feed: a thread that moves a synthetic fleet on."""

    def __init__(self, fleet: SyntheticFleet, warm_up: int = 45) -> None:
        self.fleet, self.warm_up = fleet, warm_up
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, on_frame: Callable[[Frame], None]) -> None:
        self._thread = threading.Thread(target=self._run, args=(on_frame,), daemon=True)
        self._thread.start()

    def reconnect(self, node: int) -> None:
        return None

    def acknowledge(self, subject: Subject, code: str, note: str | None) -> None:
        return None

    def clear(self, subject: Subject, code: str) -> None:
        return None

    def trouble(self) -> str:
        return ""

    def stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self, on_frame: Callable[[Frame], None]) -> None:
        self.fleet.step(self.warm_up)
        while not self._over.wait(STEP_SECONDS):
            self.fleet.step()
            on_frame(self.fleet.frame())


def main() -> int:
    fleet = SyntheticFleet()
    options = AppOptions(
        "synthetic",
        palette=Palette.from_environment(os.environ),
        state_folder=state_folder(os.environ),
        now=lambda: fleet.now,
    )
    return run(SyntheticFeed(fleet), options)


if __name__ == "__main__":
    sys.exit(main())
