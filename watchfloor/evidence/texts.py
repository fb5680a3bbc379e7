"""What of a run goes into a bundle as files of its own: the plan as it was shown, what was done and printed, what was
signed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from watchfloor.change import plain
from watchfloor.evidence import names
from watchfloor.records import ledgerwords as words
from watchfloor.records.ledgerclean import clean
from watchfloor.records.ledgerentry import Entry
from watchfloor.runs import RunRecord
from watchfloor.snapshot.plan import plan_text, printable

GIVEN = (words.Kind.APPROVAL, words.Kind.REJECTION, words.Kind.WITHDRAWAL)
Signed = Mapping[int, tuple[bytes, str]]  # by the number of its entry: what was signed, and the signature


def utc(seconds: float) -> str:
    """To the second."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def of_runs(runs: Sequence[RunRecord], entries: Sequence[Entry]) -> dict[str, bytes]:
    """`plan.json` is what the digest of a plan is of, `plan.txt` what `shown` of its proposal is of."""
    found: dict[str, bytes] = {}
    for run in runs:
        if run.plan is not None:
            found[names.plan_json(run.run)] = clean(plain(run.plan))
            found[names.plan_text(run.run)] = plan_text(run.plan, run.plan.created).encode()
        done = [entry for entry in entries if entry.run == run.run]
        told = "\n".join(transcript(run.run, done))
        found[names.transcript(run.run)] = (told + "\n").encode("utf-8", "replace")
    return found


def of_signatures(signed: Signed) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for number, (text, signature) in signed.items():
        found[names.signed(number)] = text
        if signature:
            found[names.signature(number)] = signature.encode("ascii", "replace")
    return found


def transcript(run: str, entries: Sequence[Entry]) -> Iterator[str]:
    """Every command and call of a run, with what it printed as far as the ledger holds it, in the ledger's order."""
    yield f"run {run}"
    for entry in entries:
        body = entry.told()
        if isinstance(body, words.Intent):
            undo = "undo " if body.facts.get("undo") else ""
            yield ""
            yield _line(entry, f"{undo}step {body.step}: {body.action}, attempt {body.attempt}")
        elif isinstance(body, words.Applied):
            yield from _applied(entry, body)
        elif isinstance(body, words.Verified):
            yield _line(entry, f"step {body.step}: {body.result}" + (f": {body.text}" if body.text else ""))
        elif isinstance(body, words.Refused):
            yield _line(entry, f"refused, {body.why}: {body.text}")
        elif isinstance(body, words.Outcome):
            yield ""
            yield _line(entry, f"{body.outcome}" + (f": {body.text}" if body.text else ""))


def _line(entry: Entry, text: str) -> str:
    return printable(f"{utc(entry.seconds)}  entry {entry.number}  {text}")


def _applied(entry: Entry, body: words.Applied) -> Iterator[str]:
    code = "nobody knows how it ended" if body.exit_code is None else f"exit code {body.exit_code}"
    yield printable(f"  $ {' '.join(body.argv)}")
    yield _line(entry, f"{code}, {body.seconds:.2f} s")
    for name, printed in (("output", body.output), ("errors", body.errors)):
        if printed is None or not printed.bytes:
            continue
        yield f"  {name}, {printed.bytes} bytes, sha256 {printed.sha256}:"
        yield from (f"    {printable(line)}" for line in printed.excerpt.splitlines())
        if printed.bytes > len(printed.excerpt.encode()):
            yield "    … the ledger holds no more of it"


HOW_TO = """\
How to verify this without watchfloor, with coreutils, OpenSSH and Python 3, in the folder where it was unpacked:

1. That no file was changed:          sha256sum -c SHA256SUMS
2. That the list was signed:          ssh-keygen -Y check-novalidate -n watchfloor-evidence \\
                                        -s SHA256SUMS.sig < SHA256SUMS
3. That the checkpoint was signed:    ssh-keygen -Y check-novalidate -n watchfloor-checkpoint \\
                                        -s ledger/checkpoint.sig < ledger/checkpoint
4. That the entries are in its tree:  python3 verify_entries.py   (the lines below)
5. Who approved:                      for each approvals/N.signed
                                      ssh-keygen -Y verify -f ALLOWED_SIGNERS -I NAME -n watchfloor-approval \\
                                        -s approvals/N.sig < approvals/N.signed
   It names the plan by its digest:   sha256sum runs/RUN/plan.json

The keys that 2 and 3 print prove nothing by themselves: compare them with those that you know from elsewhere. In 5,
ALLOWED_SIGNERS is a list that you trust; keys/allowed_signers is the one of the console that made this bundle.

# verify_entries.py
import base64, hashlib, json

origin, size, root, _ = open("ledger/checkpoint").read().split("\\n")
root, size = base64.b64decode(root), int(size)
proofs = json.load(open("ledger/proofs.json"))
for line in open("ledger/entries.jsonl", "rb").read().splitlines():
    number = json.loads(line)["number"]
    at, last = number, size - 1
    reached = hashlib.sha256(b"\\0" + line).digest()
    for part in map(bytes.fromhex, proofs[str(number)]):
        if at % 2 or at == last:
            reached = hashlib.sha256(b"\\1" + part + reached).digest()
            while at and at % 2 == 0:
                at, last = at // 2, last // 2
        else:
            reached = hashlib.sha256(b"\\1" + reached + part).digest()
        at, last = at // 2, last // 2
    print("entry", number, "holds" if reached == root and last == 0 else "IS NOT IN THE TREE")
"""
