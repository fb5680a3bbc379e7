"""Whether a bundle is what was bundled: with nothing but its own bytes, and the keys that somebody knows. Pure.

Its members are held against the list of digests, entries against the root of the ledger's tree, plans, policy and
approvals against the entries, signatures against keys. What isn't as it says it is is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec

from watchfloor.evidence import names
from watchfloor.evidence.container import Members, unpacked
from watchfloor.evidence.proofs import Wrong, read_entries, read_proofs, read_state, troubles
from watchfloor.evidence.texts import GIVEN, Signed
from watchfloor.exits import Proof
from watchfloor.records import ledgerwords as words
from watchfloor.records.ledgercheckpoint import NAMESPACE as CHECKPOINTS
from watchfloor.records.ledgercheckpoint import State
from watchfloor.records.ledgerentry import Entry
from watchfloor.signing import Checked, is_as_written

APPROVALS = "watchfloor-approval"


class Of(msgspec.Struct, frozen=True):
    kind: str
    name: str
    title: str


class Recorded(msgspec.Struct, frozen=True):
    file: str
    state: str
    sha256: str | None


class About(msgspec.Struct, frozen=True):
    """What of `bundle.json` a verification tells."""

    format: str
    of: Of
    window: dict[str, str]
    nodes: list[str]
    runs: list[str]
    recordings: list[Recorded]
    missing: dict[str, str]


@dataclass(frozen=True, slots=True)
class Keys:
    """How signatures are checked: namespace, data, signature, and as of when keys must be valid (None: now).

    `alone`: by the key in the signature. `listed`: by the list in the bundle, whose bytes come first. `known`: by
    namespace, those whom the verifier knows; a namespace that isn't there wasn't asked about.
    """

    alone: Callable[[str, bytes, str], Checked]
    listed: Callable[[bytes, str, bytes, str, float | None], Checked]
    known: Mapping[str, Callable[[bytes, str, float | None], Checked]]
    statements: Callable[[Iterable[Entry]], Signed]


@dataclass(frozen=True, slots=True)
class Signature:
    """`of`: what was signed. `key`: its fingerprint. `name`: whose that is, by what the verifier knows (`known`), else
    by the bundle's own list; "" where nobody says."""

    of: str
    key: str
    name: str = ""
    known: bool = False


@dataclass
class Verified:
    troubles: list[Wrong] = field(default_factory=list)
    files: int = 0
    about: About | None = None
    state: State | None = None
    entries: Mapping[int, Entry] = field(default_factory=dict)
    list_signed: Signature | None = None
    checkpoint_signed: Signature | None = None
    approvals: list[Signature] = field(default_factory=list)

    @property
    def proof(self) -> Proof:
        if self.troubles:
            return Proof.ALTERED
        lacking = self.list_signed is None or (self.state is not None and self.checkpoint_signed is None)
        return Proof.UNSIGNED if lacking else Proof.PROVEN


def verified(data: bytes, keys: Keys) -> Verified:
    """Raises NotABundle."""
    members, container = unpacked(data)
    found = Verified(files=len(members))
    for step in (_sums, _list_signature, _about, _ledger, _plans, _policy, _approvals):
        try:
            found.troubles += step(found, members, keys)
        except Wrong as wrong:
            found.troubles.append(wrong)
    if container and not found.troubles:
        found.troubles.append(Wrong("the file", container))
    return found


# -- the files


def _sums(found: Verified, members: Members, keys: Keys) -> Iterator[Wrong]:
    if names.SUMS not in members:
        raise Wrong(names.SUMS, "it isn't there")
    try:
        listed = names.read_sums(members[names.SUMS])
    except ValueError as error:
        raise Wrong(names.SUMS, str(error)) from error
    there = members.keys() - {names.SUMS, names.SUMS_SIGNATURE}
    for name in sorted(listed.keys() - there):
        yield Wrong(name, f"it is gone: {names.SUMS} lists it")
    for name in sorted(there - listed.keys()):
        yield Wrong(name, f"it was added: {names.SUMS} doesn't list it")
    for name in sorted(there & listed.keys()):
        if sha256(members[name]).hexdigest() != listed[name]:
            yield Wrong(name, f"its bytes are not those that {names.SUMS} lists")


def _list_signature(found: Verified, members: Members, keys: Keys) -> Iterator[Wrong]:
    signature, of = members.get(names.SUMS_SIGNATURE), members.get(names.SUMS, b"")
    if signature is None:
        if names.NAMESPACE in keys.known:
            yield Wrong(names.SUMS_SIGNATURE, "nobody has signed the list of files")
        return
    found.list_signed, wrong = _signature(keys, members, names.NAMESPACE, of, signature, names.SUMS, None)
    if wrong:
        file = names.SUMS_SIGNATURE if names.sums(members) == of else names.SUMS
        yield Wrong(file, f"list and signature don't fit together: {wrong}")
    elif not is_as_written(signature.decode("utf-8", "replace")):
        yield Wrong(names.SUMS_SIGNATURE, "it isn't written as ssh-keygen writes it")


def _about(found: Verified, members: Members, keys: Keys) -> Iterator[Wrong]:
    try:
        told = msgspec.json.decode(members.get(names.ABOUT, b""), type=About)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Wrong(names.ABOUT, f"it can't be read: {error}") from error
    if told.format != names.FORMAT:
        yield Wrong(names.ABOUT, f"it is of the format {told.format!r}, not {names.FORMAT}")
    found.about = told


def _signature(
    keys: Keys, members: Members, namespace: str, data: bytes, signature: bytes, of: str, at: float | None
) -> tuple[Signature | None, str]:
    """By whom it is, as far as anybody says; and what is wrong with it."""
    text = signature.decode("utf-8", "replace")
    alone = keys.alone(namespace, data, text)
    if not alone.fingerprint:
        return None, alone.why
    if namespace in keys.known:
        known = keys.known[namespace](data, text, at)
        if not known.principal:
            return None, f"the key {alone.fingerprint} is none that was named: {known.why}"
        return Signature(of, alone.fingerprint, known.principal, True), ""
    listed = members.get(names.SIGNERS, b"")
    name = keys.listed(listed, namespace, data, text, at).principal if listed else ""
    return Signature(of, alone.fingerprint, name), ""


# -- the ledger


def _ledger(found: Verified, members: Members, keys: Keys) -> Iterator[Wrong]:
    if names.CHECKPOINT not in members:
        for name in (names.ENTRIES, names.PROOFS, names.CHECKPOINT_SIGNATURE):
            if name in members:
                yield Wrong(names.CHECKPOINT, f"it isn't there, and {name} is")
        return
    text = members[names.CHECKPOINT]
    entries, wrong = read_entries(members.get(names.ENTRIES, b""))
    yield from wrong
    found.entries = {number: entry for number, (entry, _) in entries.items()}
    yield from _checkpoint_signature(found, members, keys)
    found.state = read_state(text)
    yield from troubles(found.state, entries, read_proofs(members.get(names.PROOFS, b"")))


def _checkpoint_signature(found: Verified, members: Members, keys: Keys) -> Iterator[Wrong]:
    signature = members.get(names.CHECKPOINT_SIGNATURE)
    if signature is None:
        if CHECKPOINTS in keys.known:
            yield Wrong(names.CHECKPOINT_SIGNATURE, "nobody has signed the checkpoint")
        return
    at = max((entry.seconds for entry in found.entries.values()), default=None)
    signed, wrong = _signature(keys, members, CHECKPOINTS, members[names.CHECKPOINT], signature, names.CHECKPOINT, at)
    found.checkpoint_signed = signed
    if wrong:
        yield Wrong(names.CHECKPOINT_SIGNATURE, f"it doesn't fit {names.CHECKPOINT}: {wrong}")


# -- what the entries say of other files


def _plans(found: Verified, members: Members, keys: Keys) -> Iterator[Wrong]:
    for entry in found.entries.values():
        body = entry.told()
        if isinstance(body, words.Proposed):
            plan, shown = names.plan_json(entry.run), names.plan_text(entry.run)
            yield from _digest(members, plan, entry.plan, f"the plan that entry {entry.number} names", entry.number)
            yield from _digest(members, shown, body.shown, f"what entry {entry.number} says was shown", entry.number)


def _policy(found: Verified, members: Members, keys: Keys) -> Iterator[Wrong]:
    bodies = (entry.told() for entry in found.entries.values())
    digests = {body.policy_digest for body in bodies if isinstance(body, words.Decided)}
    if names.POLICY in members and sha256(members[names.POLICY]).hexdigest() not in digests:
        yield Wrong(names.POLICY, "it isn't the policy by which any entry in here decided")


def _digest(members: Members, name: str, digest: str, what: str, entry: int) -> Iterator[Wrong]:
    """Nothing where the file isn't bundled, or the entry has no digest: what is listed and gone was told before."""
    if name in members and digest and sha256(members[name]).hexdigest() != digest:
        yield Wrong(name, f"it isn't {what}", entry)


def _approvals(found: Verified, members: Members, keys: Keys) -> Iterator[Wrong]:
    given = [entry for entry in found.entries.values() if entry.kind in GIVEN]
    try:
        statements = keys.statements(given)
    except ValueError as error:
        raise Wrong(names.ENTRIES, f"an approval among them says what can't be signed: {error}") from error
    for entry in given:
        text, signature = statements.get(entry.number, (b"", ""))
        yield from _same(members, names.signed(entry.number), text, entry)
        yield from _same(members, names.signature(entry.number), signature.encode("ascii", "replace"), entry)
        by, wrong = _signature(
            keys,
            members,
            APPROVALS,
            text,
            signature.encode("ascii", "replace"),
            f"{entry.kind} {entry.number}",
            entry.seconds,
        )
        if by is None:
            why = f"the {entry.kind} in entry {entry.number} isn't signed over its plan: {wrong}"
            yield Wrong(names.signature(entry.number), why, entry.number)
        else:
            found.approvals.append(by)


def _same(members: Members, name: str, wanted: bytes, entry: Entry) -> Iterator[Wrong]:
    if members.get(name, b"") != wanted:
        yield Wrong(name, f"it isn't what entry {entry.number} holds", entry.number)
