"""Entries of a ledger with the proof that each is in the tree that a checkpoint signs (RFC 6962). Pure.

Text and signature of the checkpoint are those of `watchfloor/records/ledgercheckpoint.py`; an entry's bytes are those
that are hashed.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from watchfloor.evidence.names import CHECKPOINT, CHECKPOINT_SIGNATURE, ENTRIES, PROOFS
from watchfloor.records.ledgercheckpoint import State, origin_of
from watchfloor.records.ledgerentry import Entry, read, seconds_of
from watchfloor.records.ledgerjson import canonical
from watchfloor.records.ledgermerkle import SIZE, Levels, included, leaf


@dataclass(frozen=True, slots=True)
class Proven:
    """`texts`: the entries by number, byte for byte. `signature`: over the state, "" where nobody has signed."""

    state: State
    signature: str
    texts: Mapping[int, bytes]
    proofs: Mapping[int, Sequence[bytes]]

    def members(self) -> dict[str, bytes]:
        proofs = {str(number): [part.hex() for part in proof] for number, proof in sorted(self.proofs.items())}
        found = {
            ENTRIES: b"".join(self.texts[number] + b"\n" for number in sorted(self.texts)),
            PROOFS: canonical(proofs) + b"\n",
            CHECKPOINT: self.state.text(),
        }
        if self.signature:
            found[CHECKPOINT_SIGNATURE] = self.signature.encode()
        return found


def proven(state: State, signature: str, leaves: Sequence[bytes], texts: Mapping[int, bytes]) -> Proven:
    """`leaves`: the hashes of the first `state.size` entries. Raises ValueError where they aren't that."""
    levels = Levels(leaves)
    if len(leaves) != state.size or levels.root.hex() != state.root:
        raise ValueError("the entries are not those of the checkpoint")
    return Proven(state, signature, texts, {number: levels.proof(number) for number in texts})


# -- read again


class Wrong(Exception):
    """What isn't what it says it is: in which member, and which entry of it."""

    def __init__(self, file: str, why: str, entry: int | None = None) -> None:
        super().__init__(why)
        self.file, self.why, self.entry = file, why, entry


def read_state(text: bytes) -> State:
    """Raises Wrong."""
    try:
        origin, size, root, end = text.decode("ascii").split("\n")
        state = State(origin, int(size), b64decode(root, validate=True).hex())
    except (ValueError, UnicodeDecodeError) as error:
        raise Wrong(CHECKPOINT, "it is no checkpoint") from error
    if end or state.size < 1 or len(state.root) != 2 * SIZE or state.text() != text:
        raise Wrong(CHECKPOINT, "it is no checkpoint")
    return state


def read_proofs(text: bytes) -> dict[int, list[bytes]]:
    """Raises Wrong."""
    try:
        told = json.loads(text)
        return {int(number): [bytes.fromhex(part) for part in proof] for number, proof in told.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Wrong(PROOFS, "it holds no proofs") from error


def read_entries(text: bytes) -> tuple[dict[int, tuple[Entry, bytes]], list[Wrong]]:
    """The entries by number, and those lines that are none."""
    found: dict[int, tuple[Entry, bytes]] = {}
    wrong: list[Wrong] = []
    lines = text.split(b"\n")
    if lines.pop():
        wrong.append(Wrong(ENTRIES, "its last line has no end"))
    for place, line in enumerate(lines, 1):
        try:
            entry = _entry(line)
        except (ValueError, RecursionError):
            before = max(found, default=None)
            behind = "" if before is None else f", behind entry {before}"
            wrong.append(Wrong(ENTRIES, f"line {place}{behind} is no entry"))
            continue
        if entry.number in found:
            wrong.append(Wrong(ENTRIES, f"entry {entry.number} is there twice", entry.number))
        found[entry.number] = (entry, line)
    return found, wrong


def _entry(line: bytes) -> Entry:
    """Raises ValueError for what no ledger writes, RecursionError."""
    if canonical(json.loads(line)) != line:
        raise ValueError("it isn't canonical")
    entry = read(line, leaf(line).hex())
    seconds_of(entry.time)
    return entry


def troubles(
    state: State, entries: Mapping[int, tuple[Entry, bytes]], proofs: Mapping[int, Sequence[bytes]]
) -> list[Wrong]:
    """Entries that the proofs don't lead from to the root; proofs of none; another ledger than the checkpoint's."""
    found = [
        Wrong(ENTRIES, f"entry {number} isn't what the ledger holds: its proof doesn't lead to the root", number)
        for number, (_, text) in entries.items()
        if number not in proofs
        or not included(leaf(text), number, state.size, proofs[number], bytes.fromhex(state.root))
    ]
    found += [
        Wrong(ENTRIES, f"entry {number} is gone: its proof is there", number)
        for number in sorted(proofs.keys() - entries)
    ]
    bad = {wrong.entry for wrong in found}
    for number, (entry, _) in sorted(entries.items()):
        if number + 1 in entries and entries[number + 1][0].prev != entry.digest and not {number, number + 1} & bad:
            found.append(Wrong(ENTRIES, f"entry {number + 1} holds another hash of entry {number}", number))
    if 0 not in entries:
        found.append(Wrong(ENTRIES, "entry 0 isn't there, which names the ledger"))
    elif 0 not in bad and origin_of(entries[0][0].digest) != state.origin:
        found.append(Wrong(CHECKPOINT, f"it is of another ledger than entry 0: {state.origin}"))
    if len(found) > 1 and len(bad) == len(entries) > 1:
        return [Wrong(CHECKPOINT, "no entry's proof leads to its root: it, or all proofs, were altered")]
    return found
