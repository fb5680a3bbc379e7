"""Records what a console sees and does, in a thread of its own: the floor never waits for a disk.

Where the file can't be written (the disk is full, the folder is gone) recording stops and says why; the floor goes on.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from watchfloor.errors import SessionError, StoreError
from watchfloor.frame import Frame
from watchfloor.model import NodeSpec
from watchfloor.records.ledgerreader import Row
from watchfloor.redact import redact, redact_value
from watchfloor.session import folder as shelf
from watchfloor.session.folder import Keep
from watchfloor.session.ledgermarks import News
from watchfloor.session.writer import Head, Mark, SessionWriter

log = logging.getLogger(__name__)

_EVERY_SECONDS = 1.0  # a frame a second, whatever the screen gets
_FRAMES_WAITING = 3  # more than this behind, and the oldest is left out
_SET_BACK_SECONDS = 60.0  # by more, and a file is begun anew: in one, what is looked for by its time stands in order
_OFTEN = 60  # frames between two looks at what is kept


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file that is ended, or gone. `sha256` is of all its bytes before the end; "" where it was removed."""

    path: Path
    sha256: str
    size_bytes: int
    removed: str = ""  # why


Note = Callable[[Sealed], None]


class Recorder:
    """`frame`, `mark` and `terminal` may be called from any thread, and never wait or raise."""

    def __init__(
        self,
        folder: Path,
        name: Callable[[float], str],
        facts: Mapping[str, str],
        keep: Keep,
        note: Note,
        news: Callable[[], News] = News,
        still_open: Callable[[], Sequence[Row]] = tuple,
    ) -> None:
        """`name` gives the name of a file that is begun at a time; `note` is told of files that are sealed or removed,
        `news` gives what was put on record since it was asked last, `still_open` what a file that is begun has to know
        of before: all in the recorder's thread."""
        self._folder, self._name, self._facts, self._keep, self._note = folder, name, dict(facts), keep, note
        self._news, self._still_open = news, still_open
        self._ready = threading.Condition()
        self._frames: deque[Frame] = deque()
        self._others: deque[Callable[[SessionWriter], object]] = deque()  # what is written beside the frames
        self._left_out, self._last = 0, float("-inf")
        self._newest: Frame | None = None  # what came too soon after the last one that is kept
        self._busy, self._closing = False, False
        self._writer: SessionWriter | None = None
        self._begun, self._written, self._count = 0.0, 0.0, 0
        self.trouble = ""  # why nothing is recorded any more; "" while it is
        self.path: Path | None = None  # what is being written
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def frame(self, frame: Frame) -> None:
        """The fleet as it is now. One a second is kept, and the last of all."""
        if self.trouble:
            return
        if 0 <= frame.at - self._last < _EVERY_SECONDS - 0.05:
            self._newest = frame if frame.at > self._last else None
            return
        self._last, self._newest = frame.at, None
        with self._ready:
            self._frames.append(frame)
            if len(self._frames) > _FRAMES_WAITING:
                self._frames.popleft()
                self._left_out += 1
            self._ready.notify()

    def mark(self, mark: Mark) -> None:
        """Something to find again."""
        self._put(lambda writer: writer.mark(mark))

    def terminal(self, at: float, events: Sequence[tuple[float, str, str]]) -> None:
        """What the screen showed, as SessionWriter.terminal takes it."""
        self._put(lambda writer: writer.terminal(at, events))

    def _put(self, write: Callable[[SessionWriter], object]) -> None:
        if not self.trouble:
            with self._ready:
                self._others.append(write)
                self._ready.notify()

    def wait_written(self) -> None:
        """Until nothing waits any more, or nothing is recorded."""
        with self._ready:
            self._ready.wait_for(lambda: not (self._frames or self._others or self._busy) or self.trouble)

    def close(self) -> None:
        """Write what waits, and seal the file. Twice does no harm."""
        with self._ready:
            if self._newest is not None and not self.trouble:
                self._frames.append(self._newest)
            self._newest, self._closing = None, True
            self._ready.notify()
        self._thread.join()

    # -- the recorder's thread

    def _run(self) -> None:
        try:
            while self._turn():
                pass
            if self._writer is not None:
                self._put_on_record(self._writer)
            self._seal()
        except (SessionError, StoreError) as error:
            self.trouble = f"recording stopped: {error}"
        except Exception as error:  # whatever it is, nobody may believe that this is recorded
            log.exception("the recorder ended by itself")
            self.trouble = f"recording stopped: {type(error).__name__}: {error}"
        finally:
            if self._writer is not None:
                self._writer.close()
            with self._ready:
                self._frames.clear()
                self._others.clear()
                self._busy = False
                self._ready.notify_all()

    def _turn(self) -> bool:
        """One frame, or what else waits; whether there may be more."""
        with self._ready:
            self._ready.wait_for(lambda: self._frames or (self._others and self._writer) or self._closing)
            frame = self._frames.popleft() if self._frames else None
            left_out, self._left_out = self._left_out, 0
            others: list[Callable[[SessionWriter], object]] = []
            if self._writer is not None or frame is not None:
                others, self._others = list(self._others), deque()
            closing = self._closing and frame is None
            self._busy = True
        if frame is not None:
            self._write(frame, left_out)
        for write in others:
            write(self._current())
        with self._ready:
            self._busy = False
            self._ready.notify_all()
        return not closing

    def _write(self, frame: Frame, left_out: int) -> None:
        writer = self._writer_for(frame)
        if left_out:
            text = f"{left_out} frames before this are left out: the disk, or this machine, was too slow"
            writer.mark(Mark(frame.at, "gap", text))
        writer.frame(frame)
        self._written = frame.at
        self._put_on_record(writer)
        self._count += 1
        if self._count % _OFTEN == 1:
            self._tidy(frame.at)

    def _put_on_record(self, writer: SessionWriter) -> None:
        """What the ledger got since it was asked last."""
        news = self._news()
        for mark in news.marks:
            writer.mark(mark)
        if news.rows:
            writer.entries(writer.at, news.rows)

    def _current(self) -> SessionWriter:
        assert self._writer is not None, "what is written beside frames waits for the first of them"
        return self._writer

    def _writer_for(self, frame: Frame) -> SessionWriter:
        writer, keep = self._writer, self._keep
        if writer is not None and (
            writer.size_bytes > keep.file_bytes
            or frame.at - self._begun > keep.file_seconds
            or frame.at < self._written - _SET_BACK_SECONDS
        ):
            self._seal()
        if self._writer is None:
            self.path = self._folder / self._name(frame.at)
            self._begun = frame.at
            specs = [_without_secrets(spec) for spec in frame.specs]
            self._writer = SessionWriter(self.path, Head(frame.at, specs, self._facts))
            self._writer.mark(_beginning(frame.at, self._facts))
            if rows := self._still_open():
                self._writer.entries(frame.at, rows)
        return self._writer

    def _tidy(self, now: float) -> None:
        """Let go of what is too old or too much. Raises SessionError where the disk is nearly full."""
        for path in list(shelf.surplus(self._folder, self._keep, now)):
            size = shelf.remove(path)
            self._note(Sealed(path, "", size, "older, or more, than what is kept"))
        if shelf.free_bytes(self._folder) < self._keep.free_bytes:
            raise SessionError(f"the disk of {self._folder} is nearly full", "free some space, or keep fewer sessions")

    def _seal(self) -> None:
        if self._writer is not None:
            digest = self._writer.end()
            self._note(Sealed(self._writer.path, digest, self._writer.size_bytes))
            self._writer = None


def _without_secrets(spec: NodeSpec) -> NodeSpec:
    """As its fleet file has it, without those that somebody wrote into it."""
    labels = {name: redact_value(name, text) for name, text in spec.labels.items()}
    source = replace(spec.source, selector=redact(spec.source.selector)) if spec.source is not None else None
    return replace(spec, labels=labels, source=source)


def _beginning(at: float, facts: Mapping[str, str]) -> Mark:
    told = (facts.get("mode"), facts.get("who"), f"watchfloor {facts['watchfloor']}" if "watchfloor" in facts else "")
    return Mark(at, "session", ", ".join(["recording begins", *filter(None, told)]))
