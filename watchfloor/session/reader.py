"""One file of a session -> the fleet at any moment of it, forth and back. The file may still be growing."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from math import inf
from pathlib import Path
from typing import TypeVar

import msgspec

from watchfloor.errors import SessionError
from watchfloor.session.moment import Moment, Told, decoded, told
from watchfloor.session.packing import unpacked
from watchfloor.session.reel import Reel
from watchfloor.session.tape import CHANGE, HEAD, KEY, LEDGER, MARK, SINCE_KEY, TERMINAL, Block, TapeReader
from watchfloor.session.writer import Head, Index, Mark

Read = TypeVar("Read")


class Session:
    """Raises SessionError from every method where the file was altered, or can't be read."""

    def __init__(self, path: Path) -> None:
        self._tape = TapeReader(path)
        self.path = path
        try:
            first = next(self._tape.blocks(), None)
            if first is None or first.kind != HEAD:
                raise SessionError(f"{path} was torn off before it began")
            self.head = msgspec.json.decode(self._tape.body(first), type=Head)
            self._keys: list[tuple[int, float]] = []
            self._stops: list[tuple[int, float]] = []
            self._marks: list[tuple[int, float]] = []
            self._entries: list[tuple[int, float]] = []
            self._scanned = first.end
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

    def marks(self) -> list[Mark]:
        return self.marks_from(0)

    def marks_from(self, number: int) -> list[Mark]:
        """Without the first ones."""
        return [self._mark(start) for start, _ in self._marks[number:]]

    @property
    def mark_count(self) -> int:
        return len(self._marks)

    def entries_from(self, block: int) -> tuple[int, list[tuple[int, bytes]]]:
        """Entries of the ledger (number, bytes) without those of the first blocks; how many blocks there are."""
        bodies = [unpacked(self._tape.body(self._tape.block(start))) for start, _ in self._entries[block:]]
        found = [msgspec.msgpack.decode(body, type=list[tuple[int, bytes]]) for body in bodies]
        return len(self._entries), [row for rows in found for row in rows]

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
        place = bisect_right(self.keys, at) - 1
        blocks = self._tape.blocks(self._keys[place][0]) if place >= 0 else ()
        return next((block.at for block in blocks if block.kind in (KEY, CHANGE) and block.at > at), None)

    def told(self, after: float) -> Iterator[Told]:
        """The tables of the moments after this time."""
        return (self._read(told, body) for when, body in self._bodies(after) if when > after)

    def told_at_stop(self, number: int) -> Told | None:
        """All tables where it is a key, else what changed in them since; None where it isn't whole any more."""
        start, _ = self._stops[number]
        try:
            return self._read(told, self._tape.body(self._tape.block(start)))
        except SessionError:
            return None

    def _bodies(self, since: float, until: float = inf) -> Iterator[tuple[float, bytes]]:
        """Time and bytes of each moment, from the last key before `since` on; what follows it by the shortest way."""
        number = max(0, bisect_right([at for _, at in self._keys], since) - 1)
        for start, end in self._stretches(number):
            if start >= end or (key := self._tape.block(start)).at > until:
                return
            near = self._last_stop(start, end, since)
            if near is not None:
                yield key.at, self._tape.body(key)
                yield near.at, self._tape.body(near)
            for block, body in self._tape.stretch(near.end if near else start, end, until):
                if block.kind in (KEY, CHANGE):
                    yield block.at, body

    def _last_stop(self, key: int, end: int, until: float) -> Block | None:
        """The last moment up to this time that is told by what changed since the key that begins there."""
        first, behind = bisect_right(self._stops, (key, inf)), bisect_left(self._stops, (end, 0.0))
        starts = (start for start, at in reversed(self._stops[first:behind]) if at <= until)
        last = next(starts, None)
        return self._tape.block(last) if last is not None else None

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
        for block in self._tape.blocks():
            if block.kind == TERMINAL and block.at >= since:
                body = unpacked(self._tape.body(block))
                yield from msgspec.msgpack.decode(body, type=list[tuple[float, str, str]])

    def refresh(self) -> bool:
        """Take in what was written since: whether there was anything."""
        before = self._scanned
        self._scan(before)
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
        if seal is None:
            self._scan(self._scanned)
            return
        block, _, start = seal
        found: list[Index] = []
        while start:
            found.append(msgspec.msgpack.decode(self._tape.body(self._tape.block(start)), type=Index))
            start = found[-1].before
        for index in reversed(found):
            self._keys += index.keys
            self._stops += index.stops
            self._marks += index.marks
            self._entries += index.entries
        self._end, self._scanned = block.at, block.end

    def _scan(self, start: int) -> None:
        for block in self._tape.blocks(start):
            if block.kind in (KEY, SINCE_KEY):
                self._stops.append((block.start, block.at))
            if block.kind == KEY:
                self._keys.append((block.start, block.at))
            elif block.kind == MARK:
                self._marks.append((block.start, block.at))
            elif block.kind == LEDGER:
                self._entries.append((block.start, block.at))
            self._end, self._scanned = max(self._end, block.at), block.end

    def _stretches(self, number: int) -> Iterator[tuple[int, int]]:
        """The parts of the file from one key to the next, from this key on."""
        starts = [start for start, _ in self._keys[number:]]
        yield from zip(starts, [*starts[1:], self._scanned], strict=True)

    def _mark(self, start: int) -> Mark:
        return msgspec.json.decode(self._tape.body(self._tape.block(start)), type=Mark)

    def close(self) -> None:
        self._tape.close()
