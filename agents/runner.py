"""Carries out a plan: its steps one after the other, or as many side by side as the plan says; undoes what was done.

The ledger is the only memory: an intent is on disk before its act, so that a run which was killed at any instant goes
on from what its entries say, and repeats no act. Only `agents/harness.py` makes a runner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agents.abreast import awaited, next_steps
from agents.carrying import STOPPED, Halted, Held, Result, World
from agents.stepping import SETTLED, Stepping
from agents.undone import Undone
from watchfloor.change import Effect, Outcome, Plan, Step
from watchfloor.records.ledgerentry import Who
from watchfloor.runs import RunRecord, StepRecord, StepState

_WELL = (StepState.VERIFIED, StepState.SKIPPED)


@dataclass(frozen=True, slots=True)
class _End:
    """A step after which nothing more is begun. `held`: why it wasn't done; None: it was, and ended badly."""

    step: Step
    state: StepState = StepState.WAITING
    held: Held | None = None


class Runner:
    """One run. `who` carries it out: the entries of what was done are theirs."""

    def __init__(self, record: RunRecord, plan: Plan, who: Who, world: World) -> None:
        self._run, self._plan, self._world = record.run, plan, world
        self._steps = Stepping(record, who, world)
        self._waits = awaited(plan.steps)
        self._over: set[int] = set()  # places of steps that need no more looking after
        self._ends: list[_End] = []

    async def run(self) -> Result:
        """From wherever its entries say that it stands. Raises StoreError where the ledger can't be written."""
        try:
            if any(record.last is not None and record.last.undo for record in self._steps.states.values()):
                undone = await self._undone()
                return Result(Outcome.FAILED if undone.left else Outcome.ROLLED_BACK, f"after a stop{undone.text}")
            self._remember()
            await self._all()
            return await self._ended()
        except Held as held:  # everything is stopped
            return Result(Outcome.REFUSED, self._told_of_stop(held), held.why)

    # -- side by side

    def _remember(self) -> None:
        """What ended badly before a stop lets nothing new begin after it."""
        for step in self._plan.steps:
            state = self._steps.state(step.key)
            if state in SETTLED and state not in _WELL and not step.optional:
                self._ended_with(_End(step, state))

    async def _all(self) -> None:
        """Until everything is over, or something ended badly: what is under way then comes to its end."""
        running: dict[asyncio.Task[None], int] = {}
        try:
            while True:
                for place in self._next(set(running.values())):
                    running[asyncio.create_task(self._one(place))] = place
                if not running:
                    return
                ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    self._over.add(running.pop(task))
                    task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _next(self, running: set[int]) -> list[int]:
        """What was begun before a stop goes first; where something ended badly, nothing else goes on."""
        left = [place for place in range(len(self._plan.steps)) if place not in self._over and place not in running]
        begun = [place for place in left if self._is_begun(place)]
        others = [] if self._steps.halted else [place for place in left if place not in begun]
        over = self._over | {place for place in left if self._steps.state(self._plan.steps[place].key) in SETTLED}
        return next_steps(self._waits, over, [*begun, *others], self._plan.side_by_side - len(running))

    def _is_begun(self, place: int) -> bool:
        record = self._steps.record(self._plan.steps[place].key)
        return record.last is not None and record.state not in SETTLED

    async def _one(self, place: int) -> None:
        step = self._plan.steps[place]
        try:
            state = await self._steps.carried(place, step)
        except Held as held:
            await self._steps.refused(step, held)
            self._ended_with(_End(step, held=held))
        except Halted:
            return
        else:
            if state not in _WELL and not step.optional:
                self._ended_with(_End(step, state))

    def _ended_with(self, end: _End) -> None:
        self._steps.halted = True
        self._ends.append(end)

    # -- the end

    async def _ended(self) -> Result:
        """By what came first; that everything is stopped counts only where nothing else is the matter."""
        if not self._ends:
            return Result(Outcome.SUCCEEDED, self._told_of_success())
        stops = [end.held for end in self._ends if end.held is not None and end.held.why == STOPPED]
        others = [end for end in self._ends if end.held not in stops]
        if not others:
            raise stops[0]
        first = others[0]
        text = "; ".join(self._told_of(end) for end in others)
        return await (self._ended_badly(first, text) if first.held is None else self._held(first.held, text))

    def _told_of(self, end: _End) -> str:
        if end.held is not None:
            return end.held.message
        return f"{end.step.key}: {self._steps.record(end.step.key).text or end.state}"

    async def _ended_badly(self, end: _End, text: str) -> Result:
        undone = await self._undone() if self._plan.rollback else Undone()
        if undone.whole:
            return Result(Outcome.ROLLED_BACK, text + undone.text)
        outcome = Outcome.UNVERIFIED if end.state is StepState.UNVERIFIED else Outcome.FAILED
        return Result(outcome, text + undone.text)

    async def _held(self, held: Held, text: str) -> Result:
        """Nothing more is begun. What was done before is undone where the plan says so."""
        begun = self._begun()
        if not begun:
            return Result(Outcome.REFUSED, text, held.why)
        undone = await self._undone() if self._plan.rollback else Undone()
        if undone.whole:
            return Result(Outcome.ROLLED_BACK, text + undone.text)
        return Result(Outcome.ABANDONED, f"{text}; done before: {', '.join(begun)}{undone.text}", held.why)

    def _begun(self) -> list[str]:
        return [key for key, record in self._steps.states.items() if record.attempts]

    def _told_of_stop(self, held: Held) -> str:
        begun = self._begun()
        if not begun:
            return held.message
        goes_on = f"after `watchfloor resume`, `watchfloor run {self._run} --apply` goes on with it"
        return f"{held.message}; done before: {', '.join(begun)}; {goes_on}"

    def _told_of_success(self) -> str:
        steps = self._plan.steps
        done = [step for step in steps if self._steps.state(step.key) is StepState.VERIFIED]
        text = f"{len(done)} of {len(steps)} steps done{self._told_of_seen(done)}"
        missed = [f"{record.key}: {record.text}" for record in self._missed()]
        return f"{text}; without {'; '.join(missed)}" if missed else text

    def _told_of_seen(self, done: Sequence[Step]) -> str:
        """A message that was sent isn't told as seen: its end is the word that counts."""
        actions = self._world.actions
        traceless = dict.fromkeys(
            step.action for step in done if step.action in actions and actions[step.action].traceless
        )
        if not traceless:
            return " and seen to have taken effect"
        rest = any(step.action not in traceless for step in done)
        others = ", and those that can be looked at seen to have taken effect" if rest else ""
        return f"{others}; of {', '.join(traceless)} it may only be known that it ended well"

    def _missed(self) -> Iterable[StepRecord]:
        """Optional steps that came to nothing."""
        records = (self._steps.record(step.key) for step in self._plan.steps)
        return (record for record in records if record.state in (StepState.FAILED, StepState.UNVERIFIED))

    # -- undoing

    async def _undone(self) -> Undone:
        """What took effect is undone, what was begun last first. Raises Held where everything is stopped."""
        left: list[str] = []
        places = {step.key: place for place, step in enumerate(self._plan.steps)}
        for key, record in reversed(list(self._steps.states.items())):
            step = self._plan.steps[places[key]]
            if not step.undo or not _to_undo(record):
                continue
            if why := self._world.stopped():
                held = Held(STOPPED, f"{key} is not undone yet: everything is stopped: {why}")
                await self._steps.refused(step, held)
                raise held
            if why := await self._not_to_undo(step, record) or await self._steps.undone(places[key], step):
                left.append(f"{key} ({why})")
        states = self._steps.states.items()
        return Undone([key for key, record in states if record.state is StepState.UNDONE], left)

    async def _not_to_undo(self, step: Step, record: StepRecord) -> str:
        """Why it is left as it is: what somebody else changed since is theirs."""
        if why := self._world.may_not_undo():
            return why
        if record.last is not None and record.last.undo:
            return ""
        if step.action not in self._world.actions:
            return f"there is no action {step.action} any more"
        seen = await self._steps.observed(step)
        if record.state is StepState.UNVERIFIED and seen.effect is not Effect.TOOK:
            return f"it is not known whether it took effect: {seen.text}"
        return "" if seen.effect is Effect.TOOK else f"it is no longer as this run made it: {seen.text}"


def _to_undo(record: StepRecord) -> bool:
    """It took effect, or may have, or its undoing was begun before a stop: the same operation is not done twice."""
    begun = record.last is not None and record.last.undo and record.state is not StepState.UNDONE
    return record.state in (StepState.VERIFIED, StepState.UNVERIFIED) or begun
