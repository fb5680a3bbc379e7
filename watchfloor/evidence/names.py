"""What the members of a bundle are called, and the list of their digests, as `sha256sum -c` takes it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

FORMAT = "watchfloor.evidence/1"
NAMESPACE = "watchfloor-evidence"  # of the signature over the list

SUMS, SUMS_SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
ABOUT = "bundle.json"  # what it is evidence of, what is missing in it and why
REPORT = "report.html"
HOW = "VERIFY.txt"
SIGNERS = "keys/allowed_signers"
ENTRIES, PROOFS = "ledger/entries.jsonl", "ledger/proofs.json"
CHECKPOINT, CHECKPOINT_SIGNATURE = "ledger/checkpoint", "ledger/checkpoint.sig"
POLICY = "policy/in-force.json"
LINEAGE = "lineage.txt"  # what led to it, and what came of it

_STRANGE = re.compile(r"[^A-Za-z0-9_.@:+~-]")
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)\Z")


def plan_json(run: str) -> str:
    return f"runs/{_part(run)}/plan.json"


def plan_text(run: str) -> str:
    return f"runs/{_part(run)}/plan.txt"


def transcript(run: str) -> str:
    return f"runs/{_part(run)}/transcript.txt"


def signed(number: int) -> str:
    """What was signed by the approval, rejection or withdrawal of this entry."""
    return f"approvals/{number}.signed"


def signature(number: int) -> str:
    return f"approvals/{number}.sig"


def telemetry(session: str) -> str:
    return f"telemetry/{_part(session)}.json.gz"


def cast(session: str) -> str:
    return f"cast/{_part(session)}.cast"


def _part(text: str) -> str:
    """As a name of a file may hold it."""
    return "_" + _STRANGE.sub("_", text)[:100] if not text[:1].isalnum() else _STRANGE.sub("_", text)[:100]


def sums(members: Mapping[str, bytes]) -> bytes:
    """Of all members but the list itself and its signature."""
    listed = sorted(members.keys() - {SUMS, SUMS_SIGNATURE})
    return "".join(f"{sha256(members[name]).hexdigest()}  {name}\n" for name in listed).encode()


def read_sums(data: bytes) -> dict[str, str]:
    """Digest by member. Raises ValueError, which says the line."""
    found: dict[str, str] = {}
    lines = data.decode("ascii", "replace").split("\n")
    if lines.pop():
        raise ValueError("its last line has no end")
    for number, line in enumerate(lines, 1):
        match = _LINE.match(line)
        if match is None or match[2] in found:
            raise ValueError(f"line {number} is no digest and name, or is there twice")
        found[match[2]] = match[1]
    return found
