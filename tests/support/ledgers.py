"""Ledgers for tests: entries of every kind, keys that sign, and a program that appends."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.parts import ROOT
from watchfloor.records import ledgerwords as words
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgercheckpoint import NAMESPACE
from watchfloor.records.ledgerentry import Note, Party, Who, accelerator, job, node, person
from watchfloor.records.ledgerwords import Body

ANNA = Who(Party.PERSON, "anna", "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU")
CRON = Who(Party.SERVICE, "cron", on_behalf_of="ops")
MODEL = Who(Party.AGENT, "desk", model="m-1", on_behalf_of="bob", prompt="ab" * 32)

_EVERY_KIND: Sequence[Body] = (
    words.SessionStart(session="s1", version="0.1.0", mode="watch", nodes=4),
    words.Configuration(file="fleet.yaml", digest="aa" * 32),
    words.PolicyChange(digest="bb" * 32, files=["default.cedar"]),
    words.Proposed(reason="XID 79 on n2", trigger="xid in (79)", samples={"temp": 71.5, "xid": 79}),
    words.Decided(verdict="needs-approval", reasons=["takes a node out"], policies=["r3"], approvals=1),
    words.Approval(reason="seen it", signature="-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"),
    words.Rejection(reason="not now"),
    words.Withdrawal(reason="moved"),
    words.Refused(why="expired", text="the plan is older than 10 minutes"),
    words.Intent(step="1", action="drain_node", argv=["scontrol", "update", "NodeName=n2"], operation="o1"),
    words.Applied(step="1", argv=["scontrol", "update"], exit_code=0, seconds=0.21, output=words.output("done\n")),
    words.Verified(step="1", result="took-effect", after={"state": "drained"}),
    words.Outcome(outcome="succeeded"),
    words.JobImpact(job="slurm:42", effect="requeued", user="carol", restarts=1, gpu_hours_lost=1.25),
    words.Stop(reason="storm"),
    words.Resume(reason="over"),
    words.Heartbeat(session="s1", every=60.0),
    words.Recording(file="20261128T180000Z-watch-1.session", size=4096, sha256="ee" * 32),
    words.SessionStop(session="s1"),
)


def story() -> list[Note]:
    """An entry of every kind but checkpoints, by persons, services and agents."""
    subjects = (node("n2"), accelerator("n2", "GPU-7"), job("slurm", "42"), person("carol"))
    parties = (ANNA, CRON, MODEL)
    return [
        Note(parties[at % 3], body, subjects if at % 2 else (), f"run-{at // 6}", "cd" * 32 if at > 5 else "")
        for at, body in enumerate(_EVERY_KIND)
    ]


def beat(number: int = 0) -> Note:
    """A short entry."""
    return Note(CRON, words.Heartbeat(session=f"s{number}"))


def written(path: Path, notes: Sequence[Note] | None = None) -> Path:
    """A ledger with these entries (None: the story), closed."""
    with Ledger(path) as ledger:
        ledger.append_all(story() if notes is None else notes)
    return path


@contextmanager
def tampered(path: Path) -> Iterator[sqlite3.Connection]:
    """The file in the hands of somebody who may do anything with it."""
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("DROP TRIGGER IF EXISTS entry_stays")
    base.execute("DROP TRIGGER IF EXISTS entry_remains")
    base.execute("DROP INDEX IF EXISTS entry_run")  # these take nothing but JSON
    base.execute("DROP INDEX IF EXISTS entry_kind")
    try:
        yield base
    finally:
        base.close()


def key(folder: Path, name: str = "anna", namespaces: str = NAMESPACE) -> tuple[Path, Path]:
    """A key without a passphrase, and an allowed_signers file that knows it."""
    private, signers = folder / f"{name}.key", folder / f"{name}.signers"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(private)], check=True)
    public = private.with_name(private.name + ".pub").read_text("ascii")
    signers.write_text(f'{name} namespaces="{namespaces}" {public}', "ascii")
    return private, signers


_APPENDER = """
import sys
from pathlib import Path
from tests.support.ledgers import beat
from watchfloor.records.ledger import Ledger
with Ledger(Path(sys.argv[1])) as ledger:
    for at in range(int(sys.argv[2])):
        receipts = ledger.append_all([beat(at)] * int(sys.argv[3]))
        for number, digest in receipts:
            sys.stdout.write(f"{number} {digest}\\n")
        sys.stdout.flush()
"""


def appender(path: Path, times: int, together: int = 1) -> subprocess.Popen[str]:
    """A process that appends, and tells each entry that was acknowledged: number and hash, a line each."""
    command = [sys.executable, "-c", _APPENDER, str(path), str(times), str(together)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=env)
