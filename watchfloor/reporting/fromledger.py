"""The ledger of a window: its entries, the runs that they are of, when a daemon watched, whether it is intact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from watchfloor.errors import StoreError
from watchfloor.records.ledgerentry import Entry
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.records.ledgerverify import verify
from watchfloor.records.ledgerwords import Kind
from watchfloor.reporting.kept import PAUSE_SECONDS, Sealed, Watching, Window
from watchfloor.reporting.spans import Span, united
from watchfloor.runs import KINDS, Fold, RunRecord

_LIFE = (Kind.SESSION_START, Kind.HEARTBEAT, Kind.SESSION_STOP)
_USUAL_BEAT = 60.0  # seconds, where a heartbeat doesn't say when the next is due


@dataclass(frozen=True, slots=True)
class FromLedger:
    entries: Sequence[Entry]
    runs: dict[str, RunRecord]
    watching: Sequence[Watching]
    sealed: Sealed


def from_ledger(path: Path, window: Window) -> FromLedger:
    """Raises StoreError where there is none, or it can't be read; one that was altered is told, not raised."""
    with LedgerReader(path) as reader:
        entries = list(reader.entries(Wanted(since=window.since, until=window.until)))
        shortly_before = Wanted(kinds=_LIFE, since=window.since - PAUSE_SECONDS, until=window.since)
        life = [*reader.entries(shortly_before), *(entry for entry in entries if entry.kind in _LIFE)]
        return FromLedger(entries, _runs(reader, entries, window), tuple(_watching(life)), _sealed(reader))


def _runs(reader: LedgerReader, entries: Sequence[Entry], window: Window) -> dict[str, RunRecord]:
    """Whole: what was told of them before the window is read, too."""
    fold = Fold()
    begun = {entry.run for entry in entries if entry.kind == Kind.PROPOSED}
    for run in dict.fromkeys(entry.run for entry in entries if entry.kind in KINDS and entry.run):
        if run not in begun:
            fold.take(reader.entries(Wanted(run=run, kinds=KINDS, until=window.since)))
    fold.take(entry for entry in entries if entry.kind in KINDS)
    return fold.runs


def _watching(life: Iterable[Entry]) -> Iterator[Watching]:
    """As few as there are: a week has ten thousand signs of life, and each node is held against them."""
    return (Watching(span, "heartbeats") for span in united(_alive(life), PAUSE_SECONDS))


def _alive(life: Iterable[Entry]) -> Iterator[Span]:
    """From each sign of life of a session to its next, where that came when it was due."""
    sessions: dict[str, list[Entry]] = {}
    for entry in life:
        sessions.setdefault(str(entry.body.get("session", "")), []).append(entry)
    for signs in sessions.values():
        for before, after in pairwise(signs):
            due = float(before.body.get("every") or _USUAL_BEAT)
            if 0 < after.seconds - before.seconds <= due + PAUSE_SECONDS:
                yield before.seconds, after.seconds


def _sealed(reader: LedgerReader) -> Sealed:
    try:
        found = verify(reader.rows, reader.head(), (), reader.checkpoint_sizes())
    except StoreError as error:
        return Sealed("altered", error.message)
    if not found.intact:
        return Sealed("altered", found.trouble, found.size)
    signed = [one.state.size for one in found.checkpoints if one.signature]
    return Sealed("intact", "", found.size, max(signed, default=None))
