"""What was gathered of a matter, before it becomes files. Frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from watchfloor.evidence.matter import Matter
from watchfloor.evidence.proofs import Proven
from watchfloor.evidence.sessionside import Pieces
from watchfloor.evidence.texts import Signed
from watchfloor.records.ledgerentry import Entry


@dataclass(frozen=True)
class Gathered:
    """`signers`: by entry the fingerprint of the key that signed it. `rules`: those that decided, by id, as they read.
    `missing`: what isn't there -> why."""

    matter: Matter
    entries: Sequence[Entry] = ()
    proven: Proven | None = None
    pieces: Pieces = field(default_factory=Pieces)
    signed: Signed = field(default_factory=dict)
    signers: Mapping[int, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
