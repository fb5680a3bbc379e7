"""`watchfloor evidence`: all that is known of a run, a job or an incident in one file; and whether such a file is what
was bundled, with nothing but the file.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable
from json import loads
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from watchfloor import governance
from watchfloor.commands import output
from watchfloor.commands.arguments import moment
from watchfloor.errors import ConfigError, StoreError
from watchfloor.evidence import bundle, check, told
from watchfloor.evidence.check import APPROVALS, CHECKPOINTS
from watchfloor.evidence.container import MOST_BYTES, NotABundle, packed
from watchfloor.evidence.ledgerside import Seal
from watchfloor.evidence.names import ABOUT
from watchfloor.evidence.names import NAMESPACE as EVIDENCE
from watchfloor.evidence.seek import Seeker
from watchfloor.evidence.texts import Signed
from watchfloor.exits import Exit, Proof
from watchfloor.lineagebook import opened as lineage_opened
from watchfloor.places import ledger_file, lineage_place, sessions_folder, signers_file
from watchfloor.records.ledgerentry import Entry, Party, Who
from watchfloor.signing import Checked, SshSigner, check_alone, fingerprint_of, fingerprints_in, own_key
from watchfloor.signing import check as check_signers
from watchfloor.snapshot.plan import printable
from watchfloor.snapshot.words import scaled

app = App(name="evidence", help="All that is known of a run, a job or an incident, in one file that proves itself.")

Json = Annotated[bool, Parameter(help="As JSON.")]


@app.default
def evidence(
    what: Annotated[str, Parameter(help="A run; a job (4242, slurm:4242); an incident (xid-fatal on n2/gpu3).")],
    /,
    *,
    to: Annotated[Path, Parameter(name=("--output", "-o"), help="The file to make: FILE.zip, not there yet.")],
    since: Annotated[str, Parameter(help="Where the window begins: 2h ago, or 2026-11-28T18:00.")] = "",
    until: Annotated[str, Parameter(help="Where it ends, likewise.")] = "",
    key: Annotated[Path | None, Parameter(help="Sign with this SSH key. None: the one that approvals use.")] = None,
    ledger: Annotated[Path | None, Parameter(help="A ledger's file, instead of WATCHFLOOR_LEDGER's.")] = None,
    json: Json = False,
) -> int:
    """Gather it: nothing is contacted, and nothing but a checkpoint in the ledger is written besides the file."""
    path = ledger or ledger_file()
    if to.exists():
        raise ConfigError("there is such a file already", "another name", file=str(to))
    known = path if path.is_file() or ledger is not None else None
    with lineage_opened(lineage_place()) as book:
        seeker = Seeker(known, book, time.time())
        matter = seeker.matter(what).within(moment(since, "--since"), moment(until, "--until"))
        matter = seeker.tale(matter)
    found = bundle.members(matter, _means(known, key))
    try:
        data = packed(found)
    except ValueError as error:
        raise ConfigError(str(error), "a shorter window: --since, --until", file="evidence") from error
    _write(to, data)
    about = loads(found[ABOUT])
    if json:
        output.write_json({**about, "file": str(to), "files": len(found), "bytes": len(data)})
    else:
        _tell(to, about, len(found), len(data))
    return Exit.OK


@app.command
def verify(
    file: Annotated[Path, Parameter(help="A bundle.")],
    /,
    *,
    key: Annotated[tuple[Path, ...], Parameter(help="A public key that you know; may be given again.")] = (),
    signers: Annotated[Path | None, Parameter(help="An allowed_signers file that you know.")] = None,
    json: Json = False,
) -> int:
    """Whether it is what was bundled (exit codes: 0 proven, 1 altered, 2 unreadable, 3 signed by nobody)."""
    try:
        found = check.verified(_read(file), _keys(key, signers))
    except (NotABundle, StoreError) as error:
        _unreadable(str(error), json)
        return Proof.UNREADABLE
    if json:
        output.write_json(told.document(found))
    else:
        output.write(told.text(found))
    return found.proof


# -- making


def _means(ledger: Path | None, key: Path | None) -> bundle.Means:
    from watchfloor.keeper import account  # noqa: PLC0415 - it knows the fleet's findings, which verification doesn't need

    signer = SshSigner(key) if key is not None else own_key(signers_file())
    who = Who(Party.PERSON, account(), signer.fingerprint() if signer else "")
    in_force = governance.policies()
    rules = {rule.id: f"{rule.text}\n\n({rule.source.name}, line {rule.line})" for rule in in_force.rules}
    policy = bundle.Policy(in_force.digest, in_force.told, rules)
    return bundle.Means(ledger, sessions_folder(), Seal(who, signer), policy, _statements, check_alone, _known)


def _statements(entries: Iterable[Entry]) -> Signed:
    return {one.number: (one.text, one.signature) for one in governance.approvals.statements(entries)}


def _known(fingerprints: Iterable[str]) -> bytes:
    """The lines of this user's allowed_signers file that hold one of these keys."""
    wanted = set(fingerprints)
    try:
        lines = signers_file().read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return b""
    return "".join(f"{line.strip()}\n" for line in lines if fingerprints_in(line) & wanted).encode()


def _write(path: Path, data: bytes) -> None:
    """For its owner alone. Raises ConfigError."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    except OSError as error:
        raise ConfigError(f"can't write it: {error.strerror}", "another path", file=str(path)) from error


def _tell(path: Path, about: dict[str, Any], files: int, size: int) -> None:
    output.write(printable(f"{path}: {about['of']['title']}: {files} files, {scaled(size, 1000, 'kMGT')}B"))
    for what, why in about["missing"].items():
        output.remark(printable(f"missing: {what}: {why}"))
    for note in about["notes"]:
        output.remark(printable(note))


# -- verifying


def _read(path: Path) -> bytes:
    """Raises StoreError, NotABundle."""
    try:
        if path.stat().st_size > MOST_BYTES + 2**20:
            raise NotABundle(f"{path} is larger than any bundle")
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path} can't be read: {error.strerror}") from error


def _keys(named: tuple[Path, ...], signers: Path | None) -> check.Keys:
    """Keys that are named sign lists and checkpoints; whom a file of signers knows, approvals as well."""
    fingerprints = {SshSigner(path).fingerprint(): path.name for path in named}

    def known(namespace: str) -> Callable[[bytes, str, float | None], Checked]:
        def checked(data: bytes, signature: str, at: float | None) -> Checked:
            fingerprint = fingerprint_of(signature)
            if fingerprint in fingerprints:  # that it has signed these bytes was checked before
                return Checked(fingerprints[fingerprint], fingerprint=fingerprint)
            if signers is None:
                return Checked("", f"its key is none of {', '.join(fingerprints.values())}")
            return check_signers(signers, namespace, data, signature, at)

        return checked

    asked = [*((EVIDENCE, CHECKPOINTS) if named or signers else ()), *((APPROVALS,) if signers else ())]
    return check.Keys(check_alone, _listed, {namespace: known(namespace) for namespace in asked}, _statements)


def _listed(listed: bytes, namespace: str, data: bytes, signature: str, at: float | None) -> Checked:
    """By an allowed_signers file that is only here."""
    with tempfile.NamedTemporaryFile(suffix=".signers") as file:
        file.write(listed)
        file.flush()
        return check_signers(Path(file.name), namespace, data, signature, at)


def _unreadable(why: str, as_json: bool) -> None:
    if as_json:
        output.write_json({"format": told.FORMAT, "result": "unreadable", "why": why})
    else:
        output.remark(f"unreadable: {why}")
