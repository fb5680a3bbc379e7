"""One process at a time: whoever holds the lock on a file. The kernel lets it go with the process, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from watchfloor.errors import StoreError


@contextmanager
def only_one(path: Path) -> Iterator[str]:
    """Yields "" where this is the one, else who holds it: "pid 4242". Raises StoreError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{path} can't be opened: {error.strerror}", "see who owns its folder") from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield f"pid {os.read(file, 32).decode('ascii', 'replace').strip() or '?'}"
            return
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        yield ""
    finally:
        os.close(file)
