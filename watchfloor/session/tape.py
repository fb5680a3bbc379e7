"""Blocks in a file: what a session is kept in. Appended to, never changed; whoever reads it may do so at any time.

    watchfloor session 3\\n
    block: kind (1 byte), length and CRC-32 of the body (4 bytes each), console time (8 bytes), body

Kinds: H the head; K, D moments (a key, a difference); S the moment before it once more, as the difference to its key;
T what the terminal showed; M a mark; L entries of the ledger; I where the keys, marks and entries before it are; E the
end: the SHA-256 of all bytes before it, and where the last index is. A file that was torn off ends before the block
that isn't whole. Where bytes were altered, reading goes on at the next block whose checksum fits.
"""

from __future__ import annotations

import fcntl
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import BinaryIO

from watchfloor.errors import SessionError

MAGIC = b"watchfloor session 3\n"
_ANY_MAGIC = b"watchfloor session "
HEAD, KEY, CHANGE, SINCE_KEY, TERMINAL, MARK, LEDGER, INDEX, END = (kind.encode() for kind in "HKDSTMLIE")
_HEADER = Struct("<cIId")
_END = Struct("<32sQ")
_KINDS = (HEAD, KEY, CHANGE, SINCE_KEY, TERMINAL, MARK, LEDGER, INDEX, END)
_ANY_KIND = re.compile(b"[" + b"".join(_KINDS) + b"]")
_YEAR_SECONDS = 365 * 86_400.0
_MOST_SECONDS = 100 * _YEAR_SECONDS  # from the head's time: a clock that was set lies nearer
_WINDOW_BYTES = 2**20
UNKNOWN = b""
END_BYTES = _HEADER.size + _END.size
MOST_BYTES = 256 * 2**20  # of one block: what claims to be longer is no block


@dataclass(frozen=True, slots=True)
class Block:
    kind: bytes
    at: float
    start: int  # where it begins in the file
    length: int  # of its body

    @property
    def body(self) -> int:
        return self.start + _HEADER.size

    @property
    def end(self) -> int:
        return self.body + self.length


class TapeWriter:
    """A new file. Each block is with the operating system when `append` returns: a killed program loses none of them.

    Raises SessionError from every method where the disk is full, or the file can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest = sha256()
        self.size = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = open(path, "xb", buffering=0, opener=_private)  # noqa: SIM115 - closed by `close`
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise self._trouble(error) from error
        self._write(MAGIC)

    def append(self, kind: bytes, at: float, body: bytes) -> Block:
        block = Block(kind, at, self.size, len(body))
        self._write(_HEADER.pack(kind, len(body), _crc(kind, at, body), at) + body)
        return block

    def _write(self, data: bytes) -> None:
        """All of it, or nothing that a reader takes for a block."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise self._trouble(error) from error
        self._digest.update(data)
        self.size += len(data)

    def sync(self) -> None:
        """It outlasts a power cut as far as it is written."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._trouble(error) from error

    def end(self, at: float, index: int) -> str:
        """Write the last block and close: the SHA-256 of everything before it, in hexadecimal."""
        digest = self._digest.digest()
        self.append(END, at, _END.pack(digest, index))
        self.sync()
        self.close()
        return digest.hex()

    def close(self) -> None:
        """Without an end, as after a kill. Twice does no harm."""
        self._file.close()

    def _trouble(self, error: OSError) -> SessionError:
        return SessionError(f"{self.path} can't be written: {error.strerror}", "free some space, or name another file")


class TapeReader:
    """A file that may still be growing. Raises SessionError where it is none of ours, or can't be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file: BinaryIO = path.open("rb")
            magic = self._file.read(len(MAGIC))
            head = self._file.read(_HEADER.size)
        except OSError as error:
            raise SessionError(f"{path} can't be read: {error.strerror}") from error
        if magic != MAGIC:
            self._file.close()
            if magic.startswith(_ANY_MAGIC):
                raise SessionError(f"{path} is a session of another version of watchfloor", "show it with that one")
            raise SessionError(
                f"{path} is no session of this watchfloor", "`watchfloor sessions` lists those there are"
            )
        self._begun: float = _HEADER.unpack(head)[3] if len(head) == _HEADER.size else 0.0
        self._troubles: dict[int, str] = {}

    def walk(self, start: int = len(MAGIC), end: int | None = None) -> Iterator[tuple[Block, bytes | None]]:
        """All blocks from there on, with their bodies; up to this place, or to the first that isn't whole yet.

        None: these bytes were altered, up to the next block that is whole. Its kind is `UNKNOWN` where neither checksum
        nor length bears it out; its time lies between those of its neighbours.
        """
        before = self._begun
        while start < (self.size if end is None else end):
            found: tuple[Block, bytes | None] | None = self._whole(start) or self._altered(start, end, before)
            if found is None:
                return
            yield found
            start, before = found[0].end, found[0].at

    def whole(self, start: int) -> tuple[Block, bytes]:
        """The one that begins there. Raises SessionError where it isn't what was written."""
        found = self._whole(start)
        if found is None:
            raise SessionError(self.note(start))
        return found

    def note(self, start: int) -> str:
        """What is told of a block that isn't what was written."""
        text = f"{self.path}: the block at byte {start} was altered, or never written to its end"
        self._troubles[start] = text
        return text

    @property
    def troubles(self) -> Sequence[str]:
        """What was found altered so far, each place once."""
        return list(self._troubles.values())

    def _whole(self, start: int) -> tuple[Block, bytes] | None:
        header = self._read(start, _HEADER.size)
        if not self._plausible(start, header):
            return None
        kind, length, crc, at = _HEADER.unpack(header)
        body = self._read(start + _HEADER.size, length)
        return (Block(kind, at, start, length), body) if crc == _crc(kind, at, body) else None

    def _plausible(self, start: int, header: bytes) -> bool:
        if len(header) < _HEADER.size:
            return False
        _, length, _, at = _HEADER.unpack(header)
        block_ends = start + _HEADER.size + length
        return length <= MOST_BYTES and block_ends <= self.size and abs(at - self._begun) < _MOST_SECONDS

    def _altered(self, start: int, end: int | None, before: float) -> tuple[Block, None] | None:
        """What lies there up to the next whole block; None where none follows: it is being written, or was torn off."""
        following = self._next_whole(start + 1, self.size if end is None else end, before)
        behind, next_at = (following.start, following.at) if following else (end, float("inf"))
        if behind is None:
            return None
        self.note(start)
        data = self._read(start, min(behind - start, MOST_BYTES)).ljust(_HEADER.size, b"\0")
        _, _, _, at = _HEADER.unpack_from(data)
        at = at if before <= at <= min(next_at, self._begun + _MOST_SECONDS) else before
        return Block(_kind_of(data), at, start, behind - start - _HEADER.size), None

    def _next_whole(self, start: int, stop: int, near: float) -> Block | None:
        """The first within a year of this time: few bytes have to be tried."""
        for place in range(start, stop, _WINDOW_BYTES):
            data = self._read(place, _WINDOW_BYTES + _HEADER.size - 1)
            for match in _ANY_KIND.finditer(data, 0, min(_WINDOW_BYTES, stop - place)):
                begin = place + match.start()
                header = data[match.start() : match.start() + _HEADER.size]
                if not self._plausible(begin, header) or abs(_HEADER.unpack(header)[3] - near) > _YEAR_SECONDS:
                    continue
                if found := self._whole(begin):
                    return found[0]
        return None

    def _read(self, start: int, length: int) -> bytes:
        return os.pread(self._file.fileno(), length, start)

    def seal(self) -> tuple[Block, str, int] | None:
        """The last block, the digest that it holds, and where the last index is; None: the file has no whole end."""
        start = self.size - END_BYTES
        found = self._whole(start) if start >= len(MAGIC) else None
        if found is None or found[0].kind != END or found[0].length != _END.size:
            return None
        digest, index = _END.unpack(found[1])
        return found[0], digest.hex(), index

    def digest(self, before: int) -> str:
        """SHA-256 of the bytes before this place."""
        found = sha256()
        with self.path.open("rb") as file:
            while before > 0 and (part := file.read(min(before, 2**20))):
                found.update(part)
                before -= len(part)
        return found.hexdigest()

    @property
    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        self._file.close()


def _kind_of(data: bytes) -> bytes:
    """Of a block of which something was altered: the kind that its checksum, or else its length, bears out."""
    told, length, crc, at = _HEADER.unpack_from(data)
    body = data[_HEADER.size :]
    fits = (kind for kind in (told, *_KINDS) if crc == _crc(kind, at, body))
    return next(fits, told if length == len(body) and told in _KINDS else UNKNOWN)


def _crc(kind: bytes, at: float, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(_HEADER.pack(kind, len(body), 0, at)))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
