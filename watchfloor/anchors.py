"""Where a ledger's checkpoints are told besides, so that a cut tail shows: a file, the system log, a note in git.

Each is a line, and a place is read like any log: what isn't an anchor is passed over.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from watchfloor.errors import ConfigError, StoreError
from watchfloor.records.ledgercheckpoint import Anchor, anchors_in

SYSLOG = Path("/dev/log")
GIT = "git:"  # before the path of a repository
_REF = "refs/notes/watchfloor"
_NOTICE = 10 * 8 + 5  # authpriv.notice (RFC 3164)
_SECONDS = 60.0


def to_file(anchor: Anchor, path: Path) -> None:
    """Append it, on disk when this returns. Raises StoreError."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(anchor.line() + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"not anchored in {path}: {error.strerror}", "a file that may be appended to") from error


def to_syslog(anchor: Anchor, place: Path = SYSLOG) -> None:
    """Without the signature, which stands in the ledger: a line of the log is short. Raises StoreError."""
    line = f"<{_NOTICE}>watchfloor[{os.getpid()}]: {anchor.line(with_signature=False)}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
            log.connect(str(place))
            log.send(line.encode())
    except OSError as error:
        raise StoreError(
            f"not anchored in the system log {place}: {error.strerror}", "is a log daemon running?"
        ) from error


def to_git(anchor: Anchor, repository: Path) -> None:
    """A note on HEAD, which travels with `git push origin refs/notes/watchfloor`. Raises StoreError."""
    done = _git(repository, "notes", f"--ref={_REF}", "append", "-m", anchor.line(), "HEAD")
    if done.returncode != 0:
        raise StoreError(f"not anchored in {repository}: {_words(done)}", "a git repository with a commit in it")


def read(place: str) -> list[Anchor]:
    """The anchors of a file, or of a repository's notes (git:PATH). Raises ConfigError."""
    try:
        if place.startswith(GIT):
            found = list(anchors_in(_notes(Path(place.removeprefix(GIT))), place))
        else:
            with Path(place).open(encoding="utf-8", errors="replace") as lines:
                found = list(anchors_in(lines, place))
    except OSError as error:
        raise ConfigError(error.strerror or str(error), "a file with anchors, or git:REPOSITORY", file=place) from error
    except ValueError as error:
        raise ConfigError(str(error), "see to that line: an anchor that can't be read proves nothing") from error
    if not found:
        raise ConfigError("there is no anchor in it", "`watchfloor audit anchor` makes one", file=place)
    return found


def _notes(repository: Path) -> Sequence[str]:
    """Lines of all notes. Raises ConfigError."""
    listed = _git(repository, "notes", f"--ref={_REF}", "list")
    if listed.returncode != 0:
        raise ConfigError(_words(listed), "a git repository", file=str(repository))
    lines: list[str] = []
    for row in listed.stdout.decode().splitlines():
        note = _git(repository, "cat-file", "blob", row.split()[0])
        lines += note.stdout.decode("utf-8", "replace").splitlines()
    return lines


def _git(repository: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    try:
        command = ["git", "-C", str(repository), *words]
        return subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise ConfigError("there is no git", "install it, or anchor in a file") from error
    except subprocess.TimeoutExpired as error:
        raise StoreError(f"git has not answered in {repository}", "see to the repository") from error


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join(done.stderr.decode("utf-8", "replace").split()) or f"git ended with {done.returncode}"
