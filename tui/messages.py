"""The one list of what may be said between the app and its pages, beyond what widgets say."""

from __future__ import annotations

from pathlib import Path

from textual.message import Message

from watchfloor.model import Subject


class FrameReady(Message):
    """There is a newer picture of the fleet: live, or of what was recorded."""

    def __init__(self, *, replay: bool) -> None:
        super().__init__()
        self.replay = replay


class Acknowledge(Message):
    """A person has seen a finding; without a note (None) they take that back. A note of the console's own."""

    def __init__(self, subject: Subject, code: str, note: str | None) -> None:
        super().__init__()
        self.subject, self.code, self.note = subject, code, note


class Clear(Message):
    """A person wants to forget a finding that is over."""

    def __init__(self, subject: Subject, code: str) -> None:
        super().__init__()
        self.subject, self.code = subject, code


class Why(Message):
    """Tell the lineage of this: a name as LineageBook takes it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class ShowAgain(Message):
    """Replay this recording in the place of the live floor."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file


class Drill(Message):
    """Open the node page at this subject."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.subject = subject
