"""The wired collectors: findings come with frames, a person's notes reach them, and both are there after a restart."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE_SECONDS
from watchfloor import checks
from watchfloor.frame import Frame
from watchfloor.model import Finding, NodeSpec, Scope, State, Subject
from watchfloor.wiring import LiveFeed

SUBJECT = Subject(Scope.NODE, "here")
FOUND = Finding(SUBJECT, "always", State.WARNING, "always there")


class Watcher:
    """Waits for a frame in which something is so."""

    def __init__(self, feed: LiveFeed) -> None:
        self.feed = feed
        self.frame: Frame | None = None
        self._changed = threading.Condition()
        feed.start(self._take)

    def _take(self, frame: Frame) -> None:
        with self._changed:
            self.frame = frame
            self._changed.notify_all()

    def until(self, is_so: Callable[[Frame], bool]) -> Frame:
        with self._changed:
            assert self._changed.wait_for(lambda: self.frame is not None and is_so(self.frame), PATIENCE_SECONDS)
            assert self.frame is not None
            return self.frame


def feed(path: Path) -> LiveFeed:
    return LiveFeed([NodeSpec("here", local=True)], findings_file=path)


def test_notes_of_a_person_last_longer_than_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "all_checks", lambda: {"always": lambda frame: [FOUND]})
    path = tmp_path / "findings.db"
    watcher = Watcher(feed(path))
    first = watcher.until(lambda frame: frame.records.of(FOUND) is not None).records.of(FOUND)
    watcher.feed.acknowledge(SUBJECT, "always", "known")
    watcher.until(lambda frame: frame.records.acknowledged(FOUND))
    watcher.feed.stop()
    assert first is not None

    again = Watcher(feed(path))
    record = again.until(lambda frame: frame.records.acknowledged(FOUND)).records.of(FOUND)
    assert record is not None
    assert record.ack is not None
    assert (record.first, record.times, record.ack.note) == (first.first, 1, "known")
    again.feed.clear(SUBJECT, "always")  # it still holds: nothing happens
    again.feed.acknowledge(SUBJECT, "always", None)
    again.until(lambda frame: frame.records.of(FOUND) is not None and not frame.records.acknowledged(FOUND))
    again.feed.stop()
