"""The one vocabulary of the ledger: which kinds of entries there are, and what each of them tells. Frozen, pure.

A kind is one struct. What it tells is what an auditor asks: why, by whose leave, what was done, what came of it;
`facts` takes what a caller has to add. Digests are SHA-256 in lower-case hex.

A field that is named as secrets are (key, auth, token, password …) is hidden, whatever it holds: call it otherwise.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import Any, ClassVar

import msgspec

from watchfloor.redact import redact

VERDICTS = ("permit", "needs-approval", "deny", "interlocked")
EXCERPT_BYTES = 4_096  # of an output; its digest stands for the rest


class Kind(StrEnum):
    PROPOSED = "proposed"
    DECIDED = "decided"
    APPROVAL = "approval"
    REJECTION = "rejection"
    WITHDRAWAL = "withdrawal"
    REFUSED = "refused"
    INTENT = "intent"
    APPLIED = "applied"
    VERIFIED = "verified"
    OUTCOME = "outcome"
    JOB_IMPACT = "job-impact"
    SESSION_START = "session-start"
    SESSION_STOP = "session-stop"
    RECORDING = "recording"
    CONFIGURATION = "configuration"
    POLICY = "policy"
    STOP = "stop"
    RESUME = "resume"
    HEARTBEAT = "heartbeat"
    CHECKPOINT = "checkpoint"


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every kind may add to its own."""

    kind: ClassVar[Kind]
    facts: dict[str, Any] = {}


class Output(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a command printed: `sha256` and `bytes` are of all of it, without secrets; `excerpt` is where it began."""

    sha256: str
    bytes: int
    excerpt: str = ""


def output(printed: bytes | str, most: int = EXCERPT_BYTES) -> Output:
    """An output as an entry holds it: redacted first, so that no digest tells of a secret."""
    text = printed.decode("utf-8", "replace") if isinstance(printed, bytes) else printed
    clean = redact(text).encode("utf-8", "replace")
    return Output(sha256(clean).hexdigest(), len(clean), clean[:most].decode("utf-8", "ignore"))


# -- from the proposal to the verdict


class Proposed(Body, frozen=True, kw_only=True):
    kind = Kind.PROPOSED
    reason: str
    trigger: str = ""  # the query or event that asked for it, "" where somebody did
    playbook: str = ""
    playbook_digest: str = ""
    samples: dict[str, Any] = {}  # the raw values that it rests on
    considered: list[str] = []  # explanations that were held against one another
    shown: str = ""  # digest of the plan as it is displayed
    plan: dict[str, Any] = {}  # the plan itself, as `ledgerclean.clean` gives it; its digest stands in the entry


class Decided(Body, frozen=True, kw_only=True):
    """What policy and interlocks say. `verdict`: one of VERDICTS."""

    kind = Kind.DECIDED
    verdict: str
    reasons: list[str] = []
    policies: list[str] = []  # those that decided
    policy_digest: str = ""
    approvals: int = 0  # that are needed
    interlocks: list[str] = []  # those that hold it back


class _Signed(Body, frozen=True, kw_only=True):
    """`signature` is OpenSSH's, in armour, over the plan's digest."""

    reason: str
    signature: str = ""
    expires: str = ""  # RFC 3339


class Approval(_Signed, frozen=True, kw_only=True):
    kind = Kind.APPROVAL


class Rejection(_Signed, frozen=True, kw_only=True):
    kind = Kind.REJECTION


class Withdrawal(_Signed, frozen=True, kw_only=True):
    kind = Kind.WITHDRAWAL


class Refused(Body, frozen=True, kw_only=True):
    """What wasn't done: `why` is a word such as expired, stale, suppressed, cooldown, moved, unknown-key, stopped."""

    kind = Kind.REFUSED
    why: str
    text: str = ""
    what: str = ""  # which act, where there is no plan


# -- from the intent to the outcome


class Intent(Body, frozen=True, kw_only=True):
    kind = Kind.INTENT
    step: str
    action: str
    argv: list[str] = []
    operation: str = ""  # the id under which the node keeps what came of it
    attempt: int = 1
    parameters: dict[str, Any] = {}
    before: dict[str, Any] = {}  # the state that was found


class Applied(Body, frozen=True, kw_only=True):
    """A command that ended, or a call that was answered. `exit_code` None: nobody knows how it ended."""

    kind = Kind.APPLIED
    step: str
    action: str = ""
    argv: list[str] = []
    exit_code: int | None = None
    seconds: float = 0.0
    output: Output | None = None
    errors: Output | None = None
    operation: str = ""
    attempt: int = 1


class Verified(Body, frozen=True, kw_only=True):
    """What a later frame showed. `result`: took-effect, no-effect or unknown."""

    kind = Kind.VERIFIED
    step: str
    result: str
    text: str = ""
    after: dict[str, Any] = {}


class Outcome(Body, frozen=True, kw_only=True):
    """`outcome`: succeeded, failed, refused, abandoned, unverified or rolled-back."""

    kind = Kind.OUTCOME
    outcome: str
    text: str = ""


class JobImpact(Body, frozen=True, kw_only=True):
    kind = Kind.JOB_IMPACT
    job: str
    effect: str  # requeued, cancelled, failed, slowed, held …
    user: str = ""
    restarts: int | None = None
    failed_node: str = ""
    gpu_hours_lost: float | None = None
    next_job: str = ""  # the attempt that follows


# -- the program itself


class SessionStart(Body, frozen=True, kw_only=True):
    kind = Kind.SESSION_START
    session: str
    version: str
    mode: str = ""  # terminal, watch, run, mcp …
    nodes: int | None = None


class SessionStop(Body, frozen=True, kw_only=True):
    kind = Kind.SESSION_STOP
    session: str
    text: str = ""


class Recording(Body, frozen=True, kw_only=True):
    """A file of a session was sealed: `sha256` is of all its bytes before its end. Or it was removed, and why."""

    kind = Kind.RECORDING
    file: str
    size: int
    sha256: str = ""
    removed: str = ""


class Configuration(Body, frozen=True, kw_only=True):
    kind = Kind.CONFIGURATION
    file: str
    digest: str
    before: str = ""  # its digest until now
    text: str = ""


class PolicyChange(Body, frozen=True, kw_only=True):
    kind = Kind.POLICY
    digest: str
    before: str = ""
    files: list[str] = []
    text: str = ""


class Stop(Body, frozen=True, kw_only=True):
    """The global stop: no act begins until somebody resumes."""

    kind = Kind.STOP
    reason: str


class Resume(Body, frozen=True, kw_only=True):
    kind = Kind.RESUME
    reason: str


class Heartbeat(Body, frozen=True, kw_only=True):
    kind = Kind.HEARTBEAT
    session: str = ""
    every: float = 0.0  # seconds until the next is due


class Checkpoint(Body, frozen=True, kw_only=True):
    """The root of the tree of the first `size` entries, and OpenSSH's signature over it ("": nobody has signed)."""

    kind = Kind.CHECKPOINT
    origin: str
    size: int
    root: str
    signature: str = ""


def _kinds(of: type[Body]) -> dict[str, type[Body]]:
    found = {str(of.kind): of} if "kind" in vars(of) else {}
    for narrower in of.__subclasses__():
        found |= _kinds(narrower)
    return found


BODIES = _kinds(Body)
