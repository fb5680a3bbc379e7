"""Feeds for tests of the terminal: frames come when the test says so."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.frames import START
from tui.app import WatchfloorApp
from tui.base import AppOptions
from watchfloor.frame import Frame
from watchfloor.model import Subject


class HandFeed:
    """Implements ports.Feed: gives `first` (if any) at the start, and later what the test hands to `give`."""

    def __init__(self, first: Frame | None = None, error: Exception | None = None) -> None:
        self._first, self._error = first, error
        self._on_frame: Callable[[Frame], None] | None = None
        self.running = False
        self.says = ""  # what `trouble` answers
        self.reconnected: list[int] = []
        self.acknowledged: list[tuple[Subject, str, str | None]] = []
        self.cleared: list[tuple[Subject, str]] = []

    def start(self, on_frame: Callable[[Frame], None]) -> None:
        if self._error is not None:
            raise self._error
        self.running, self._on_frame = True, on_frame
        if self._first is not None:
            on_frame(self._first)

    def give(self, frame: Frame) -> None:
        assert self._on_frame is not None, "the feed has not been started"
        self._on_frame(frame)

    def reconnect(self, node: int) -> None:
        self.reconnected.append(node)

    def acknowledge(self, subject: Subject, code: str, note: str | None) -> None:
        self.acknowledged.append((subject, code, note))

    def clear(self, subject: Subject, code: str) -> None:
        self.cleared.append((subject, code))

    def trouble(self) -> str:
        return self.says

    def stop(self) -> None:
        self.running = False


def still_app(frame: Frame | None, **options: object) -> WatchfloorApp:
    """An app over one frame that never ages."""
    at = frame.at if frame else START
    chosen = AppOptions(context="lab", now=lambda: at + 0.2, **options)  # pyright: ignore[reportArgumentType]
    return WatchfloorApp(HandFeed(frame), chosen)
