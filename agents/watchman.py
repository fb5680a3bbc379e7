"""What `watchfloor watch` does while it watches: looks at every frame, proposes, carries out what may be, and tells.

It is a client of the harness like any other. What it refrains from is on record as well; what was approved meanwhile,
or was left behind by a console that was killed, it takes up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Protocol

from agents.carrying import Result
from agents.chronicle import KEPT_SECONDS, Chronicle
from agents.harness import Decision, Harness
from agents.holding import LEASE_SECONDS
from agents.past import WATCH, Past, told_target
from agents.plan import CannotPlan, NothingToDo
from agents.triggers import Engine, Incident, NotDone
from watchfloor.change import Outcome, Plan, Ruling
from watchfloor.errors import StoreError, WatchfloorError
from watchfloor.frame import Frame
from watchfloor.playbook import Playbook
from watchfloor.ports import Clock, Floor
from watchfloor.records.ledgerentry import Note, Who
from watchfloor.records.ledgerreader import LedgerReader
from watchfloor.records.ledgerwords import Body, Heartbeat, Refused, SessionStart, SessionStop
from watchfloor.runs import INTERLOCKED, RunRecord, Standing
from watchfloor.schedule import within

POLL_SECONDS = 1.0  # between two looks into the ledger
HEARTBEAT_SECONDS = 60.0
AGAIN_SECONDS = 300.0  # between two tries of a run that was held back
COUNT_SECONDS = 30.0  # between two looks at the same signatures
WEIGH_SECONDS = 5.0  # between two looks at proposals that an interlock holds back
MOST_PLANS = 4  # for one incident, where what each relied on had become another before it began
_NO_FRAME_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Means:
    """What it works with, all of it given. `held`: whether another console has the lease of this run."""

    harness: Harness
    floor: Floor
    clock: Clock
    who: Who
    keep: Callable[[Note], Awaitable[None]]
    reader: Callable[[], AbstractContextManager[LedgerReader | None]]
    plan_for: Callable[[Incident, Past], Plan]
    approved: Callable[[Plan], bool]
    held: Callable[[str], bool]
    alive: Callable[[], None]  # raises what the collection broke on


class Tell(Protocol):
    """What people are told, as it happens."""

    def refrained(self, one: NotDone) -> None: ...

    def proposed(self, incident: Incident, decision: Decision) -> None: ...

    def freed(self, decision: Decision) -> None: ...

    def ended(self, run: RunRecord, result: Result) -> None: ...


@dataclass(slots=True)
class Account:
    """What came of it: for the exit code of a single look."""

    proposed: int = 0
    rulings: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # the words of refusals to begin
    beats: int = 0  # signs of life
    waiting: list[str] = field(default_factory=list)  # runs of this service that wait for approval at its end


class Watchman:
    def __init__(
        self, means: Means, playbooks: Mapping[str, Playbook], tell: Tell, session: str, zone: tzinfo | None = None
    ) -> None:
        self._means, self._tell, self._session = means, tell, f"{WATCH}-{session}"
        self._playbooks = [playbooks[name] for name in sorted(playbooks)]
        self._guards = {playbook.name: playbook.guards for playbook in self._playbooks}
        self._zone = zone
        self._chronicle = Chronicle(means.clock.now() - KEPT_SECONDS)
        self._read()
        self._engine = Engine(self._playbooks, self._chronicle.past(), zone)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._causes: dict[str, tuple[Incident, int]] = {}  # of runs begun here: the how manyth plan for what it is
        self._tried: dict[str, float] = {}  # monotonic
        self._weighed: dict[str, tuple[int, float]] = {}  # so many statements of a run were looked at, and when
        self._held_back: set[str] = set()  # runs that were tried, and are held back since
        self._polled, self._beaten, self._weighed_at = float("-inf"), float("-inf"), float("-inf")
        self._broken: Exception | None = None
        self.account = Account()

    async def watch(self, stop: asyncio.Event, version: str, patience_seconds: float) -> None:
        """Until `stop` is set; then so long for runs under way. What is left of them is taken up at the next start.

        Raises StoreError where nothing can be kept any more: then nothing may be done.
        """
        floor = self._means.floor
        start = SessionStart(
            session=self._session, version=version, mode=WATCH, nodes=len(floor.frame().specs),
            facts={"playbooks": {playbook.name: playbook.digest for playbook in self._playbooks}},
        )  # fmt: skip
        await self._note(start)
        try:
            while not stop.is_set():
                frame = floor.frame()
                await self.look(frame)
                await self._next(frame, stop)
        finally:
            await self._leave(patience_seconds)
        self._read()
        self.account.waiting += [record.run for record in self._chronicle.open() if self._waits(record)]

    def _waits(self, record: RunRecord) -> bool:
        """Also one that an earlier watch proposed: it is this service's, and nobody else tells of it."""
        plan, waiting = record.plan, record.standing is Standing.WAITING and not record.rejected_by
        if plan is None or not waiting or not self._is_mine(record) or self._means.clock.now() >= plan.expires:
            return False
        return not self._means.approved(plan)

    def _is_mine(self, record: RunRecord) -> bool:
        asked, me = record.who, self._means.who
        return asked is not None and (asked.kind, asked.name) == (me.kind, me.name)

    async def look(self, frame: Frame) -> None:
        """At one frame."""
        self._means.alive()
        if self._broken is not None:
            raise self._broken
        now = self._means.clock.monotonic()
        if now - self._polled >= POLL_SECONDS:
            self._polled = now
            self._refresh()
            self._take_up()
        # before, a plan that drains a node would lack the drain and the jobs, and its cooldown keep the right one away
        for one in self._engine.update(frame) if frame.jobs.asked else ():
            await (self._refrained(one) if isinstance(one, NotDone) else self._begun(one))
        if now - self._weighed_at >= WEIGH_SECONDS:
            self._weighed_at = now
            await self._weigh_anew()
        if now - self._beaten >= HEARTBEAT_SECONDS:
            self._beaten = now
            await self._note(Heartbeat(session=self._session, every=HEARTBEAT_SECONDS))
            self.account.beats += 1

    async def _next(self, frame: Frame, stop: asyncio.Event) -> None:
        waits = [asyncio.create_task(self._means.floor.later(frame)), asyncio.create_task(stop.wait())]
        try:
            await asyncio.wait(waits, timeout=_NO_FRAME_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _leave(self, patience_seconds: float) -> None:
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=patience_seconds)
        left = sum(1 for task in tasks if not task.done())
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        text = f"{left} runs are left to be taken up" if left else ""
        with suppress(StoreError):
            await self._note(SessionStop(session=self._session, text=text))

    # -- what the engine says

    async def _refrained(self, one: NotDone) -> None:
        body = Refused(why=one.why, text=one.text, what=one.playbook, facts={"trigger": one.trigger})
        await self._note(body, tuple(map(told_target, one.targets)))
        self._tell.refrained(one)

    async def _begun(self, incident: Incident, number: int = 1) -> None:
        try:
            plan = self._means.plan_for(incident, self._engine.past)
        except NothingToDo:
            return
        except StoreError:
            raise
        except WatchfloorError as error:
            name, trigger = incident.playbook.name, incident.trigger
            why = "cannot-plan" if isinstance(error, CannotPlan) else "broken"
            await self._refrained(NotDone(name, trigger, why, str(error), incident.targets))
            return
        decision = await self._means.harness.propose(plan)
        self.account.proposed += 1
        self.account.rulings.append(decision.ruling)
        self._tell.proposed(incident, decision)
        if decision.ruling == Ruling.PERMIT:
            self._causes[decision.run] = incident, number
            self._start(decision.run)

    # -- runs

    def _start(self, run: str) -> None:
        self._tried[run] = self._means.clock.monotonic()
        task = asyncio.create_task(self._carried_out(run))
        self._tasks[run] = task
        task.add_done_callback(lambda _: self._tasks.pop(run, None))

    async def _carried_out(self, run: str) -> None:
        incident, number = self._causes.pop(run, (None, 0))
        try:
            result = await self._means.harness.carry_out(run, self._means.who)
            self._refresh()
            if run in self._chronicle.runs:
                self._tell.ended(self._chronicle.runs[run], result)
            if incident is not None and number < MOST_PLANS and self._is_overtaken(incident, result):
                await self._begun(incident, number + 1)
                return
        except Exception as error:
            self._broken = error
            return
        self.account.outcomes.append(result.outcome)
        self.account.refused += [result.why] if result.outcome is Outcome.REFUSED else []

    def _is_overtaken(self, incident: Incident, result: Result) -> bool:
        """The plan was of a moment ago, as where the processes of a node became known just then: what it was made for
        is as urgent as before, as long as it is fresh."""
        age = self._means.clock.now() - (incident.began or incident.seen_at)
        fresh = age <= incident.playbook.guards.fresh_seconds
        return fresh and result.outcome is Outcome.REFUSED and result.why == "moved"

    def _take_up(self) -> None:
        """Runs that were approved meanwhile, were left behind, or are too old to be begun."""
        for record in self._chronicle.open():
            if record.run not in self._tasks and self._may_take_up(record):
                self._start(record.run)

    def _may_take_up(self, record: RunRecord) -> bool:
        now, plan = self._means.clock.now(), record.plan
        if plan is None or self._means.held(record.run) or self._rests(record, plan):
            return False
        if record.standing is Standing.RUNNING or (not record.begun and now >= plan.expires):
            return True
        if not self._within(plan) or self._means.harness.unread(record, plan):
            return False
        if record.standing is Standing.READY:
            return now - record.proposed > LEASE_SECONDS
        return record.standing is Standing.WAITING and self._approved(record, plan)

    def _within(self, plan: Plan) -> bool:
        """Whether it may begin at this time of day; what has begun comes to its end whenever that is."""
        guards = self._guards.get(plan.playbook)
        return guards is None or within(guards.windows, self._means.clock.now(), self._zone)

    def _rests(self, record: RunRecord, plan: Plan) -> bool:
        """Whether it was tried a short while ago, in which case it waits, but for this: what held it back by then does
        so no more, which counts once for every time that it did."""
        since = self._means.clock.monotonic() - self._tried.get(record.run, float("-inf"))
        if since >= AGAIN_SECONDS or record.begun:
            return since < AGAIN_SECONDS
        if self._means.harness.weigh(plan).held or self._means.harness.unread(record, plan):
            self._held_back.add(record.run)
        elif record.run in self._held_back:
            self._held_back.discard(record.run)
            return False
        return True

    def _approved(self, record: RunRecord, plan: Plan) -> bool:
        """Signatures are looked at when there is a new one, after a try that was held back, and now and then: what
        policy asks for hangs on the fleet, too."""
        now, seen = self._means.clock.monotonic(), len(record.given)
        count, at = self._weighed.get(record.run, (0, 0.0))
        if count == seen and now - at < COUNT_SECONDS and record.run not in self._tried:
            return False
        self._weighed[record.run] = seen, now
        return bool(record.given) and self._means.approved(plan)

    # -- what an interlock holds back

    async def _weigh_anew(self) -> None:
        """An interlock may let go within seconds: of a node that was silent, a lease, another node that returned."""
        newest = {held.run for held in self._engine.past.held.values()}
        for record in self._chronicle.open():
            if record.run in newest and self._still_counts(record):
                decision = await self._means.harness.weigh_anew(record.run)
                if decision is not None:
                    self._freed(decision)

    def _still_counts(self, record: RunRecord) -> bool:
        """What led to it is fresh, as the playbook says; or persons have signed for it, who know how old it is."""
        plan = record.plan
        if plan is None or record.begun or not self._within(plan):
            return False
        if record.given:
            return self._means.approved(plan)
        guards = self._guards.get(plan.playbook)
        began = float(plan.origin.samples.get("began", record.proposed))
        return guards is not None and self._is_mine(record) and self._means.clock.now() - began <= guards.fresh_seconds

    def _freed(self, decision: Decision) -> None:
        if INTERLOCKED in self.account.rulings:
            self.account.rulings.remove(INTERLOCKED)
        self.account.rulings.append(decision.ruling)
        self._tell.freed(decision)
        self._refresh()
        if decision.ruling == Ruling.PERMIT:
            self._start(decision.run)

    # -- the ledger

    def _read(self) -> bool:
        with self._means.reader() as reader:
            return reader is not None and self._chronicle.read(reader)

    def _refresh(self) -> None:
        """What the ledger has, the triggers are to know: whoever reads it last."""
        if self._read():
            self._engine.past = self._chronicle.past()

    async def _note(self, body: Body, subjects: Sequence[str] = ()) -> None:
        await self._means.keep(Note(self._means.who, body, tuple(subjects)))
