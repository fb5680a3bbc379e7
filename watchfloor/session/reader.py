"""One file of a session -> the fleet at any moment of it, forth and back. The file may still be growing."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, pairwise
from math import inf
from pathlib import Path
from typing import TypeVar

import msgspec

from watchfloor.errors import SessionError
from watchfloor.session.moment import Moment, Told, decoded, told
from watchfloor.session.packing import unpacked
from watchfloor.session.reel import Reel
from watchfloor.session.tape import (
    CHANGE,
    END_BYTES,
    INDEX,
    KEY,
    LEDGER,
    MAGIC,
    MARK,
    SINCE_KEY,
    TERMINAL,
    UNKNOWN,
    Block,
    TapeReader,
)  # fmt: skip
from watchfloor.session.writer import Head, Index, Mark

Read = TypeVar("Read")
_MOMENTS = (KEY, CHANGE, UNKNOWN)  # what was altered, and of which nobody knows, may have been one


class Session:
    """Raises SessionError from every method where the file was altered, or can't be read."""

    def __init__(self, path: Path) -> None:
        self._tape = TapeReader(path)
        self.path = path
        try:
            first, head = self._tape.whole(len(MAGIC))
            self.head = msgspec.json.decode(head, type=Head)
            self._keys: list[tuple[int, float]] = []
            self._stops: list[tuple[int, float]] = []
            self._marks: list[tuple[int, float]] = []
            self._entries: list[tuple[int, float]] = []
            self._indexed = 0  # where the last index is of those that follow one another
            self._unsure = False  # whether what was altered may have been a key
            self._scanned, self._size = first.end, 0
            self._end = self.head.begun
            self._find()
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SessionError(f"{path}: its head can't be read: {error}") from error

    # -- what there is

    @property
    def begin(self) -> float:
        """Console time of the first moment; of the head where there is none."""
        return self._keys[0][1] if self._keys else self.head.begun

    @property
    def end(self) -> float:
        """Console time of the last thing in it."""
        return self._end

    @property
    def keys(self) -> Sequence[float]:
        """Console times of the moments that stand alone."""
        return [at for _, at in self._keys]

    @property
    def stops(self) -> Sequence[float]:
        """Console times of the moments for which little has to be read: keys, and what changed since them."""
        return [at for _, at in self._stops]

    @property
    def troubles(self) -> Sequence[str]:
        """What was found altered so far, each place once."""
        return self._tape.troubles

    def marks(self) -> list[Mark]:
        return self.marks_from(0)[1]

    def marks_from(self, number: int) -> tuple[int, list[Mark]]:
        """The whole ones, without the first; how many there are, whole or not."""
        bodies = self._whole(self._marks[number:])
        return len(self._marks), [msgspec.json.decode(body, type=Mark) for body in bodies]

    @property
    def mark_count(self) -> int:
        return len(self._marks)

    def entries_from(self, block: int) -> tuple[int, list[tuple[int, bytes]]]:
        """Entries of the ledger (number, bytes) without those of the first blocks; how many blocks there are."""
        bodies = map(unpacked, self._whole(self._entries[block:]))
        found = [msgspec.msgpack.decode(body, type=list[tuple[int, bytes]]) for body in bodies]
        return len(self._entries), [row for rows in found for row in rows]

    def _whole(self, places: Sequence[tuple[int, float]]) -> Iterator[bytes]:
        """The bodies of those that are as they were written; `troubles` has the others."""
        for start, _ in places:
            with suppress(SessionError):
                yield self._tape.whole(start)[1]

    @property
    def has_end(self) -> bool:
        """Whether it was ended in order."""
        return self._tape.seal() is not None

    def moments(self, since: float, until: float) -> Iterator[Moment]:
        """From the last key before `since` on, up to `until`: what a reel has to run."""
        return (self._read(decoded, body) for _, body in self._bodies(since, until))

    def after(self, at: float) -> Iterator[Moment]:
        """What a reel that stands at this moment has to run next."""
        return (self._read(decoded, body) for when, body in self._bodies(at) if when > at)

    def next_at(self, at: float) -> float | None:
        """When the moment after this one is, by its own word: it may not be whole. None where none is."""
        place = max(0, bisect_right(self.stops, at) - 1)
        blocks = self._tape.walk(self._stops[place][0]) if self._stops else ()
        return next((block.at for block, _ in blocks if block.kind in _MOMENTS and block.at > at), None)

    def told(self, after: float) -> Iterator[Told]:
        """The tables of the moments after this time."""
        return (self._read(told, body) for when, body in self._bodies(after) if when > after)

    def told_at_stop(self, number: int) -> Told | None:
        """All tables where it is a key, else what changed in them since; None where it isn't whole any more."""
        start, _ = self._stops[number]
        try:
            return self._read(told, self._tape.whole(start)[1])
        except SessionError:
            return None

    def _bodies(self, since: float, until: float = inf) -> Iterator[tuple[float, bytes]]:
        """Time and bytes of each moment, from the last key before `since` on; what follows it by the shortest way."""
        number = max(0, bisect_right([at for _, at in self._keys], since) - 1)
        for start, end, key_at in self._stretches(number):
            if start >= end or key_at > until:
                return
            near, whole = self._tape.whole(start)
            yield near.at, whole
            if stop := self._last_stop(start, end, since):
                near, whole = stop
                yield near.at, whole
            for block, body in self._tape.walk(near.end, end):
                if block.kind in _MOMENTS:
                    if block.at > until:
                        return
                    yield block.at, body or self._tape.whole(block.start)[1]

    def _last_stop(self, key: int, end: int, until: float) -> tuple[Block, bytes] | None:
        """The last whole moment up to this time that is told by what changed since the key that begins there."""
        first, behind = bisect_right(self._stops, (key, inf)), bisect_left(self._stops, (end, 0.0))
        for start, at in reversed(self._stops[first:behind]):
            with suppress(SessionError):
                if at <= until:
                    return self._tape.whole(start)
        return None

    def _read(self, decode: Callable[[bytes], Read], body: bytes) -> Read:
        try:
            return decode(unpacked(body))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SessionError(f"{self.path}: a moment of it can't be read: {error}") from error

    def reel(self, at: float, before_seconds: float = 0.0) -> Reel:
        """The session at the last moment up to `at`, or at its first; it remembers so many seconds before it."""
        reel, at = Reel(self.head.specs), max(at, self.begin)
        for moment in self.moments(at - before_seconds, at):
            (reel.run if moment.at > at - before_seconds else reel.skip)(moment)
        if not reel.at:
            raise SessionError(f"{self.path} holds no moment", "it was killed before the first frame")
        return reel

    def terminal(self, since: float = 0.0) -> Iterator[tuple[float, str, str]]:
        """What the screen showed: (console time, asciicast's code, data)."""
        for block, body in self._tape.walk():
            if block.kind == TERMINAL and block.at >= since and body is not None:
                yield from msgspec.msgpack.decode(unpacked(body), type=list[tuple[float, str, str]])

    def refresh(self) -> bool:
        """Take in what was written since: whether there was anything."""
        before, size = self._scanned, self._tape.size
        if size != self._size:
            self._scan()
            self._size = size
        return self._scanned != before

    # -- whether it is whole

    def sealed(self) -> str:
        """The digest that it ends with; "" where it has no end, or another one than its bytes."""
        seal = self._tape.seal()
        return seal[1] if seal and self._tape.digest(seal[0].start) == seal[1] else ""

    @property
    def torn_bytes(self) -> int:
        """What follows the last whole block."""
        return self._tape.size - self._scanned

    # -- where it is

    def _find(self) -> None:
        seal = self._tape.seal()
        try:
            indices = self._indices(seal[2]) if seal else None
        except (SessionError, msgspec.DecodeError):
            indices = None
        if seal is None or indices is None:
            self._scan()
            if self.torn_bytes == END_BYTES:
                self._tape.note(self._scanned)
            return
        for index in reversed(indices):
            self._take(index)
        self._end, self._scanned = seal[0].at, seal[0].end

    def _indices(self, start: int) -> list[Index]:
        """The last one first. Raises SessionError, msgspec.DecodeError."""
        found: list[Index] = []
        while start:
            found.append(msgspec.msgpack.decode(self._tape.whole(start)[1], type=Index))
            start = found[-1].before
        return found

    def _take(self, index: Index) -> None:
        """What it tells, in the place of what was found since the index before it."""
        lists = (self._keys, index.keys), (self._stops, index.stops), (self._marks, index.marks)
        for mine, known in (*lists, (self._entries, index.entries)):
            mine[bisect_left(mine, (index.before, 0.0)) :] = known

    def _scan(self) -> None:
        """What stands behind what was scanned. What was altered is there, too, where its kind is known."""
        for block, body in self._tape.walk(self._scanned):
            self._note(block)
            if block.kind == INDEX and body is not None:
                self._note_index(block, body)
            self._end = max(self._end, block.at)
            self._scanned = block.end

    def _note(self, block: Block) -> None:
        place = block.start, block.at
        if block.kind in (KEY, UNKNOWN):
            self._unsure = block.kind == UNKNOWN
        if block.kind == KEY:
            self._keys.append(place)
        if block.kind == KEY or (block.kind == SINCE_KEY and not self._unsure):
            self._stops.append(place)
        elif block.kind == MARK:
            self._marks.append(place)
        elif block.kind == LEDGER:
            self._entries.append(place)

    def _note_index(self, block: Block, body: bytes) -> None:
        """It knows better what came since the one before it, unless that isn't whole: then a key may be lost, too; or
        unless what was found stands elsewhere, for bytes came or went."""
        index = msgspec.msgpack.decode(body, type=Index)
        if index.before == self._indexed and not self._elsewhere(index):
            self._take(index)
            self._unsure = False
        self._indexed = block.start

    def _elsewhere(self, index: Index) -> bool:
        since = (index.before, 0.0)
        mine = (found[bisect_left(found, since) :] for found in (self._stops, self._marks, self._entries))
        known = {start for start, _ in chain(index.stops, index.marks, index.entries)}
        return any(start not in known for start, _ in chain.from_iterable(mine))

    def _stretches(self, number: int) -> Iterator[tuple[int, int, float]]:
        """The parts of the file from one key to the next, from this key on, and its time."""
        for (start, at), (end, _) in pairwise([*self._keys[number:], (self._scanned, inf)]):
            yield start, end, at

    def close(self) -> None:
        self._tape.close()
