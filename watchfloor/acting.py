"""Joins the rooms for consoles that act: a live floor, hands, policy, ledger and leases under one harness.

A read-only console never imports this module, and nothing else makes hands or a harness. Must not do: anything of its
own.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from agents import approvals, policy, policyset
from agents.action import Action, Scene, actions
from agents.book import LedgerBook
from agents.changes import changes, signers_told
from agents.chronicle import KEPT_SECONDS, Chronicle
from agents.desk import Desk
from agents.harness import Harness
from agents.homes import KnownHomes
from agents.interlocks import Limits
from agents.limits import read_limits
from agents.past import Past
from agents.plan import Asked, bounded, make_plan, single, wished
from agents.policyworld import world_of_frame
from agents.savedwork import SavedWork
from agents.triggers import Incident, asked_by
from agents.watchman import Means, Tell, Watchman
from collectors.acting.endpoints import Endpoint, read_endpoints
from collectors.acting.hands import FleetHands, Places
from watchfloor import repertoire
from watchfloor.change import Origin, Plan, Value, Verdict
from watchfloor.errors import CannotPlan, ConfigError, WatchfloorError
from watchfloor.frame import Frame
from watchfloor.jobs.config import Work, told_apart
from watchfloor.keeper import account
from watchfloor.ledgerfollower import LedgerFollower
from watchfloor.model import NodeSpec, Subject
from watchfloor.places import endpoints_file, ledger_file, limits_file, policy_places, signers_file, state_folder
from watchfloor.playbook import Matter, Playbook
from watchfloor.processid import is_dead, this_process
from watchfloor.records.leases import Leases
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Entry, Note, Party, Who
from watchfloor.records.ledgerwords import Refused
from watchfloor.signing import Signers
from watchfloor.units import nearest
from watchfloor.wiring import Collection, SystemClock

_FRAMES_A_SECOND = 4
_LAST_LOOK_SECONDS = 3.0


class LiveFloor:
    """ports.Floor over a running collection, on its loop."""

    def __init__(self, collection: Collection, seen: Callable[[Frame], None] | None = None) -> None:
        """`seen` is told of each frame, too."""
        self._collection, self._seen = collection, seen
        self._frame: Frame | None = None
        self._next = asyncio.Event()

    def take(self, frame: Frame) -> None:
        self._frame = frame
        self._next.set()
        self._next = asyncio.Event()
        if self._seen is not None:
            self._seen(frame)

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
    held: Callable[[str], bool]  # whether another console carries out this run
    running: asyncio.Task[None] = field(repr=False)

    def playbook(self, name: str, given: Mapping[str, Value]) -> Playbook:
        """A playbook by its name or file, or an action by its own. Raises ConfigError."""
        playbook = repertoire.find(name, self.actions)
        if playbook is not None:
            return repertoire.with_options(playbook, given)
        action = name.replace("-", "_")
        if action in self.actions:
            return single(action, self.actions[action], given)
        guess = nearest(name, [*repertoire.names(), *(known.replace("_", "-") for known in self.actions)])
        raise ConfigError(
            f"there is neither a playbook nor an action {name!r}",
            f"did you mean {guess}?" if guess else "`watchfloor playbooks` lists them",
        )

    def plan(self, playbook: Playbook, targets: Sequence[Subject], who: Who, reason: str) -> Plan:
        """Raises CannotPlan, NothingToDo, ConfigError."""
        return self.planned(playbook, targets, who, Origin(reason, seen_at=self.floor.frame().at))

    def planned(self, playbook: Playbook, targets: Sequence[Subject], who: Who, origin: Origin) -> Plan:
        """Raises CannotPlan, NothingToDo, ConfigError."""
        past = self.past() if playbook.planner else Past()
        return self.plan_of(playbook, targets, Asked(who, origin, self.floor.frame().at), past)

    def plan_of(self, playbook: Playbook, targets: Sequence[Subject], asked: Asked, past: Past) -> Plan:
        """Of its steps, or of what its planner wants. Raises CannotPlan, NothingToDo, ConfigError."""
        scene = self.scene()
        if not playbook.planner:
            return make_plan(playbook, targets, scene, self.actions, asked)
        bounded(playbook, targets)
        matter = Matter(scene.frame, targets, playbook.options, past.done_to(targets))
        return wished(playbook, repertoire.wishes(playbook, matter), scene, self.actions, asked)

    async def not_planned(self, playbook: Playbook, who: Who, error: CannotPlan) -> None:
        """Put on record that no plan could be made of what somebody wanted done. Raises StoreError."""
        await self.book.keep(Note(who, Refused(why="cannot-plan", text=str(error), what=playbook.name)))

    def plan_for(self, incident: Incident, past: Past, who: Who) -> Plan:
        """Of what the triggers found. Raises CannotPlan, NothingToDo, ConfigError."""
        return self.plan_of(incident.playbook, incident.targets, asked_by(incident, who, self.floor.frame().at), past)

    def past(self) -> Past:
        """What runs did before, as the ledger has it. Raises StoreError."""
        chronicle = Chronicle(time.time() - KEPT_SECONDS)
        with self.book.reader() as reader:
            if reader is not None:
                chronicle.read(reader)
        return chronicle.past()

    def watchman(self, who: Who, playbooks: Mapping[str, Playbook], tell: Tell, session: str) -> Watchman:
        """Who watches by these playbooks. Raises StoreError."""
        means = Means(
            self.harness,
            self.floor,
            SystemClock(),
            who,
            self.book.keep,
            self.book.reader,
            lambda incident, past: self.plan_for(incident, past, who),
            self.approved,
            self.held,
            self.alive,
        )
        return Watchman(means, playbooks, tell, session)

    def alive(self) -> None:
        """Raises what the collection broke on."""
        if self.running.done():
            self.running.result()
            raise WatchfloorError("the collection ended by itself", "start it again, and report this")

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

    async def last_look(self) -> None:
        """Until there is a frame that was made after what was done: a recording ends with it."""
        over = time.time()
        with suppress(Exception):  # what became of it is told by now, whatever the collection broke on
            await self.until(lambda frame: frame.at > over, _LAST_LOOK_SECONDS)


def settings() -> tuple[Limits, dict[str, Endpoint]]:
    """What bounds every act, and where calls may go. Raises ConfigError: then nothing can be done."""
    return read_limits(limits_file()), read_endpoints(endpoints_file())


@asynccontextmanager
async def post(
    specs: Sequence[NodeSpec],
    work: Work,
    findings: Path | None = None,
    collection: Collection | None = None,
    seen: Callable[[Frame], None] | None = None,
    lineage: str | None = None,
) -> AsyncIterator[Post]:
    """`findings`: where findings over time are kept; `collection`: of these nodes, for who has one already; `seen` is
    told of each frame, too; `lineage`: where it is read of what jobs have saved, also where `work` keeps none.

    Raises StoreError where ledger or leases can't stand, ConfigError for limits, endpoints: nothing can be done.
    """
    limits, endpoints = settings()
    clock, known = SystemClock(), actions()
    followed = LedgerFollower(ledger_file())
    collection = collection or Collection(specs, findings_file=findings, work=work, ledger=followed)
    sources = told_apart(work.sources)
    floor, homes = LiveFloor(collection, seen), KnownHomes({spec.name: spec for spec in sources})
    saved, mine = SavedWork(lineage or work.lineage, clock), this_process()
    notes = state_folder(os.environ) / "operations"
    places = Places(specs, sources, endpoints)
    hands = FleetHands(places, collection.transport_for, clock, notes)
    with Ledger(ledger_file()) as ledger:
        leases, book, law = Leases(leases_file()), LedgerBook(ledger), Law(known)
        desk = Desk(
            book,
            leases,
            floor,
            hands,
            law.judge,
            law.tally,
            known,
            homes,
            clock,
            _new_run,
            mine,
            f"{account()}@{socket.gethostname()}:{notes}",
            is_dead,
            limits,
            changes=lambda: _changed(book, law),
            grounds=lambda: signers_told(signers_file()),
        )
        running = asyncio.create_task(collection.run(floor.take, _FRAMES_A_SECOND))
        try:
            yield Post(
                Harness(desk), floor, book, known, lambda: Scene(floor.frame(), homes, saved),
                lambda plan: law.stands(plan, floor.frame(), book, clock.now()),
                lambda run: _is_held(leases, run, mine), running,
            )  # fmt: skip
        finally:
            saved.close()
            await hands.close()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            leases.close()


def _changed(book: LedgerBook, law: Law) -> list[Note]:
    """What this user's files say now that isn't on record."""
    files = (limits_file(), endpoints_file(), signers_file())
    return list(changes(book, law.in_force.now(), files, Who(Party.PERSON, account())))


def _is_held(leases: Leases, run: str, mine: str) -> bool:
    """Whether another process carries it out."""
    others = [lease for lease in leases.all() if lease.run == run and lease.holder != mine]
    return any(lease.until > time.time() and not is_dead(lease.holder) for lease in others)


class Law:
    """Policy, and the count of approvals, as the files of this user have them."""

    def __init__(self, known: Mapping[str, Action]) -> None:
        classes = {name: policyset.ActionClass(action.scope, action.risk) for name, action in known.items()}
        self.in_force = policyset.InForce(policy_places(), classes)
        self._check = Signers(signers_file(), approvals.NAMESPACE)

    def judge(self, plan: Plan, frame: Frame) -> Verdict:
        return policy.judge(plan, world_of_frame(frame), self.in_force.now())

    def tally(self, plan: Plan, verdict: Verdict, entries: Sequence[Entry], now: float) -> approvals.Standing:
        return approvals.Tally(self.in_force.now().people, self._check)(plan, verdict, entries, now)

    def stands(self, plan: Plan, frame: Frame, book: LedgerBook, now: float) -> approvals.Standing:
        return self.tally(plan, self.judge(plan, frame), book.approvals(plan.digest), now)


def rules_of_sudo() -> dict[str, tuple[str, ...]]:
    """By action: what sudoers must allow on the nodes, as `watchfloor.sudoers` says."""
    return {name: tuple(getattr(action, "sudo_rules", ())) for name, action in actions().items()}


def leases_file() -> Path:
    """Beside the ledger: those who share one share the other."""
    return ledger_file().with_suffix(".leases")


def _new_run() -> str:
    return f"r{secrets.token_hex(5)}"
