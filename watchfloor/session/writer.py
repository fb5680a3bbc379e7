"""Frames, what the terminal showed, and marks -> one file of a session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from watchfloor.frame import Frame
from watchfloor.model import NodeSpec
from watchfloor.session.leaves import Picker
from watchfloor.session.moment import Changes, Moment, encoded
from watchfloor.session.packing import packed
from watchfloor.session.tape import CHANGE, HEAD, INDEX, KEY, LEDGER, MARK, SINCE_KEY, TERMINAL, Block, TapeWriter

KEY_SECONDS = 300.0  # a seek reads from a key on
LEAP_SECONDS = 30.0  # and needs no more of what follows it: so often is told what changed since the key


class Head(msgspec.Struct, frozen=True):
    """What a session is of. `facts`: versions, configuration digests, who records, the command line, redacted."""

    begun: float  # console time, seconds since the epoch
    specs: list[NodeSpec]
    facts: dict[str, str] = {}


class Mark(msgspec.Struct, frozen=True):
    """Something that a person looks for on the timeline: a key that acted, a run, an entry of the ledger, a gap."""

    at: float
    kind: str  # "session", "key", "command", "run", "ledger", "gap"
    text: str
    facts: dict[str, str] = {}


class Index(msgspec.Struct, frozen=True):
    """What came since the index before, which is at byte `before` (0: there is none): where each begins, and when.

    A stop is a key, or the moment before it once more, by what changed since its key.
    """

    before: int
    keys: list[tuple[int, float]]
    stops: list[tuple[int, float]]
    marks: list[tuple[int, float]]
    entries: list[tuple[int, float]] = []


class SessionWriter:
    """Not thread-safe. Raises SessionError where the file can't be written; nothing more may be told to it then."""

    def __init__(self, path: Path, head: Head, key_seconds: float = KEY_SECONDS) -> None:
        self._tape = TapeWriter(path)
        self._key_seconds = key_seconds
        self._picker = Picker()
        self._changes = Changes()
        self._keyed = self._leapt = float("-inf")
        self._keys: list[tuple[int, float]] = []
        self._stops: list[tuple[int, float]] = []
        self._marks: list[tuple[int, float]] = []
        self._entries: list[tuple[int, float]] = []
        self._indexed = 0
        self._at = head.begun
        self._tape.append(HEAD, head.begun, msgspec.json.encode(head))

    @property
    def path(self) -> Path:
        return self._tape.path

    @property
    def size_bytes(self) -> int:
        return self._tape.size

    @property
    def at(self) -> float:
        """Console time of the last thing in it."""
        return self._at

    def frame(self, frame: Frame) -> None:
        """The fleet at this moment."""
        leaves = self._picker.leaves(frame)
        is_key = not 0 <= frame.at - self._keyed < self._key_seconds
        self.moment(KEY if is_key else CHANGE, self._changes.moment(leaves, is_key))
        if not is_key and frame.at - self._leapt >= LEAP_SECONDS:
            self.moment(SINCE_KEY, self._changes.since_key())

    def moment(self, kind: bytes, moment: Moment) -> None:
        """One that stands alone, one that follows, or the last one once more, as what changed since the key."""
        block = self._tape.append(kind, moment.at, packed(encoded(moment)))
        self._at = moment.at
        if kind == CHANGE:
            return
        self._leapt = moment.at
        self._stops.append((block.start, moment.at))
        if kind == KEY:
            self._keyed = moment.at
            self._keys.append((block.start, moment.at))
            self._write_index()
        self._tape.sync()

    def terminal(self, at: float, events: Sequence[tuple[float, str, str]]) -> None:
        """What the screen showed: (console time, asciicast's code of the event, its data)."""
        self._tape.append(TERMINAL, at, packed(msgspec.msgpack.encode(list(events))))

    def mark(self, mark: Mark) -> Block:
        block = self._tape.append(MARK, mark.at, msgspec.json.encode(mark))
        self._marks.append((block.start, mark.at))
        self._at = max(self._at, mark.at)
        return block

    def entries(self, at: float, rows: Sequence[tuple[int, bytes]]) -> None:
        """Entries of the ledger, byte for byte: their numbers and texts."""
        block = self._tape.append(LEDGER, at, packed(msgspec.msgpack.encode(list(rows))))
        self._entries.append((block.start, at))

    def _write_index(self) -> None:
        index = Index(self._indexed, self._keys, self._stops, self._marks, self._entries)
        self._indexed = self._tape.append(INDEX, self._at, msgspec.msgpack.encode(index)).start
        self._keys, self._stops, self._marks, self._entries = [], [], [], []

    def end(self) -> str:
        """Seal it: the SHA-256 of everything in it, in hexadecimal."""
        self._write_index()
        return self._tape.end(self._at, self._indexed)

    def close(self) -> None:
        """Leave it as it is, unsealed."""
        self._tape.close()
