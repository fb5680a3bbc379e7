"""What governs was changed, stopped or resumed; what was recorded, and whether the ledger is intact. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath

from watchfloor.records.ledgerentry import Entry
from watchfloor.records.ledgerwords import Configuration, PolicyChange, Recording, Resume, Stop
from watchfloor.reporting.figures import Cell, Named, Section, Table, Unit, columns, counted, known, missing
from watchfloor.reporting.kept import Kept

_CHANGES = columns("at WHEN, what WHAT, who FOUND BY, before BEFORE, after AFTER, text TEXT")
_STOPS = columns("at WHEN, what WHAT, who WHO, reason REASON")
_DIGEST = 12  # digits that are shown


def section(kept: Kept) -> Section:
    if lack := kept.lack("ledger"):
        return Section("changes", "Policy and control", remarks=(f"not known: {lack}",))
    changes = [_change(entry, body) for entry, body in kept.told(PolicyChange, Configuration)]
    stops = [
        (known(entry.seconds, Unit.TIME), entry.kind, entry.who.name, body.reason)
        for entry, body in kept.told(Stop, Resume)
    ]
    basis = "found by whoever decided next; who changed a file, the ledger doesn't know"
    tables = (
        Table("changes", "changes of policy and configuration", _CHANGES, changes, basis),
        Table("stops", "global stops", _STOPS, stops, "entries stop and resume"),
    )
    return Section("changes", "Policy and control", (_intact(kept), *_recordings(kept)), tables)


def _change(entry: Entry, body: PolicyChange | Configuration) -> Sequence[Cell]:
    if isinstance(body, PolicyChange):
        what, text = "policy", "; ".join(filter(None, (counted(len(body.files), "file"), body.text)))
    else:
        what, text = PurePath(body.file).name, body.text or body.file
    return (known(entry.seconds, Unit.TIME), what, entry.who.name, _short(body.before), _short(body.digest), text)


def _short(digest: str) -> str:
    return digest[:_DIGEST] or "(first)"


def _intact(kept: Kept) -> Named:
    sealed = kept.sealed
    if sealed is None:
        return Named("ledger_signed", "entries that a signature covers", missing("not verified", Unit.COUNT))
    if sealed.result != "intact":
        return Named("ledger_signed", "THE LEDGER IS ALTERED", missing(sealed.text, Unit.COUNT), sealed.text)
    covered = known(sealed.signed_to) if sealed.signed_to else missing("nobody has signed any of it", Unit.COUNT)
    basis = f"intact: {sealed.entries:,} entries; whose signature, `watchfloor audit verify --signers` says"
    return Named("ledger_signed", "entries that a signature covers", covered, basis)


def _recordings(kept: Kept) -> Iterator[Named]:
    bodies = [body for _, body in kept.told(Recording)]
    sealed = [body for body in bodies if not body.removed]
    yield Named("recordings", "recordings sealed", known(len(sealed)), _size(sum(body.size for body in sealed)))
    gone = [body for body in bodies if body.removed]
    yield Named("recordings_removed", "recordings removed", known(len(gone)), _size(sum(body.size for body in gone)))


def _size(size: float) -> str:
    return f"{size / 1e6:,.1f} MB"
