"""The words of a change (design glossary): action, step, plan, verdict, outcome. Frozen, pure.

A plan is what is judged, approved and run: concrete, finite, and named by the digest of its canonical JSON. Whoever
approves or runs anything names that digest; what is not in the plan is not done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from hashlib import sha256
from typing import Any

import msgspec

from watchfloor.model import Scope, Subject
from watchfloor.records.ledgerclean import clean
from watchfloor.records.ledgerentry import Who

Value = str | int | float | bool  # of a parameter


class Risk(IntEnum):
    """What an action may cost, so that policy can speak of classes rather than of names."""

    READ = 0
    REVERSIBLE = 1  # and touches no job
    SLOWS = 2  # or evicts work
    TAKES_OUT = 3  # a node out, or reboots it
    FLEET = 4  # fleet, firmware or hardware

    @property
    def label(self) -> str:
        return f"R{self.value}"


class Target(msgspec.Struct, frozen=True):
    """What a step changes: an identity. `scope` as in watchfloor.model.Scope; a job's `key` is its id, its node ""."""

    scope: Scope
    node: str = ""
    key: str = msgspec.field(default="", name="id")  # what is called key is hidden as a secret

    def __str__(self) -> str:
        return f"{self.node}/{self.key}" if self.node and self.key else self.node or self.key

    @property
    def subject(self) -> Subject:
        return Subject(self.scope, self.node, self.key)


class On(StrEnum):
    """Where a deed is done."""

    NODE = "node"  # over its connection
    SCHEDULER = "scheduler"  # where that source's commands run, or its API
    HERE = "here"  # the console's own machine


class Place(msgspec.Struct, frozen=True):
    """`name`: of the node, or of the source of jobs."""

    on: On
    name: str = ""

    def __str__(self) -> str:
        return f"{self.on} {self.name}".rstrip()


class Command(msgspec.Struct, frozen=True, tag="command"):
    """A program with its arguments, never a shell's line. `sudo`: as root by `sudo -n`, where a rule allows it."""

    place: Place
    argv: tuple[str, ...]
    sudo: bool = False
    timeout_seconds: float = 30.0
    stdin: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """What is executed."""
        return ("sudo", "-n", "--", *self.argv) if self.sudo else self.argv


class Request(msgspec.Struct, frozen=True, tag="request"):
    """A call of an API: Kubernetes', a webhook's, an inference server's. `path`: what follows the address of the place.

    A body is JSON. Secrets (tokens, a webhook's address) are named by the place's configuration, never held here.
    """

    place: Place
    method: str
    path: str
    body: dict[str, Any] = {}
    content_type: str = "application/json"
    timeout_seconds: float = 30.0

    @property
    def words(self) -> tuple[str, ...]:
        """What is asked of whom, without the body."""
        return self.method, f"{self.place.name}{self.path}"


Deed = Command | Request


class Step(msgspec.Struct, frozen=True):
    """One action on one target, with exactly what will be done.

    `needs`: keys of steps that must have succeeded. `wait`: a query that must hold of the target before it begins, for
    at most `wait_seconds`. `only_if`: a query without which it is skipped. `before` and `after`: the state as found
    and as wanted, by name. `undo` is done in reverse order where the plan says so.
    """

    key: str = msgspec.field(name="step")  # what is called key is hidden as a secret
    action: str
    target: Target
    risk: Risk
    summary: str  # one sentence for a person: "drain n2 in alpha: xid 79"
    deeds: tuple[Deed, ...] = ()
    parameters: dict[str, Value] = {}
    before: dict[str, Value] = {}
    after: dict[str, Value] = {}
    undo: tuple[Deed, ...] = ()
    needs: tuple[str, ...] = ()
    only_if: str = ""
    wait: str = ""
    wait_seconds: float = 0.0
    timeout_seconds: float = 60.0
    attempts: int = 1  # of what is transient
    verify_seconds: float = 60.0  # until the change must be seen
    optional: bool = False  # the run goes on without it, and succeeds
    harms: str = ""  # what becomes of the jobs on its target: "requeued", "slowed"; "" where nothing does
    heals: bool = False  # makes something healthy again: an open circuit breaker lets it pass


class JobHit(msgspec.Struct, frozen=True):
    """A job that the plan harms. `gpu_hours_lost` since its last checkpoint, where one is known, else since its start;
    None where that isn't known either."""

    job: str
    effect: str  # requeued, cancelled, slowed, drained-around …
    user: str = ""
    name: str = ""
    accelerators: int | None = None
    gpu_hours_lost: float | None = None
    since: str = ""  # what the loss is counted from: "its start: no checkpoint is known"


class Impact(msgspec.Struct, frozen=True):
    """What the plan does to others."""

    jobs: tuple[JobHit, ...] = ()
    nodes: tuple[str, ...] = ()  # taken out
    accelerators: int | None = 0  # taken out; None where nobody has told how many a node has
    capacity_left: float | None = None  # share of healthy accelerators that stay, of the whole fleet; None: not known
    cheapest: str = ""  # when it would cost least, and why: "in 12 min at the latest (14:20 UTC), when job 4242 ends"

    @property
    def users(self) -> tuple[str, ...]:
        return tuple(sorted({hit.user for hit in self.jobs if hit.user}))


class Origin(msgspec.Struct, frozen=True):
    """Why there is a plan: the finding or event, with its raw samples."""

    reason: str
    trigger: str = ""  # the query, event or schedule; "" where a person asked
    finding: str = ""  # its code
    subject: str = ""
    samples: dict[str, Any] = {}
    considered: tuple[str, ...] = ()  # explanations that were held against one another
    seen_at: float = 0.0  # of the newest sample that it rests on, console time


class Plan(msgspec.Struct, frozen=True):
    """Times are seconds since the epoch. `state`: the live facts that it relies on, by name; when one of them is
    another, approvals are void. `rollback`: undo what was done when a step fails."""

    playbook: str
    who: Who
    origin: Origin
    steps: tuple[Step, ...]
    created: float
    expires: float
    impact: Impact = Impact()
    state: dict[str, Value] = {}
    playbook_digest: str = ""
    rollback: bool = False
    risk: Risk = Risk.READ
    at_once: int = 0  # so many runs of this playbook at a time; 0: as many as there are
    # left out of the digest where steps follow one another, as they do in plans of ledgers that know no other way
    parallel: int | msgspec.UnsetType = msgspec.UNSET

    @property
    def digest(self) -> str:
        return digest_of(self)

    @property
    def side_by_side(self) -> int:
        """So many steps at once, each on a node of its own."""
        return self.parallel or 1

    @property
    def actions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(step.action for step in self.steps))

    def step(self, key: str) -> Step:
        """Raises KeyError."""
        for step in self.steps:
            if step.key == key:
                return step
        raise KeyError(key)


def plain(plan: Plan) -> dict[str, Any]:
    """As JSON has it."""
    return msgspec.to_builtins(plan, str_keys=True)


def digest_of(plan: Plan) -> str:
    """SHA-256 of its canonical JSON (RFC 8785) as the ledger keeps it, without secrets, in lower-case hex."""
    return sha256(clean(plain(plan))).hexdigest()


def as_kept(plan: Plan) -> Plan:
    """The plan as the ledger keeps it: what looks like a secret in it is gone, from what is shown and done as well.

    Raises msgspec.ValidationError where it is larger than what the ledger keeps whole.
    """
    return read_plan(json.loads(clean(plain(plan))))


def read_plan(told: Mapping[str, Any]) -> Plan:
    """Raises msgspec.ValidationError."""
    return msgspec.convert(dict(told), Plan)


class Ruling(StrEnum):
    PERMIT = "permit"
    NEEDS_APPROVAL = "needs-approval"
    DENY = "deny"


class Verdict(msgspec.Struct, frozen=True):
    """What policy says. Nothing named, or anything wrong with the policy: deny."""

    ruling: Ruling
    reasons: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()  # the ids of those that decided
    policy_digest: str = ""
    approvals: int = 0  # of distinct persons
    not_requester: bool = False
    approvers: tuple[str, ...] = ()  # groups that they must be of; empty: anybody who may approve
    would_change: tuple[str, ...] = ()  # what would change the ruling
    sound: bool = True  # False: it couldn't be asked, and denies for that


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    ABANDONED = "abandoned"
    UNVERIFIED = "unverified"
    ROLLED_BACK = "rolled-back"


class Effect(StrEnum):
    """Whether an act took effect, as far as can be seen."""

    TOOK = "took-effect"
    NONE = "no-effect"
    UNKNOWN = "unknown"


class Seen(msgspec.Struct, frozen=True):
    """What observing a step showed."""

    effect: Effect
    text: str = ""
    facts: dict[str, Value] = {}


class Done(msgspec.Struct, frozen=True):
    """How a deed ended. `exit_code` None: nobody knows (killed, out of time, cut off). Of a request: 0 for an
    HTTP status of 2xx, else the status."""

    exit_code: int | None
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0
    operation: str = ""
    transient: bool = False  # trying again may help

    @property
    def ok(self) -> bool:
        return self.exit_code == 0
