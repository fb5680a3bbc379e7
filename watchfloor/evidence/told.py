"""What a verification found, as text and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from watchfloor.evidence.check import Signature, Verified
from watchfloor.exits import Proof
from watchfloor.records.ledgerwords import Kind
from watchfloor.snapshot.plan import printable

FORMAT = "watchfloor.evidence-verify/1"
_WORDS = {Proof.PROVEN: "proven", Proof.ALTERED: "altered", Proof.UNSIGNED: "unsigned"}


def text(found: Verified) -> str:
    return "\n".join(printable(line) for line in (_altered(found) if found.troubles else _whole(found))) + "\n"


def _altered(found: Verified) -> Iterator[str]:
    for wrong in found.troubles:
        yield f"altered: {wrong.file}: {wrong.why}"


def _whole(found: Verified) -> Iterator[str]:
    title = found.about.of.title if found.about else ""
    yield f"{_WORDS[found.proof]}: {title}: {found.files} files, each as it was listed"
    yield _vouched("the list of files", found.list_signed)
    if found.state is not None:
        entries = (
            f"{len(found.entries)} entries are in the ledger {found.state.origin}, among its first {found.state.size}"
        )
        yield f"{entries}; {_vouched('that root', found.checkpoint_signed)}"
    for approval in found.approvals:
        yield _vouched(f"the {approval.of.replace(' ', ' in entry ')}", approval)
    yield from _recordings(found)
    for what, why in found.about.missing.items() if found.about else ():
        yield f"missing: {what}: {why}"
    signatures = (found.list_signed, found.checkpoint_signed)
    if any(one is not None and not one.known for one in signatures):
        yield (
            "keys that come with a bundle prove that it fits together, not whose they are: --key or --signers names "
            "those that you know"
        )
    yield "that no entry was left out, only the whole ledger shows"


def _vouched(what: str, signature: Signature | None) -> str:
    if signature is None:
        return f"nobody has signed {what}: whoever made it could make another"
    if signature.known:
        return f"{what} is signed by {signature.name} ({signature.key})"
    name = f", {signature.name} by the bundle's own list" if signature.name else ""
    return f"{what} is signed by the key {signature.key}{name}"


def _recordings(found: Verified) -> Iterator[str]:
    told = {str(entry.body.get("file")): entry for entry in found.entries.values() if entry.kind == Kind.RECORDING}
    for one in found.about.recordings if found.about else ():
        entry = told.get(one.file)
        if entry is None or not one.sha256:
            yield f"recording {one.file} ({one.state}): no entry in here has its digest"
        elif entry.body.get("sha256") == one.sha256:
            yield f"recording {one.file} is the one whose digest entry {entry.number} has"
        else:
            yield f"recording {one.file} is not the one whose digest entry {entry.number} has"


def document(found: Verified) -> dict[str, Any]:
    state = found.state
    return {
        "format": FORMAT,
        "result": _WORDS[found.proof],
        "troubles": [{"file": wrong.file, "entry": wrong.entry, "why": wrong.why} for wrong in found.troubles],
        "of": msgspec.to_builtins(found.about.of) if found.about else None,
        "files": found.files,
        "entries": sorted(found.entries),
        "ledger": {"origin": state.origin, "size": state.size, "root": state.root} if state else None,
        "signed": {"list": _signature(found.list_signed), "checkpoint": _signature(found.checkpoint_signed)},
        "approvals": [_signature(one) for one in found.approvals],
        "missing": dict(found.about.missing) if found.about else None,
    }


def _signature(one: Signature | None) -> dict[str, Any] | None:
    return {"of": one.of, "key": one.key, "name": one.name or None, "known": one.known} if one else None
