"""What playbooks have done, proposed and refrained from, as the ledger tells: the memory of triggers. Pure.

There is no file of its own: whoever starts anew knows from the ledger what fired when, and on what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from watchfloor.change import Risk, Target
from watchfloor.model import Scope, Subject
from watchfloor.playbook import Did
from watchfloor.records.ledgerentry import Entry
from watchfloor.records.ledgerwords import Heartbeat, Refused, SessionStart, SessionStop
from watchfloor.runs import INTERLOCKED, RunRecord, Standing, StepState

WATCH = "watch"  # mode of its sessions
_DONE = (StepState.VERIFIED, StepState.APPLIED, StepState.UNVERIFIED)
_KINDS = (Scope.NODE, Scope.ACCELERATOR, Scope.LINK, Scope.SERVICE, Scope.JOB)

Key = tuple[str, Subject]  # playbook and target


@dataclass(frozen=True, slots=True)
class Changed:
    """A run that changed something on a node."""

    at: float
    playbook: str
    node: str


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A proposal that an interlock held back, and that was never begun."""

    run: str
    why: str


@dataclass(slots=True)
class Past:
    """Times in seconds since the epoch. One writer, which is the loop of `watchfloor watch`."""

    proposed: dict[Key, float] = field(default_factory=dict)  # the newest
    handled: dict[Key, float] = field(default_factory=dict)  # the newest, proposed or refused
    held: dict[Key, HeldBack] = field(default_factory=dict)  # where the newest proposal was held back
    newest: dict[Subject, str] = field(default_factory=dict)  # whose the newest run on it was
    changed: list[Changed] = field(default_factory=list)
    open: Counter[str] = field(default_factory=Counter)  # runs that are being carried out, by playbook
    did: tuple[Did, ...] = ()
    up: float = 0.0  # the last sign of life of a watch; 0: there never was one

    def begun(self, playbook: str, targets: Iterable[Subject], at: float) -> None:
        """A plan was proposed just now."""
        self.open[playbook] += 1
        for target in targets:
            self.proposed[playbook, target] = self.handled[playbook, target] = at

    def refrained(self, playbook: str, targets: Iterable[Subject], at: float) -> None:
        for target in targets:
            self.handled[playbook, target] = at

    def done_to(self, targets: Iterable[Subject]) -> list[Did]:
        """What was done to these, and to what hangs on these nodes; the oldest first."""
        wanted = set(targets)
        nodes = {target.node for target in wanted if target.scope is Scope.NODE}
        return [did for did in self.did if did.target in wanted or did.target.node in nodes]


def past_of(runs: Iterable[RunRecord], refusals: Iterable[Entry] = (), lives: Iterable[Entry] = ()) -> Past:
    """From runs in the order of their proposals, refusals that name a playbook, and what watches said of themselves."""
    past, did = Past(), []
    for run in runs:
        if run.plan is None:
            continue
        did += _add(past, run)
    for entry in refusals:
        body = entry.told()
        if isinstance(body, Refused) and not entry.run and body.what:
            for target in read_targets(entry.subjects):
                _later(past.handled, (body.what, target), entry.seconds)
    past.did = tuple(sorted(did, key=lambda one: one.at))
    past.up = max((entry.seconds for entry in lives if is_life(entry)), default=0.0)
    return past


def is_life(entry: Entry) -> bool:
    """Whether it is a sign of life of a watch."""
    body = entry.told()
    if isinstance(body, SessionStart):
        return body.mode == WATCH
    return isinstance(body, Heartbeat | SessionStop) and bool(entry.body.get("session", "").startswith(WATCH))


def targets_of(run: RunRecord) -> tuple[Subject, ...]:
    """What it was begun for; what its steps change, where that isn't told."""
    assert run.plan is not None
    told = run.plan.origin.samples.get("targets", ())
    found = read_targets(told if isinstance(told, list | tuple) else ())
    return found or tuple(dict.fromkeys(step.target.subject for step in run.plan.steps))


def told_target(subject: Subject) -> str:
    """ "node:n2", "accelerator:n2/GPU-1", "job:slurm:42" """
    return f"{subject.scope.value}:{Target(subject.scope, subject.node, subject.key)}"


def read_targets(told: Iterable[object]) -> tuple[Subject, ...]:
    """What `told_target` wrote; others are passed over."""
    return tuple(found for one in told if isinstance(one, str) and (found := _target(one)) is not None)


def _target(told: str) -> Subject | None:
    kind, _, name = told.partition(":")
    scope = next((scope for scope in _KINDS if scope.value == kind), None)
    if scope is None or not name:
        return None
    if scope is Scope.NODE:
        return Subject(scope, name)
    if scope is Scope.JOB:
        return Subject(scope, "", name)
    node, _, key = name.partition("/")
    return Subject(scope, node, key) if key else None


def _add(past: Past, run: RunRecord) -> list[Did]:
    plan, targets = run.plan, targets_of(run)
    assert plan is not None
    for target in targets:
        _later(past.proposed, (plan.playbook, target), run.proposed)
        _later(past.handled, (plan.playbook, target), run.proposed)
        _hold(past.held, (plan.playbook, target), run)
    past.open[plan.playbook] += run.standing in (Standing.READY, Standing.RUNNING)
    done = [(step, record) for step, record in run.of_plan() if record.state in _DONE]
    changed = [step for step, _ in done if step.risk > Risk.REVERSIBLE]
    if changed or (done and all(step.risk <= Risk.REVERSIBLE for step in plan.steps)):
        touched = {step.target.subject for step in changed} | set(targets)
        nodes = {Subject(Scope.NODE, step.target.node) for step in changed if step.target.node}
        past.newest.update(dict.fromkeys([*touched, *nodes], plan.playbook))
    for node in sorted({step.target.node for step in changed if step.target.node}):
        past.changed.append(Changed(run.begun, plan.playbook, node))
    return [
        Did(record.at, plan.playbook, step.action, step.target.subject, step.before, step.after)
        for step, record in done
        if record.state is StepState.VERIFIED
    ]


def _hold(held: dict[Key, HeldBack], key: Key, run: RunRecord) -> None:
    if run.ruling != INTERLOCKED or run.begun or run.decided is None:
        held.pop(key, None)
        return
    names = run.decided.interlocks
    whys = run.decided.reasons[-len(names) :] if names else run.decided.reasons
    told = (f"{name}: {why}" for name, why in zip(names, whys, strict=False))
    held[key] = HeldBack(run.run, "; ".join(told))


def _later(times: dict[Key, float], key: Key, at: float) -> None:
    times[key] = max(at, times.get(key, 0.0))


def since_of(times: Mapping[Key, float], key: Key) -> float:
    """0 where it never was."""
    return times.get(key, 0.0)
