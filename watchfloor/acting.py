"""Joins the rooms for consoles that act: a live floor, hands, policy, ledger and leases under one harness.

A read-only console never imports this module, and nothing else makes hands or a harness. Must not do: anything of its
own.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from agents import approvals, policy, policyset
from agents.action import Action, Scene, actions
from agents.book import LedgerBook
from agents.harness import Desk, Harness
from agents.homes import KnownHomes
from agents.limits import read_limits
from agents.plan import Asked, make_plan, single
from agents.policyworld import world_of_frame
from collectors.acting.hands import FleetHands, Places
from watchfloor.change import Origin, Plan, Value, Verdict
from watchfloor.errors import ConfigError
from watchfloor.frame import Frame
from watchfloor.jobs.config import Work, told_apart
from watchfloor.model import NodeSpec, Subject
from watchfloor.places import ledger_file, limits_file, policy_places, signers_file, state_folder
from watchfloor.playbook import Playbook
from watchfloor.processid import is_dead, this_process
from watchfloor.records.leases import Leases
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Entry, Who
from watchfloor.signing import Signers
from watchfloor.units import nearest
from watchfloor.wiring import Collection, SystemClock

_FRAMES_A_SECOND = 4


class LiveFloor:
    """ports.Floor over a running collection, on its loop."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._frame: Frame | None = None
        self._next = asyncio.Event()

    def take(self, frame: Frame) -> None:
        self._frame = frame
        self._next.set()
        self._next = asyncio.Event()

    def frame(self) -> Frame:
        assert self._frame is not None, "the floor is asked after its first frame"
        return self._frame

    async def later(self, than: Frame) -> Frame:
        while self._frame is None or self._frame.number <= than.number:
            await self._next.wait()
        return self._frame

    async def first(self) -> Frame:
        while self._frame is None:
            await self._next.wait()
        return self._frame

    def ask_anew(self) -> None:
        self._collection.wake_schedulers()


@dataclass(frozen=True)
class Post:
    """Everything that acts go through, while it is open."""

    harness: Harness
    floor: LiveFloor
    book: LedgerBook
    actions: Mapping[str, Action]
    scene: Callable[[], Scene]
    tally: Callable[[Plan], approvals.Standing]
    running: asyncio.Task[None] = field(repr=False)

    def playbook(self, name: str, given: Mapping[str, Value]) -> Playbook:
        """A playbook by its name or file, or an action by its own. Raises ConfigError."""
        action = name.replace("-", "_")
        if action in self.actions:
            return single(action, self.actions[action], given)
        guess = nearest(name, [known.replace("_", "-") for known in self.actions])
        raise ConfigError(
            f"there is neither a playbook nor an action {name!r}",
            f"did you mean {guess}?" if guess else "`watchfloor playbooks` lists them",
        )

    def plan(self, playbook: Playbook, targets: Sequence[Subject], who: Who, reason: str) -> Plan:
        """Raises CannotPlan."""
        return self.planned(playbook, targets, who, Origin(reason, seen_at=self.floor.frame().at))

    def planned(self, playbook: Playbook, targets: Sequence[Subject], who: Who, origin: Origin) -> Plan:
        """Raises CannotPlan."""
        asked = Asked(who, origin, self.floor.frame().at)
        return make_plan(playbook, targets, self.scene(), self.actions, asked)

    def approved(self, plan: Plan) -> bool:
        return self.tally(plan).approved

    async def until(self, complete: Callable[[Frame], bool], seconds: float) -> Frame:
        """The first frame that is complete, or the newest after so long. Raises what the collection broke on."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                frame = await self.floor.first()
                while not complete(frame) and not self.running.done():
                    frame = await self.floor.later(frame)
        if self.running.done():
            self.running.result()
        return await self.floor.first()


@asynccontextmanager
async def post(
    specs: Sequence[NodeSpec],
    work: Work,
    collection: Collection | None = None,
    seen: Callable[[Frame], None] | None = None,
) -> AsyncIterator[Post]:
    """Raises StoreError where ledger or leases can't be kept, ConfigError for limits: nothing may be done then.

    `collection`: of these nodes, for who has one already; `seen` is told of each frame, too.
    """
    limits = read_limits(limits_file())
    clock, collection, known = SystemClock(), collection or Collection(specs, work=work), actions()
    sources = told_apart(work.sources)
    floor, homes = LiveFloor(collection), KnownHomes({spec.name: spec for spec in sources})
    notes = state_folder(os.environ)
    hands = FleetHands(Places(specs, sources), collection.transport_for, clock, notes / "operations")
    with Ledger(ledger_file()) as ledger:
        leases, book = Leases(leases_file()), LedgerBook(ledger)
        judge, tally = judging(known)
        mine = this_process()
        desk = Desk(book, leases, floor, hands, judge, tally, known, homes, clock, _new_run, mine, is_dead, limits)

        def stands(plan: Plan) -> approvals.Standing:
            return tally(plan, judge(plan, floor.frame()), book.approvals(plan.digest), clock.now())

        def take(frame: Frame) -> None:
            floor.take(frame)
            if seen is not None:
                seen(frame)

        running = asyncio.create_task(collection.run(take, _FRAMES_A_SECOND))
        try:
            yield Post(Harness(desk), floor, book, known, lambda: Scene(floor.frame(), homes), stands, running)
        finally:
            await hands.close()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            leases.close()


def judging(known: Mapping[str, Action]) -> tuple[Callable[[Plan, Frame], Verdict], Callable[..., approvals.Standing]]:
    """Policy, and the count of approvals, as the files of this user have them."""
    classes = {name: policyset.ActionClass(action.scope, action.risk) for name, action in known.items()}
    in_force = policyset.InForce(policy_places(), classes)
    check = Signers(signers_file(), approvals.NAMESPACE)

    def judge(plan: Plan, frame: Frame) -> Verdict:
        return policy.judge(plan, world_of_frame(frame), in_force.now())

    def tally(plan: Plan, verdict: Verdict, entries: Sequence[Entry], now: float) -> approvals.Standing:
        return approvals.Tally(in_force.now().people, check)(plan, verdict, entries, now)

    return judge, tally


def rules_of_sudo() -> dict[str, tuple[str, ...]]:
    """By action: what sudoers must allow on the nodes, as `watchfloor.sudoers` says."""
    return {name: tuple(getattr(action, "sudo_rules", ())) for name, action in actions().items()}


def leases_file() -> Path:
    """Beside the ledger: those who share one share the other."""
    return ledger_file().with_suffix(".leases")


def _new_run() -> str:
    return f"r{secrets.token_hex(5)}"
