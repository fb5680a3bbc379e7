"""What is told of recordings: what each is of, and whether it is what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from watchfloor.errors import SessionError
from watchfloor.session.folder import is_written
from watchfloor.session.reader import Session


class Wholeness(StrEnum):
    SEALED = "sealed"  # it ends as it was ended
    WRITTEN = "being written"
    TORN = "torn"  # it has no end: whoever wrote it was killed, or could write no more
    ALTERED = "altered"  # its bytes are not those that were sealed, or that a killed one wrote
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Told:
    """One recording. Times are console time in seconds since the epoch, 0 where they can't be read."""

    path: Path
    wholeness: Wholeness
    size_bytes: int
    begun: float = 0.0
    ended: float = 0.0
    nodes: int = 0
    marks: int = 0
    facts: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""
    text: str = ""


def told(path: Path, with_digest: bool) -> Told:
    """`with_digest`: every byte is read. Without, a file that has an end counts as sealed."""
    size = path.stat().st_size if path.exists() else 0
    try:
        with closing(Session(path)) as session:
            digest = session.sealed() if with_digest else ""
            return Told(
                path,
                _wholeness(session, digest, with_digest),
                size,
                session.begin,
                session.end,
                len(session.head.specs),
                session.mark_count,
                session.head.facts,
                digest,
                "; ".join(session.troubles),
            )
    except SessionError as error:
        return Told(path, Wholeness.UNREADABLE, size, text=str(error))


def vouched(one: Told, ledger: Path) -> str:
    """What this ledger says of it: "same", "another" (digest), or "nothing". Raises StoreError."""
    from watchfloor.records.ledgerreader import LedgerReader, Wanted  # noqa: PLC0415 - a list needs no database
    from watchfloor.records.ledgerwords import Kind  # noqa: PLC0415

    if not ledger.exists():
        return "nothing"
    with LedgerReader(ledger) as reader:
        kinds = Wanted(kinds=(Kind.RECORDING,))
        bodies = [entry.body for entry in reader.entries(kinds) if entry.body.get("file") == one.path.name]
    digests = [body["sha256"] for body in bodies if body.get("sha256")]
    if not digests:
        return "nothing"
    return "same" if digests[-1] == one.sha256 else "another"


def _wholeness(session: Session, digest: str, with_digest: bool) -> Wholeness:
    if session.has_end:
        return Wholeness.SEALED if digest or not with_digest else Wholeness.ALTERED
    if session.troubles:
        return Wholeness.ALTERED
    return Wholeness.WRITTEN if is_written(session.path) else Wholeness.TORN
