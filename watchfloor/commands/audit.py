"""`watchfloor audit`: what the ledger says, whether it is what was written, and what vouches for it elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from watchfloor.anchors import SYSLOG, read, to_file, to_git, to_syslog
from watchfloor.commands import output
from watchfloor.commands.arguments import moment
from watchfloor.errors import ConfigError, StoreError
from watchfloor.exits import Audit, Exit
from watchfloor.lineage.times import Times
from watchfloor.places import ledger_file
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgercheckpoint import NAMESPACE, Anchor, State
from watchfloor.records.ledgerentry import Party, Who, time_of
from watchfloor.records.ledgermerkle import inclusion_proof, leaf
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.records.ledgerverify import Rows, Verdict, verify
from watchfloor.records.ledgerwords import VERDICTS, Kind
from watchfloor.signing import SshSigner, check
from watchfloor.snapshot.ledger import ENTRY, VERIFIED, Report, document, line, log_document, whole
from watchfloor.units import nearest

app = App(name="audit", help="The ledger: what was asked for, decided, done and refused; whether it is intact.")

File = Annotated[Path | None, Parameter(name="--ledger", help="A ledger's file, instead of WATCHFLOOR_LEDGER's.")]
Json = Annotated[bool, Parameter(help="As JSON.")]
_EXPORT = b'{"entry":'  # how each line of an export begins; a ledger's own file begins otherwise


@app.command
def log(
    *,
    person: Annotated[str, Parameter(help="Who did it, on whose behalf, or whom it concerned.")] = "",
    node: Annotated[str, Parameter(help="A node, or an accelerator of it.")] = "",
    job: Annotated[str, Parameter(help="A job: 42, or slurm:42.")] = "",
    run: Annotated[str, Parameter(help="A run's id.")] = "",
    plan: Annotated[str, Parameter(help="A plan's digest, or how it begins.")] = "",
    playbook: Annotated[str, Parameter(help="A playbook: its plans, their runs, and why there were none.")] = "",
    verdict: Annotated[str, Parameter(help="Decisions: permit, needs-approval, deny or interlocked.")] = "",
    kind: Annotated[tuple[str, ...], Parameter(help="A kind of entry, such as applied; may be given again.")] = (),
    since: Annotated[str, Parameter(help="How long ago (12h, 7d), or a time: 2026-11-28T18:00.")] = "",
    until: Annotated[str, Parameter(help="Likewise.")] = "",
    most: Annotated[int, Parameter(help="So many of the newest; 0 is all.")] = 100,
    ledger: File = None,
    json: Json = False,
) -> int:
    """The newest entries, the oldest of them first."""
    for word in kind:
        _one_of(word, [known.value for known in Kind], "no entry is of the kind", "--kind")
    if verdict:
        _one_of(verdict, VERDICTS, "no decision is", "--verdict")
    wanted = Wanted(
        person, node, job, run, plan, playbook, verdict, kind, moment(since, "--since"), moment(until, "--until")
    )
    with LedgerReader(_file(ledger)) as reader:
        entries = list(reader.entries(wanted, most or -1, newest_first=True))[::-1]
    if json:
        output.write_json(log_document(entries))
        return Exit.OK
    times = Times(time.time(), datetime.now().astimezone().tzinfo or Times(0.0).zone)
    output.write("\n".join(line(entry, times) for entry in entries) or "no entries")
    return Exit.OK


@app.command
def show(
    number: Annotated[int, Parameter(help="The entry's number.")],
    /,
    *,
    proof: Annotated[bool, Parameter(help="With the proof that it is in the tree (RFC 6962).")] = False,
    ledger: File = None,
    json: Json = False,
) -> int:
    """All that one entry says."""
    with LedgerReader(_file(ledger)) as reader:
        entry = reader.entry(number)
        if entry is None:
            size = reader.head().size
            raise ConfigError(f"there is no entry {number}", f"the ledger has {size}, from 0 on", file="show")
        shown = {"format": ENTRY, **document(entry), **({"proof": _proof(reader, number)} if proof else {})}
    if json or proof:
        output.write_json(shown)
    else:
        output.write(whole(entry))
    return Exit.OK


@app.command(name="verify")
def verify_(
    file: Annotated[
        Path | None, Parameter(help="A ledger, a copy of one, or an export. None: WATCHFLOOR_LEDGER.")
    ] = None,
    /,
    *,
    anchor: Annotated[
        tuple[str, ...], Parameter(help="A file with anchors, or git:REPOSITORY; may be given again.")
    ] = (),
    signers: Annotated[Path | None, Parameter(help="An allowed_signers file: one of it must have signed.")] = None,
    json: Json = False,
) -> int:
    """Whether every entry is what was written. Ends with 0 intact, 1 altered, 2 unreadable, 3 cut behind an anchor."""
    anchors = [found for place in anchor for found in read(place)]
    try:
        report = _verified(_file(file), anchors, signers)
    except StoreError as error:
        _unreadable(error, json)
        return Audit.UNREADABLE
    if json:
        output.write_json(report.document())
    else:
        output.write(report.text())
    return Audit[report.result.upper()]


@app.command
def export(
    to: Annotated[Path | None, Parameter(help="A file that isn't there yet. None: standard output.")] = None,
    /,
    *,
    ledger: File = None,
) -> int:
    """Every entry on a line, byte for byte as it is hashed; `audit verify` takes the file."""
    with LedgerReader(_file(ledger)) as reader:
        lines = (text + b"\n" for batch in reader.rows() for _, text in batch)
        if to is None:
            sys.stdout.buffer.writelines(lines)
            sys.stdout.flush()
            return Exit.OK
        try:
            with to.open("xb") as file:
                file.writelines(lines)
        except OSError as error:
            raise ConfigError(error.strerror or str(error), "a file that isn't there yet", file=str(to)) from error
    return Exit.OK


@app.command
def anchor(
    *,
    key: Annotated[
        Path | None, Parameter(help="Sign with this SSH key (the public one where an agent has it).")
    ] = None,
    file: Annotated[Path | None, Parameter(help="Append the anchor to a file.")] = None,
    syslog: Annotated[bool, Parameter(help="Tell it to the system log.")] = False,
    git: Annotated[Path | None, Parameter(help="Note it on HEAD of this git repository.")] = None,
    ledger: File = None,
    log_socket: Annotated[Path, Parameter(help="The system log's socket.")] = SYSLOG,
) -> int:
    """Put a checkpoint on record, signed, and tell it elsewhere: whoever cuts the ledger then is found out."""
    from watchfloor.keeper import account  # noqa: PLC0415 - it knows the fleet's findings, which no other command needs

    signer = SshSigner(key) if key is not None else None
    who = Who(Party.PERSON, account(), signer.fingerprint() if signer else "")
    path = _file(ledger)
    _check_intact(path)
    with Ledger(path) as kept:
        made = kept.checkpoint(who, signer)
    told = Anchor(State(made.origin, made.size, made.root), time_of(time.time_ns()), made.signature)
    if file is not None:
        to_file(told, file)
    if syslog:
        to_syslog(told, log_socket)
    if git is not None:
        to_git(told, git)
    output.write(told.line())
    return Exit.OK


# -- verification


def _verified(file: Path, anchors: Sequence[Anchor], signers: Path | None) -> Report:
    """Raises StoreError where it can't be read, ConfigError for the signers' file."""
    try:
        with file.open("rb") as opened:
            begins = opened.read(len(_EXPORT))
    except FileNotFoundError as error:
        raise StoreError(f"there is no ledger at {file}", "name its file, or set WATCHFLOOR_LEDGER") from error
    except OSError as error:
        raise StoreError(f"{file} can't be read: {error.strerror}", "it must be this user's to read") from error
    if begins == _EXPORT:
        return _signed_by(Report(verify(lambda: _lines(file), None, anchors)), signers)
    with LedgerReader(file) as reader:
        return _signed_by(Report(_of_file(reader, anchors)), signers)


def _check_intact(path: Path) -> None:
    """Nobody signs for what was altered. Raises StoreError, also where there is no ledger."""
    with LedgerReader(path) as reader:
        found = _of_file(reader, ())
    if not found.intact:
        raise StoreError(
            f"{path} isn't signed: {found.trouble}", "keep the file as evidence: `watchfloor audit verify`"
        )


def _of_file(reader: LedgerReader, anchors: Sequence[Anchor]) -> Verdict:
    try:
        head, broken = reader.head(), ""
    except StoreError as error:
        head, broken = None, error.message
    verdict = verify(reader.rows, head, anchors, reader.checkpoint_sizes())
    return replace(verdict, trouble=broken) if broken and verdict.intact else verdict


def _lines(file: Path) -> Iterator[Rows]:
    with file.open("rb") as lines:
        for number, text in enumerate(lines):
            yield [(number, text.removesuffix(b"\n"))]


def _signed_by(report: Report, signers: Path | None) -> Report:
    if signers is None or not report.verdict.intact:
        return report
    newest = report.newest
    if newest is None:
        return Report(report.verdict, True, "", f"nobody of {signers} has signed any of it")
    done = check(signers, NAMESPACE, newest.state.text(), newest.signature, newest.seconds)
    why = f"the checkpoint in entry {newest.number} is signed by nobody of {signers}: {done.why}"
    return Report(report.verdict, True, done.principal, "" if done.principal else why)


def _unreadable(error: StoreError, as_json: bool) -> None:
    if as_json:
        output.write_json({"format": VERIFIED, "result": "unreadable", "why": error.message, "advice": error.advice})
    else:
        output.remark(f"unreadable: {error.message}\n  {error.advice}")


def _proof(reader: LedgerReader, number: int) -> dict[str, object]:
    """For whoever has the entry and a root, and not the ledger."""
    leaves = [leaf(text) for batch in reader.rows() for _, text in batch]
    head = reader.head()
    path = [part.hex() for part in inclusion_proof(leaves, number)]
    return {"index": number, "size": len(leaves), "root": head.tree.root.hex(), "hashes": path}


# -- arguments


def _file(named: Path | None) -> Path:
    return named if named is not None else ledger_file()


def _one_of(word: str, known: Sequence[str], what: str, option: str) -> None:
    """Raises ConfigError where it isn't."""
    if word not in known:
        guess = nearest(word, list(known))
        advice = f"did you mean {guess}?" if guess else ", ".join(known)
        raise ConfigError(f"{what} {word!r}", advice, file=option)
