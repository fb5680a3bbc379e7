"""The folder of sessions: what they are called, which there are, and which go when there are too many.

A file that is being written is locked by whoever writes it; the kernel lets the lock go with the process. Such files
are never removed, and a file without an end that nobody writes is what a kill or a power cut left.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from watchfloor.errors import ConfigError, SessionError
from watchfloor.metrics import Unit
from watchfloor.units import quantity

SUFFIX = ".session"
KEEP_VARIABLE = "WATCHFLOOR_SESSIONS_KEEP"
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Keep:
    """How much is kept: the oldest go first. `file_seconds`, `file_bytes`: then another file is begun."""

    seconds: float = 30 * _DAY
    bytes: int = 50 * 10**9
    file_seconds: float = _DAY
    file_bytes: int = 2 * 10**9
    free_bytes: int = 500 * 10**6  # less room than this on the disk is left to others: the ledger is among them


def keep_of(text: str) -> Keep:
    """What WATCHFLOOR_SESSIONS_KEEP says: "14d", "100GB" or "14d,100GB"; "" is the usual. Raises ConfigError."""
    kept = Keep()
    for word in filter(None, (part.strip() for part in text.split(","))):
        kept = _with(kept, word)
    return kept


def _with(kept: Keep, word: str) -> Keep:
    with suppress(ValueError):
        return replace(kept, seconds=quantity(word, Unit.SECONDS))
    with suppress(ValueError):
        return replace(kept, bytes=int(quantity(word, Unit.BYTES)))
    raise ConfigError(f"{word!r} is neither a time nor a size", "such as 14d,100GB", file=KEEP_VARIABLE)


def new_name(at: float, mode: str, process: int) -> str:
    """The name of a file that is begun at this console time: sorted by name is sorted by time."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(at))}-{mode}-{process}{SUFFIX}"


def files(folder: Path) -> Sequence[Path]:
    """The oldest first; none where there is no folder."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def is_written(path: Path) -> bool:
    """Whether somebody writes it now."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def surplus(folder: Path, keep: Keep, now: float) -> Iterator[Path]:
    """What is too old, or too much, the oldest first; nothing that is being written."""
    known = list(_stats(folder))
    total = sum(stat.st_size for _, stat in known)
    for path, stat in known:
        too_old = now - stat.st_mtime > keep.seconds
        if (too_old or total > keep.bytes) and not is_written(path):
            total -= stat.st_size
            yield path


def _stats(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Another console may remove a file at any moment."""
    for path in files(folder):
        with suppress(OSError):
            yield path, path.stat()


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write there. Raises SessionError."""
    try:
        room = os.statvfs(folder)
    except OSError as error:
        raise SessionError(f"{folder} can't be looked at: {error.strerror}") from error
    return room.f_bavail * room.f_frsize


def remove(path: Path) -> int:
    """Bytes that it had; 0 where somebody else was first."""
    with suppress(OSError):
        size = path.stat().st_size
        path.unlink()
        return size
    return 0
