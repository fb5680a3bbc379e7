"""What of a ledger belongs to a matter, and the checkpoint that vouches for it. Reads; signs where it is asked to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from watchfloor.errors import StoreError
from watchfloor.evidence.matter import INCIDENT, JOB, Matter
from watchfloor.evidence.proofs import Proven, proven
from watchfloor.records.ledger import Ledger, Signer
from watchfloor.records.ledgercheckpoint import State, origin_of
from watchfloor.records.ledgerentry import Entry, Who
from watchfloor.records.ledgermerkle import leaf
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.records.ledgerverify import verify
from watchfloor.records.ledgerwords import Checkpoint, Kind
from watchfloor.runs import APPROVALS, RunRecord

_MOST_ENTRIES = 20_000
_CHANGES = (Kind.POLICY, Kind.CONFIGURATION)


@dataclass(frozen=True, slots=True)
class Seal:
    """Who puts a checkpoint on record where none covers what is bundled; None: nobody signs."""

    who: Who
    signer: Signer | None


def of_run(reader: LedgerReader, run: RunRecord) -> list[Entry]:
    """Its own entries, and what people said of its plan."""
    found = {entry.number: entry for entry in reader.entries(Wanted(run=run.run))}
    if run.digest:
        said = reader.entries(Wanted(plan=run.digest, kinds=tuple(APPROVALS)))
        found |= {entry.number: entry for entry in said if not entry.run}
    return [found[number] for number in sorted(found)]


def of_matter(reader: LedgerReader, matter: Matter, files: Iterable[str]) -> list[Entry]:
    """All entries that belong to it, and those by which they are read: the ledger's first, which policy and
    configuration were in force, whether all was stopped, and what vouches for the recordings. Raises StoreError."""
    found: dict[int, Entry] = {}

    def take(wanted: Wanted, most: int = _MOST_ENTRIES, newest_first: bool = False) -> None:
        found.update((entry.number, entry) for entry in reader.entries(wanted, most, newest_first))

    for run in matter.runs:
        found.update((entry.number, entry) for entry in of_run(reader, run))
    if matter.kind == JOB:
        take(Wanted(job=matter.name))
    if matter.kind == INCIDENT:
        for node in matter.nodes:
            take(Wanted(node=node, since=matter.begin, until=matter.end))
    for kind in _CHANGES:
        take(Wanted(kinds=(kind,), until=matter.begin), 1, newest_first=True)
        take(Wanted(kinds=(kind,), since=matter.begin, until=matter.end))
    take(Wanted(kinds=(Kind.STOP, Kind.RESUME), since=matter.begin, until=matter.end))
    names = set(files)
    recordings = reader.entries(Wanted(kinds=(Kind.RECORDING,))) if names else ()
    found.update((entry.number, entry) for entry in recordings if entry.body.get("file") in names)
    take(Wanted(), 1)
    found = {number: entry for number, entry in found.items() if entry.kind != Kind.CHECKPOINT or not number}
    return [found[number] for number in sorted(found)]


def vouched(path: Path, numbers: Sequence[int], seal: Seal) -> Proven:
    """These entries, with proofs against the first signed checkpoint that covers them all; against a new one where
    there is none. Raises StoreError where the ledger isn't what was written, ConfigError where the key can't sign."""
    with LedgerReader(path) as reader:
        _check(reader, path)
        covering = _covering(reader, max(numbers))
    if covering is None and seal.signer is not None:
        with Ledger(path) as ledger:
            covering = ledger.checkpoint(seal.who, seal.signer)
    with LedgerReader(path) as reader:
        leaves: list[bytes] = []
        texts: dict[int, bytes] = {}
        wanted, size = set(numbers), covering.size if covering else reader.head().size
        for batch in reader.rows():
            leaves += [leaf(text) for _, text in batch]
            texts |= {number: text for number, text in batch if number in wanted}
            if len(leaves) >= size:
                break
        root = reader.head().tree.root.hex()
    state = State(covering.origin, covering.size, covering.root) if covering else None
    state = state or State(origin_of(leaves[0].hex()), len(leaves), root)
    return proven(state, covering.signature if covering else "", leaves[: state.size], texts)


def _check(reader: LedgerReader, path: Path) -> None:
    found = verify(reader.rows, reader.head(), (), reader.checkpoint_sizes())
    if not found.intact:
        raise StoreError(
            f"{path} isn't bundled: {found.trouble}", "keep the file as evidence: `watchfloor audit verify`"
        )


def _covering(reader: LedgerReader, number: int) -> Checkpoint | None:
    """The first signed checkpoint over this entry and all before: the same bundle is made again of a longer ledger."""
    for entry in reader.entries(Wanted(kinds=(Kind.CHECKPOINT,), first=number + 1)):
        body = entry.told()
        if isinstance(body, Checkpoint) and body.signature and body.size > number:
            return body
    return None
