"""Secrets that are planted where a console takes texts from, and all that its files hold, to look for them."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from watchfloor.errors import SessionError
from watchfloor.session.packing import unpacked
from watchfloor.session.tape import CHANGE, KEY, LEDGER, SINCE_KEY, TERMINAL, TapeReader

_NUMBERS = count(10)
_MARK = b"plantedSecret"  # of all of them
_GZIP = b"\x1f\x8b"


def planted() -> str:
    """Another one each time, all alike in what they are looked for by."""
    return f"hf_{_MARK.decode()}Zq{next(_NUMBERS)}"


def leaks(folder: Path) -> list[tuple[str, bytes]]:
    """In which files below it one stands, with what is around it."""
    found = ((path, text, text.find(_MARK)) for path, text in texts_of(folder))
    return [(str(path), text[max(0, at - 60) : at + 40]) for path, text, at in found if at >= 0]


def texts_of(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """All that the files below it hold: databases by their bytes, what is packed as it is unpacked."""
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        yield path, path.read_bytes()
        for text in (*_blocks(path), *_members(path)):
            yield path, text


def _blocks(path: Path) -> Iterable[bytes]:
    """Of a session."""
    with suppress(SessionError):
        tape = TapeReader(path)
        for block, body in tape.walk():
            held = body if body is not None else tape.whole(block.start)[1]
            yield unpacked(held) if block.kind in (KEY, CHANGE, SINCE_KEY, TERMINAL, LEDGER) else held
        tape.close()


def _members(path: Path) -> Iterable[bytes]:
    """Of a bundle."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as bundle:
            for name in bundle.namelist():
                data = bundle.read(name)
                yield gzip.decompress(data) if data.startswith(_GZIP) else data
