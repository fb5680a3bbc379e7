"""Carries out the steps of a plan, one after the other: recheck, intent, apply, observe, verify, undo.

The ledger is the only memory: an intent is on disk before its act, so that a run which was killed at any instant goes
on from what its entries say, and repeats no act. Only `agents/harness.py` makes a runner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import msgspec

from agents.action import Action, done_in_order
from agents.conditions import holds
from agents.undone import Undone
from watchfloor.change import Deed, Done, Effect, Outcome, Plan, Seen, Step
from watchfloor.errors import HandsError, WatchfloorError
from watchfloor.ports import Clock, Floor, Hands
from watchfloor.records.ledgerentry import Note, Who
from watchfloor.records.ledgerwords import Applied, Body, Intent, Refused, Verified, output
from watchfloor.runs import Attempt, RunRecord, StepRecord, StepState, state_after

_SETTLED = (StepState.VERIFIED, StepState.SKIPPED, StepState.FAILED, StepState.UNVERIFIED)
_LOOK_SECONDS = 1.0  # between two looks at whether something took effect

Keep = Callable[[Note], Awaitable[None]]
Recheck = Callable[[Step], str]  # why a step must not be done now, on the newest frame


class Held(WatchfloorError):
    """A step that must not be done now: `why` is a word for the ledger."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


@dataclass(frozen=True, slots=True)
class World:
    """What the runner acts with, all of it given."""

    actions: Mapping[str, Action]
    hands: Hands
    floor: Floor
    clock: Clock
    keep: Keep
    recheck: Recheck
    may_not_undo: Callable[[], str]  # why nothing may be undone now
    turn: Callable[[], AbstractAsyncContextManager[None]]  # in which an act is rechecked, and its intent put on disk
    rebooted: Callable[[Step], bool]  # its node has forgotten what it kept, since the plan was made


@dataclass(frozen=True, slots=True)
class Result:
    """`why`: of a refusal, the word that the ledger has for it."""

    outcome: Outcome
    text: str
    why: str = ""


class Runner:
    """One run. `who` carries it out: the entries of what was done are theirs."""

    def __init__(self, record: RunRecord, plan: Plan, who: Who, world: World) -> None:
        self._run, self._plan, self._who, self._world = record, plan, who, world
        self._states: dict[str, StepRecord] = dict(record.steps)

    async def run(self) -> Result:
        """From wherever its entries say that it stands. Raises StoreError where the ledger can't be written."""
        if any(record.last is not None and record.last.undo for record in self._states.values()):
            undone = await self._undone()
            return Result(Outcome.FAILED if undone.left else Outcome.ROLLED_BACK, f"after a stop{undone.text}")
        for number, step in enumerate(self._plan.steps):
            try:
                state = await self._step(number, step)
            except Held as held:
                return await self._held(step, held)
            if state not in (StepState.VERIFIED, StepState.SKIPPED) and not step.optional:
                return await self._ended_badly(step, state)
        return Result(Outcome.SUCCEEDED, self._told_of_success())

    def _told_of_success(self) -> str:
        done = sum(1 for step in self._plan.steps if self._state(step.key) is StepState.VERIFIED)
        text = f"{done} of {len(self._plan.steps)} steps done and seen to have taken effect"
        missed = [f"{step.key}: {record.text}" for step in self._plan.steps if (record := self._missed(step))]
        return f"{text}; without {'; '.join(missed)}" if missed else text

    def _missed(self, step: Step) -> StepRecord | None:
        """What became of an optional step that came to nothing."""
        record = self._states.get(step.key)
        return record if record is not None and record.state in (StepState.FAILED, StepState.UNVERIFIED) else None

    async def _held(self, step: Step, held: Held) -> Result:
        """Nothing more is begun. What was done before is undone where the plan says so."""
        await self._note(step, Refused(why=held.why, text=held.message, what=step.key))
        begun = [key for key, record in self._states.items() if record.attempts]
        if not begun:
            return Result(Outcome.REFUSED, held.message, held.why)
        undone = await self._undone() if self._plan.rollback else Undone()
        if undone.whole:
            return Result(Outcome.ROLLED_BACK, held.message + undone.text)
        text = f"{held.message}; done before: {', '.join(begun)}{undone.text}"
        return Result(Outcome.ABANDONED, text, held.why)

    # -- one step

    async def _step(self, number: int, step: Step) -> StepState:
        record = self._states.get(step.key, StepRecord(step.key))
        if record.state in _SETTLED:
            return record.state
        if step.action not in self._world.actions:
            raise Held("interlocked", f"{step.key}: there is no action {step.action} any more")
        if missing := [name for name in step.needs if self._state(name) is not StepState.VERIFIED]:
            return await self._seen(step, "skipped", f"{', '.join(missing)} was not done")
        if record.last is not None:
            return await self._resumed(step, record.last)
        if not await self._wanted(step):
            return await self._seen(step, "skipped", f"{step.only_if} doesn't hold")
        return await self._tried(number, step)

    async def _wanted(self, step: Step) -> bool:
        """Waits for what the step waits for. Raises Held where that doesn't come."""
        floor, clock = self._world.floor, self._world.clock
        frame, until = floor.frame(), clock.monotonic() + step.wait_seconds
        while step.wait and not holds(step.wait, frame, step.target.subject):
            left = until - clock.monotonic()
            if left <= 0:
                raise Held("waited", f"{step.key}: {step.wait} did not come within {step.wait_seconds:g} s")
            try:
                async with asyncio.timeout(left):
                    frame = await floor.later(frame)
            except TimeoutError:
                continue
        return not step.only_if or holds(step.only_if, frame, step.target.subject)

    async def _tried(self, number: int, step: Step) -> StepState:
        """As often as the step may be tried. Only what is transient is tried again, and nothing that began to act."""
        for attempt in range(1, max(1, step.attempts) + 1):
            operation = f"{self._run.run}-{number}-{attempt}"
            async with self._world.turn():
                self._may(step)
                await self._intend(step, operation, attempt)
            done = await self._applied(step, operation, attempt)
            if not (done and done[-1].transient and len(done) == 1 and attempt < step.attempts):
                return await self._judged(step, done)
        raise AssertionError("the last attempt has returned")

    def _may(self, step: Step) -> None:
        """Raises Held."""
        if why := self._world.recheck(step):
            raise Held("interlocked", f"{step.key}: {why}")

    async def _judged(self, step: Step, done: Sequence[Done]) -> StepState:
        """A first deed that failed is no effect; where nobody knows how it ended, the world is asked."""
        if done and done[-1].exit_code is not None and not done[-1].ok:
            return await self._failed(step, len(done) - 1, _words(done[-1]))
        return await self._verified(step, bool(done) and done[-1].ok)

    async def _failed(self, step: Step, well: int, text: str) -> StepState:
        """`well`: so many deeds before the one that failed were done, and may have changed something."""
        if not well:
            return await self._seen(step, Effect.NONE, text)
        seen = await self._observed(self._world.actions[step.action], step)
        if seen.effect is Effect.TOOK:
            return await self._seen(step, Effect.TOOK, seen.text, seen)
        text = f"{well} of {len(step.deeds)} commands were done, and the next was not: {text}"
        return await self._seen(step, Effect.UNKNOWN, text, seen)

    async def _intend(self, step: Step, operation: str, attempt: int, undo: bool = False) -> None:
        deeds = step.undo if undo else step.deeds
        told = [word for deed in deeds[:1] for word in getattr(deed, "words", (deed.__class__.__name__,))]
        facts = {"undo": True} if undo else {"risk": int(step.risk), "heals": step.heals}
        body = Intent(
            step=step.key,
            action=step.action,
            argv=list(told),
            operation=operation,
            attempt=attempt,
            parameters=dict(step.parameters),
            before=dict(step.before),
            facts=facts,
        )
        await self._note(step, body)
        made = Attempt(operation, attempt, self._world.clock.now(), undo)
        record = self._states.get(step.key, StepRecord(step.key))
        self._states[step.key] = StepRecord(step.key, StepState.BEGUN, (*record.attempts, made))

    async def _applied(self, step: Step, operation: str, attempt: int, known: int = 0) -> Sequence[Done]:
        """`known`: so many deeds are on record already, from before a stop."""
        action = self._world.actions[step.action]
        try:
            async with asyncio.timeout(step.timeout_seconds):
                done = list(await action.apply(step, self._world.hands, operation))
        except TimeoutError:
            done = _cut_off(known, Done(None, stderr=f"no answer within {step.timeout_seconds:g} s"), operation)
        except HandsError as error:
            done = _cut_off(known, Done(1, stderr=str(error), transient=error.transient), operation)
        except Exception as error:  # likewise; what it had begun by then, nobody knows
            wrong = f"{step.action} failed: {type(error).__name__}: {error}"
            done = _cut_off(known, Done(None, stderr=wrong), operation)
        await self._tell(step, done[known:], attempt, first=known)
        return done

    async def _tell(
        self, step: Step, done: Sequence[Done], attempt: int, first: int = 0, deeds: Sequence[Deed] | None = None
    ) -> None:
        """Put on record what came of these deeds, of which the first has this place in the step."""
        deeds = step.deeds if deeds is None else deeds
        for place, result in enumerate(done, first):
            argv = getattr(deeds[place], "words", ()) if place < len(deeds) else ()
            body = Applied(
                step=step.key,
                action=step.action,
                argv=list(argv),
                exit_code=result.exit_code,
                seconds=result.seconds,
                output=output(result.stdout) if result.stdout else None,
                errors=output(result.stderr) if result.stderr else None,
                operation=result.operation,
                attempt=attempt,
            )
            await self._note(step, body)

    async def _verified(self, step: Step, ended: bool) -> StepState:
        """Look until the change is seen, for as long as the step gives it. `ended`: every deed is known to be done."""
        action, world = self._world.actions[step.action], self._world
        until = world.clock.monotonic() + step.verify_seconds
        while True:
            seen = await self._observed(action, step)
            if seen.effect is Effect.TOOK:
                return await self._seen(step, Effect.TOOK, seen.text, seen)
            if seen.effect is Effect.UNKNOWN and action.traceless and ended:
                return await self._seen(
                    step, Effect.TOOK, seen.text or "it ended well, and leaves nothing to see", seen
                )
            left = until - world.clock.monotonic()
            if left <= 0:
                return await self._seen(step, Effect.UNKNOWN, seen.text or "it was not seen to take effect", seen)
            await self._a_while(min(_LOOK_SECONDS, left))

    async def _observed(self, action: Action, step: Step) -> Seen:
        try:
            return await action.observe(step, self._world.hands, self._world.floor)
        except HandsError as error:
            return Seen(Effect.UNKNOWN, str(error))
        except Exception as error:  # an action that is wrong must not end the console, and with it all other runs
            return Seen(Effect.UNKNOWN, f"{step.action} couldn't look: {type(error).__name__}: {error}")

    async def _a_while(self, seconds: float) -> None:
        """Until the next frame, at most so long: what is looked for may be in it."""
        self._world.floor.ask_anew()
        try:
            async with asyncio.timeout(seconds):
                await self._world.floor.later(self._world.floor.frame())
        except TimeoutError:
            return

    # -- after a stop

    async def _resumed(self, step: Step, last: Attempt) -> StepState:
        """It was begun before. What came of it is asked of the place, then of the world.

        Only what the place never heard of is done, under the same operation: what it has begun, it won't do again.
        """
        told = await self._recalled(step, last)
        await self._tell(step, told, last.number, first=len(last.applied))
        done = [*(applied.exit_code for applied in last.applied), *(result.exit_code for result in told)]
        if done and done[-1] not in (0, None):
            return await self._failed(step, len(done) - 1, f"it had ended with exit code {done[-1]} before the stop")
        seen = await self._observed(self._world.actions[step.action], step)
        if seen.effect is Effect.TOOK:
            return await self._seen(step, Effect.TOOK, f"after a stop: {seen.text}", seen)
        if len(done) < len(step.deeds) and None not in done and not self._world.rebooted(step):
            self._may(step)
            return await self._judged(step, await self._applied(step, last.operation, last.number, len(done)))
        return await self._verified(step, len(done) == len(step.deeds) and set(done) == {0})

    async def _recalled(self, step: Step, last: Attempt) -> list[Done]:
        """What the places say of the deeds of an attempt that are not on record; nobody knows where one is silent."""
        found: list[Done] = []
        for place, deed in enumerate(step.deeds[len(last.applied) :], len(last.applied)):
            name = f"{last.operation}.{place}"
            try:
                done = await self._world.hands.recall(deed, name)
            except HandsError as error:
                done = Done(None, stderr=str(error))
            if done is None:
                break
            found.append(msgspec.structs.replace(done, operation=name))
            if not done.ok:
                break
        return found

    # -- the end

    async def _ended_badly(self, step: Step, state: StepState) -> Result:
        text = f"{step.key}: {self._states[step.key].text or state}"
        undone = await self._undone() if self._plan.rollback else Undone()
        if undone.whole:
            return Result(Outcome.ROLLED_BACK, text + undone.text)
        outcome = Outcome.UNVERIFIED if state is StepState.UNVERIFIED else Outcome.FAILED
        return Result(outcome, text + undone.text)

    async def _undone(self) -> Undone:
        """What took effect is undone, the last first."""
        left: list[str] = []
        for number, step in reversed(list(enumerate(self._plan.steps))):
            record = self._states.get(step.key)
            if record is None or not step.undo or not _to_undo(record):
                continue
            if why := await self._not_to_undo(step, record) or await self._undo(number, step):
                left.append(f"{step.key} ({why})")
        states = self._states.items()
        return Undone([key for key, record in states if record.state is StepState.UNDONE], left)

    async def _not_to_undo(self, step: Step, record: StepRecord) -> str:
        """Why it is left as it is: what somebody else changed since is theirs."""
        if why := self._world.may_not_undo():
            return why
        if record.last is not None and record.last.undo:
            return ""
        if step.action not in self._world.actions:
            return f"there is no action {step.action} any more"
        seen = await self._observed(self._world.actions[step.action], step)
        if record.state is StepState.UNVERIFIED and seen.effect is not Effect.TOOK:
            return f"it is not known whether it took effect: {seen.text}"
        return "" if seen.effect is Effect.TOOK else f"it is no longer as this run made it: {seen.text}"

    async def _undo(self, number: int, step: Step) -> str:
        """What went wrong, "" where nothing did."""
        operation = f"{self._run.run}-{number}-undo"
        await self._intend(step, operation, 1, undo=True)
        try:
            async with asyncio.timeout(step.timeout_seconds):
                done = await done_in_order(step.undo, self._world.hands, operation)
        except TimeoutError:
            done = [Done(None, stderr=f"no answer within {step.timeout_seconds:g} s", operation=operation)]
        except HandsError as error:
            done = [Done(1, stderr=str(error), operation=operation)]
        await self._tell(step, done, 1, deeds=step.undo)
        wrong = "" if done[-1].ok else _words(done[-1])
        await self._seen(step, Effect.NONE if wrong else Effect.TOOK, wrong or "undone")
        return wrong

    # -- the ledger

    async def _seen(self, step: Step, result: str, text: str, seen: Seen | None = None) -> StepState:
        after = dict(seen.facts) if seen is not None else {}
        await self._note(step, Verified(step=step.key, result=str(result), text=text, after=after))
        record = self._states.get(step.key, StepRecord(step.key))
        state = state_after(str(result), record)
        self._states[step.key] = StepRecord(step.key, state, record.attempts, text)
        await self._forgotten(step, record)
        return state

    async def _forgotten(self, step: Step, record: StepRecord) -> None:
        """What became of the step is on record: the places need not keep what came of its deeds any more."""
        for attempt in record.attempts:
            for place, deed in enumerate(step.undo if attempt.undo else step.deeds):
                await self._world.hands.acknowledge(deed, f"{attempt.operation}.{place}")

    async def _note(self, step: Step, body: Body) -> None:
        target = step.target
        subject = f"{target.scope}:{target}"
        node = (f"node:{target.node}",) if target.node and target.scope != "node" else ()
        await self._world.keep(Note(self._who, body, (subject, *node), self._run.run, self._run.digest))

    def _state(self, key: str) -> StepState:
        return self._states[key].state if key in self._states else StepState.WAITING


def _to_undo(record: StepRecord) -> bool:
    """It took effect, or may have, or its undoing was begun before a stop: the same operation is not done twice."""
    begun = record.last is not None and record.last.undo and record.state is not StepState.UNDONE
    return record.state in (StepState.VERIFIED, StepState.UNVERIFIED) or begun


def _cut_off(known: int, end: Done, operation: str) -> list[Done]:
    """An end that came from elsewhere, behind the deeds that are on record."""
    return [*[Done(0)] * known, msgspec.structs.replace(end, operation=operation)]


def _words(done: Done) -> str:
    said = (done.stderr or done.stdout).strip().splitlines()
    return f"exit code {done.exit_code}: {said[-1][:200]}" if said else f"exit code {done.exit_code}"
