"""What decides has changed since the ledger told of it last: policies, and files of the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from agents.book import LedgerBook
from agents.policyset import Policies
from watchfloor.records.ledgerentry import Note, Who
from watchfloor.records.ledgerwords import Configuration, PolicyChange

GONE = "not there"


def changes(book: LedgerBook, policies: Policies, files: Sequence[Path], who: Who) -> Iterator[Note]:
    """Entries to be kept before anything is decided by it. `who` has found it so: who changed it, nobody knows.

    Raises StoreError.
    """
    before = book.policy_digest()
    if before != policies.digest:
        troubles = "; ".join(map(str, policies.troubles))
        yield Note(who, PolicyChange(digest=policies.digest, before=before, files=list(policies.files), text=troubles))
    for file in files:
        now, told = _digest(file), book.configuration_digest(str(file))
        if now != (told or GONE):
            yield Note(who, Configuration(file=str(file), digest=now, before=told))


def signers_told(file: Path) -> dict[str, str]:
    """By which file it is decided whose signatures count, for the facts of `decided`."""
    return {"signers": str(file), "signers_digest": _digest(file)}


def _digest(file: Path) -> str:
    try:
        return sha256(file.read_bytes()).hexdigest()
    except OSError:
        return GONE
