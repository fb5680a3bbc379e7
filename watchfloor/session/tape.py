"""Blocks in a file: what a session is kept in. Appended to, never changed; whoever reads it may do so at any time.

    watchfloor session 3\\n
    block: kind (1 byte), length and CRC-32 of the body (4 bytes each), console time (8 bytes), body

Kinds: H the head; K, D moments (a key, a difference); S the moment before it once more, as the difference to its key;
T what the terminal showed; M a mark; L entries of the ledger; I where the keys, marks and entries before it are; E the
end: the SHA-256 of all bytes before it, and where the last index is. A file that was torn off ends before the block
that isn't whole.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator
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
        except OSError as error:
            raise SessionError(f"{path} can't be read: {error.strerror}") from error
        if magic != MAGIC:
            self._file.close()
            if magic.startswith(_ANY_MAGIC):
                raise SessionError(f"{path} is a session of another version of watchfloor", "show it with that one")
            raise SessionError(
                f"{path} is no session of this watchfloor", "`watchfloor sessions` lists those there are"
            )

    def blocks(self, start: int = len(MAGIC), before: int | None = None) -> Iterator[Block]:
        """Whole blocks from there on, their bodies unread; up to the end, or to the first that isn't whole."""
        size = os.fstat(self._file.fileno()).st_size
        while start + _HEADER.size <= size and (before is None or start < before):
            kind, length, _, at = _HEADER.unpack(os.pread(self._file.fileno(), _HEADER.size, start))
            block = Block(kind, at, start, length)
            if length > MOST_BYTES or block.end > size:
                return
            yield block
            start = block.end

    def body(self, block: Block) -> bytes:
        """Raises SessionError where it isn't what was written."""
        data = os.pread(self._file.fileno(), _HEADER.size + block.length, block.start)
        return _checked(block, data, self.path)

    def stretch(self, start: int, end: int, until: float = float("inf")) -> Iterator[tuple[Block, bytes]]:
        """All blocks of a part of the file, read at once, up to the first moment beyond a time: it need not be whole.

        Raises SessionError at the first that was altered.
        """
        data = os.pread(self._file.fileno(), end - start, start)
        place = 0
        while place + _HEADER.size <= len(data):
            kind, length, _, at = _HEADER.unpack_from(data, place)
            block = Block(kind, at, start + place, length)
            stop = place + _HEADER.size + length
            if stop > len(data) or (kind in (KEY, CHANGE) and at > until):
                return
            yield block, _checked(block, data[place:stop], self.path)
            place = stop

    def seal(self) -> tuple[Block, str, int] | None:
        """The last block, the digest that it holds, and where the last index is; None where the file has no end."""
        start = self.size - _HEADER.size - _END.size
        if start < len(MAGIC):
            return None
        data = os.pread(self._file.fileno(), _HEADER.size + _END.size, start)
        kind, length, _, at = _HEADER.unpack_from(data)
        if kind != END or length != _END.size:
            return None
        block = Block(kind, at, start, length)
        digest, index = _END.unpack(_checked(block, data, self.path))
        return block, digest.hex(), index

    def block(self, start: int) -> Block:
        """The one that begins there. Raises SessionError where none does."""
        found = next(self.blocks(start), None)
        if found is None:
            raise SessionError(f"{self.path}: no block begins at byte {start}")
        return found

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


def _checked(block: Block, data: bytes, path: Path) -> bytes:
    body = data[_HEADER.size :]
    kind, length, crc, at = _HEADER.unpack_from(data)
    if len(body) != length or crc != _crc(kind, at, body):
        raise SessionError(f"{path}: the block at byte {block.start} was altered, or never written to its end")
    return body


def _crc(kind: bytes, at: float, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(_HEADER.pack(kind, len(body), 0, at)))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
