"""Everything that is known of a matter, as the members of one bundle. Reads ledger and sessions; signs with a key.

What ought to be in it and isn't stands in `bundle.json` and in the report, with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchfloor import __version__
from watchfloor.evidence import names, texts
from watchfloor.evidence.gathered import Gathered
from watchfloor.evidence.ledgerside import Seal, of_matter, vouched
from watchfloor.evidence.matter import Matter
from watchfloor.evidence.report import report
from watchfloor.evidence.sessionside import pieces
from watchfloor.records.ledgerentry import Entry
from watchfloor.records.ledgerjson import canonical
from watchfloor.records.ledgerreader import LedgerReader
from watchfloor.redact import redact
from watchfloor.signing import Checked, fingerprint_of


@dataclass(frozen=True, slots=True)
class Policy:
    """What is in force: `told` is what `digest` is the SHA-256 of. `rules`: by id, how a policy reads and where."""

    digest: str
    told: bytes
    rules: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Means:
    """`statements`: what of these entries was signed, and the signatures. `known`: lines of the allowed_signers file
    that name one of these keys (fingerprints). `check`: whether the key that a signature names has signed."""

    ledger: Path | None
    sessions: Path
    seal: Seal
    policy: Policy
    statements: Callable[[Iterable[Entry]], texts.Signed]
    check: Callable[[str, bytes, str], Checked]
    known: Callable[[Iterable[str]], bytes]


def members(matter: Matter, means: Means) -> dict[str, bytes]:
    """Raises StoreError, ConfigError."""
    gathered = _gathered(matter, means)
    found: dict[str, bytes] = {names.ABOUT: canonical(about(gathered)) + b"\n", names.HOW: texts.HOW_TO.encode()}
    found |= texts.of_runs(matter.runs, gathered.entries) | texts.of_signatures(gathered.signed)
    for piece in gathered.pieces.pieces:
        found |= piece.members()
    if gathered.proven is not None:
        found |= gathered.proven.members()
    if matter.tale:
        found[names.LINEAGE] = redact(f"{matter.tale}\n").encode("utf-8", "replace")
    if gathered.rules:
        found[names.POLICY] = means.policy.told
    if known := means.known(_fingerprints(gathered, means.seal)):
        found[names.SIGNERS] = known
    found[names.REPORT] = report(gathered).encode("utf-8", "replace")
    found[names.SUMS] = names.sums(found)
    if means.seal.signer is not None:
        found[names.SUMS_SIGNATURE] = means.seal.signer.sign(names.NAMESPACE, found[names.SUMS]).encode()
    return found


def _gathered(matter: Matter, means: Means) -> Gathered:
    matter = matter.bounded()
    cut = pieces(means.sessions, matter)
    missing = {
        **cut.missing,
        **({} if matter.tale else {"lineage": "nothing is on record of it in this console's store"}),
    }
    if means.ledger is None:
        return Gathered(matter, pieces=cut, missing={**missing, "ledger": "there is none on this console"})
    with LedgerReader(means.ledger) as reader:
        entries = of_matter(reader, matter, [piece.name for piece in cut.pieces])
    proof = vouched(means.ledger, [entry.number for entry in entries], means.seal)
    signed = means.statements(entries)
    signers = {
        number: means.check("watchfloor-approval", text, signature).fingerprint
        for number, (text, signature) in signed.items()
    }
    rules, told = _rules(matter, means.policy)
    if not proof.signature:
        missing["signature over the ledger"] = "no checkpoint covers these entries, and no key was there to sign one"
    if means.seal.signer is None:
        missing["signature over this bundle"] = "no key was there to sign it: --key"
    return Gathered(matter, entries, proof, cut, signed, signers, rules, {**missing, **told})


def _rules(matter: Matter, policy: Policy) -> tuple[dict[str, str], dict[str, str]]:
    """The rules that decided, where policy is the same as then; else what is missing, and why."""
    decided = [run.decided for run in matter.runs if run.decided is not None]
    ids = list(dict.fromkeys(name for one in decided for name in one.policies))
    digests = {one.policy_digest for one in decided if one.policy_digest}
    if not digests:
        return {}, {}
    if digests != {policy.digest}:
        return {}, {"policy": "what was in force when it was decided is another by now; its digest is in the entries"}
    if _holds_secrets(policy):
        return {}, {"policy": "it holds what looks like a secret"}
    return {name: policy.rules.get(name, "") for name in ids}, {}


def _holds_secrets(policy: Policy) -> bool:
    """Its digest is of every letter, so nothing of it can be hidden. The schema is the program's own."""
    told = json.loads(policy.told)
    return any(redact(text) != text for text in (told["people"], *told["files"].values()))


def _fingerprints(gathered: Gathered, seal: Seal) -> set[str]:
    """Of all keys whose signatures are in it."""
    found = {*gathered.signers.values(), seal.who.fingerprint}
    if gathered.proven is not None:
        found.add(fingerprint_of(gathered.proven.signature))
    return found - {""}


def about(gathered: Gathered) -> dict[str, Any]:
    """What it is evidence of, in words and numbers."""
    matter, proof = gathered.matter, gathered.proven
    return {
        "format": names.FORMAT,
        "watchfloor": __version__,
        "of": {"kind": matter.kind, "name": redact(matter.name), "title": redact(matter.title)},
        "window": {"begin": texts.utc(matter.begin), "end": texts.utc(matter.end)},
        "nodes": list(matter.nodes),
        "jobs": list(matter.jobs),
        "runs": [run.run for run in matter.runs],
        "ledger": {"origin": proof.state.origin, "size": proof.state.size, "entries": len(proof.texts)}
        if proof
        else None,
        "recordings": [piece.about() for piece in gathered.pieces.pieces],
        "missing": dict(gathered.missing),
        "notes": [*matter.notes, *gathered.pieces.notes],
    }
