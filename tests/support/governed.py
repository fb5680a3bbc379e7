"""Plans, policies and people with keys, for tests of policy and approvals."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.onrecord import facts_of
from agents.policyfile import Source
from agents.policyset import SCHEMA, ActionClass, Policies, compiled
from agents.policyworld import World, world_of_inventory
from tests.support.parts import ROOT
from watchfloor.change import (
    Command,
    Impact,
    JobHit,
    On,
    Origin,
    Place,
    Plan,
    Risk,
    Ruling,
    Step,
    Target,
    Verdict,
    plain,
)
from watchfloor.model import NodeSpec, Scope
from watchfloor.people import People
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note, Party, Who
from watchfloor.records.ledgerwords import Decided, Proposed

NOW = 1_800_000_000.0
ANNA = Who(Party.PERSON, "anna")
CRON = Who(Party.SERVICE, "cron")
DESK = Who(Party.AGENT, "desk", model="m-1", on_behalf_of="bob")

ACTIONS: Mapping[str, ActionClass] = {
    "look": ActionClass(Scope.NODE, Risk.READ),
    "label_node": ActionClass(Scope.NODE, Risk.REVERSIBLE),
    "requeue_job": ActionClass(Scope.JOB, Risk.SLOWS),
    "drain_node": ActionClass(Scope.NODE, Risk.TAKES_OUT),
    "flash_firmware": ActionClass(Scope.ACCELERATOR, Risk.FLEET),
}
NODES = (
    NodeSpec("n1", site="lab", rack="r1", group="train", labels={"team": "vision"}),
    NodeSpec("n2", site="lab", rack="r2", group="serve"),
)
_TARGETS = {Scope.NODE: Target(Scope.NODE, "n1"), Scope.JOB: Target(Scope.JOB, key="slurm:42")}


def step(action: str, target: Target | None = None, risk: Risk | None = None, key: str = "1") -> Step:
    known = ACTIONS[action]
    on = target or _TARGETS.get(known.scope) or Target(known.scope, "n1", "GPU-0")
    deed = Command(Place(On.NODE, on.node), (action, str(on)))
    return Step(key, action, on, known.risk if risk is None else risk, f"{action} {on}", (deed,))


def plan(*actions: str | Step, who: Who = ANNA, playbook: str = "by-hand", impact: Impact | None = None) -> Plan:
    steps = tuple(step(each, key=str(at)) if isinstance(each, str) else each for at, each in enumerate(actions))
    harmed = impact if impact is not None else Impact((JobHit("slurm:42", "requeued", "carol"),))
    risk = max((each.risk for each in steps), default=Risk.READ)
    return Plan(playbook, who, Origin("a test"), steps, NOW, NOW + 4 * 3600, impact=harmed, risk=risk)


def world(a_plan: Plan) -> World:
    return world_of_inventory(NODES, a_plan.impact)


def shipped() -> list[Source]:
    folder = ROOT / "playbooks" / "policies"
    return [
        Source(f"shipped/{path.name}", path.read_text("utf-8"), str(path)) for path in sorted(folder.glob("*.cedar"))
    ]


def schema() -> Source:
    return Source(f"shipped/{SCHEMA}", (ROOT / "playbooks" / "policies" / SCHEMA).read_text("utf-8"))


def policies(own: str = "", people: People | None = None) -> Policies:
    """The shipped policies, with a file of one's own."""
    texts = [*shipped(), *([Source("own/mine.cedar", own, "mine.cedar")] if own else [])]
    return compiled(texts, schema(), ACTIONS, people)


# -- people with keys


@dataclass(frozen=True)
class Person:
    principal: str
    key: Path  # private

    @property
    def public(self) -> str:
        return self.key.with_name(self.key.name + ".pub").read_text("ascii").strip()

    def line(self, options: str = 'namespaces="watchfloor-approval"') -> str:
        """For an allowed_signers file."""
        return f"{self.principal} {options} {self.public}\n"


def person(folder: Path, principal: str, kind: str = "ed25519") -> Person:
    key = folder / f"{principal.replace('@', '_')}.key"
    words = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", principal, "-f", str(key)]
    subprocess.run(words, check=True)
    return Person(principal, key)


class ssh_agent:
    """An agent that holds these keys; its socket's path."""

    def __init__(self, folder: Path, keys: Sequence[Path]) -> None:
        self._socket, self._keys = str(folder / "agent"), keys

    def __enter__(self) -> str:
        words = ["ssh-agent", "-D", "-a", self._socket]
        self._agent = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._agent.stdout is not None
        self._agent.stdout.readline()  # it listens before it tells where
        env = {**os.environ, "SSH_AUTH_SOCK": self._socket}
        subprocess.run(["ssh-add", "-q", *map(str, self._keys)], env=env, check=True)
        return self._socket

    def __exit__(self, *_: object) -> None:
        self._agent.send_signal(signal.SIGTERM)
        self._agent.wait(10)


# -- on record

NEEDS_ONE = Verdict(Ruling.NEEDS_APPROVAL, ("it takes a node out",), ("r3-another-person",), "ab" * 32, 1, True)


def proposed(path: Path, a_plan: Plan, verdict: Verdict = NEEDS_ONE, run: str = "r1") -> None:
    """A plan that waits, as the harness puts it on record."""
    with Ledger(path) as ledger:
        ledger.append(Note(a_plan.who, Proposed(reason="a test", plan=plain(a_plan)), (), run, a_plan.digest))
        body = Decided(
            verdict=str(verdict.ruling),
            reasons=list(verdict.reasons),
            policies=list(verdict.policies),
            policy_digest=verdict.policy_digest,
            approvals=verdict.approvals,
            facts=facts_of(verdict),
        )
        ledger.append(Note(a_plan.who, body, (), run, a_plan.digest))
