"""Carries out one step of a plan: recheck, intent, apply, observe, verify; after a stop from where its entries say.

An intent is on disk before its act, so that a run which was killed at any instant repeats none. Which step is when is
for `agents/runner.py`, the only one that has these made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from agents.action import done_in_order, preparing
from agents.carrying import STOPPED, Halted, Held, World
from agents.conditions import holds
from watchfloor.change import Deed, Done, Effect, On, Request, Seen, Step
from watchfloor.errors import HandsError
from watchfloor.ports import Hands
from watchfloor.records.ledgerentry import Note, Who
from watchfloor.records.ledgerwords import Applied, Body, Intent, Refused, Verified, output
from watchfloor.runs import Attempt, RunRecord, StepRecord, StepState, state_after

SETTLED = (StepState.VERIFIED, StepState.SKIPPED, StepState.FAILED, StepState.UNVERIFIED)
_LOOK_SECONDS = 1.0  # between two looks at whether something took effect
_PASSED_SECONDS = 200.0  # room that was made has passed by itself by then: no probe lets go of a driver for longer
_TOLD_SECONDS = 15.0  # and what it hid is told anew by then


class Stepping:
    """The steps of one run. `who` carries it out: the entries of what was done are theirs.

    `states`: what became of each, in the order in which they were begun.
    """

    def __init__(self, record: RunRecord, who: Who, world: World) -> None:
        self._run, self._who, self._world = record, who, world
        self.states: dict[str, StepRecord] = dict(record.steps)
        self.halted = False  # nothing is begun any more

    def state(self, key: str) -> StepState:
        return self.record(key).state

    def record(self, key: str) -> StepRecord:
        return self.states.get(key, StepRecord(key))

    async def carried(self, number: int, step: Step) -> StepState:
        """To its end, from wherever it stands; `number`: its place in the plan. Raises Held, Halted."""
        record = self.record(step.key)
        if record.state in SETTLED:
            return record.state
        if step.action not in self._world.actions:
            raise Held("interlocked", f"{step.key}: there is no action {step.action} any more")
        if missing := [name for name in step.needs if self.state(name) is not StepState.VERIFIED]:
            return await self._seen(step, "skipped", f"{', '.join(missing)} was not done")
        if record.last is not None:
            return await self._resumed(step, record.last)
        if not await self._wanted(step):
            return await self._seen(step, "skipped", f"{step.only_if} doesn't hold")
        return await self._tried(number, step)

    async def refused(self, step: Step, held: Held) -> None:
        """Put on record why it isn't done."""
        await self._note(step, Refused(why=held.why, text=held.message, what=step.key, facts=held.facts))

    async def _wanted(self, step: Step) -> bool:
        """Waits for what the step waits for. Raises Held where that doesn't come."""
        floor, clock = self._world.floor, self._world.clock
        frame, until = floor.frame(), clock.monotonic() + step.wait_seconds
        while step.wait and not holds(step.wait, frame, step.target.subject):
            self._go_on(step)
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
                facts = await self._may(step)
                await self._intend(step, operation, attempt, {"risk": int(step.risk), "heals": step.heals, **facts})
            done = await self._applied(step, operation, attempt)
            if not (done and done[-1].transient and len(done) == 1 and attempt < step.attempts):
                return await self._judged(step, done)
        raise AssertionError("the last attempt has returned")

    def _go_on(self, step: Step) -> None:
        """Raises Halted."""
        if self.halted:
            raise Halted(f"{step.key}: nothing is begun any more")

    async def _may(self, step: Step) -> Mapping[str, Any]:
        """What decided that it may be done. Raises Held, Halted."""
        self._go_on(step)
        if why := self._world.stopped():
            raise Held(STOPPED, f"{step.key}: everything is stopped: {why}")
        leave = await self._world.recheck(step)
        if leave.why is not None:
            raise Held(leave.why[0], f"{step.key}: {leave.why[1]}", leave.facts)
        return leave.facts

    async def _judged(self, step: Step, done: Sequence[Done]) -> StepState:
        """A first deed that failed is no effect; where nobody knows how it ended, the world is asked. What follows one
        that failed has only tidied up."""
        bad = _first_bad([result.exit_code for result in done])
        if bad is not None and done[bad].exit_code is not None:
            return await self._failed(step, bad, _words(done[bad]))
        return await self._verified(step, bool(done) and bad is None)

    async def _failed(self, step: Step, well: int, text: str) -> StepState:
        """`well`: so many deeds before the one that failed were done, and may have changed something."""
        if well <= preparing(self._world.actions[step.action]):
            return await self._seen(step, Effect.NONE, text)
        seen = await self.observed(step)
        if seen.effect is Effect.TOOK:
            return await self._seen(step, Effect.TOOK, seen.text, seen)
        text = f"{well} of {len(step.deeds)} commands were done, and the next was not: {text}"
        return await self._seen(step, Effect.UNKNOWN, text, seen)

    async def _intend(self, step: Step, operation: str, attempt: int, facts: Mapping[str, Any]) -> None:
        undo = bool(facts.get("undo"))
        deeds = step.undo if undo else step.deeds
        told = [word for deed in deeds[:1] for word in deed.words]
        body = Intent(
            step=step.key,
            action=step.action,
            argv=list(told),
            operation=operation,
            attempt=attempt,
            parameters=dict(step.parameters),
            before=dict(step.before),
            facts={**facts, "notes": self._world.notes},
        )
        await self._note(step, body)
        made = Attempt(operation, attempt, self._world.clock.now(), undo, self._world.notes)
        record = self.record(step.key)
        self.states[step.key] = StepRecord(step.key, StepState.BEGUN, (*record.attempts, made))

    async def _applied(
        self, step: Step, operation: str, attempt: int, known: int = 0, anew: Sequence[Done] = ()
    ) -> Sequence[Done]:
        """`known`: so many deeds are on record already, from before a stop; `anew`: what came of the first of them
        since."""
        again = {f"{operation}.{place}": done for place, done in enumerate(anew[:known])}
        world = replace(self._world, hands=_Anew(self._world.hands, again)) if again else self._world
        doing = world.actions[step.action].apply(step, world.hands, operation)
        done = await _done(step, doing, operation, known)
        await self._tell(step, done[known:], attempt, first=known)
        return done

    async def _tell(
        self, step: Step, done: Sequence[Done], attempt: int, first: int = 0, deeds: Sequence[Deed] | None = None
    ) -> None:
        """Put on record what came of these deeds, of which the first has this place in the step."""
        deeds = step.deeds if deeds is None else deeds
        for place, result in enumerate(done, first):
            argv = deeds[place].words if place < len(deeds) else ()
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
            seen = await self.observed(step)
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

    async def observed(self, step: Step) -> Seen:
        """Whether it took effect. Never raises for what happens there."""
        try:
            return await self._world.actions[step.action].observe(step, self._world.hands, self._world.floor)
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

        Only what the place never heard of is done, under the same operation: what it has begun, it won't do again. Room
        that was made for it may have passed meanwhile, and is made again.
        """
        told = await self._recalled(step, last)
        await self._tell(step, told, last.number, first=len(last.applied))
        done = [*(applied.exit_code for applied in last.applied), *(result.exit_code for result in told)]
        bad = _first_bad(done)
        if bad is not None and done[bad] is not None:
            return await self._failed(step, bad, f"it had ended with exit code {done[bad]} before the stop")
        seen = await self.observed(step)
        if seen.effect is Effect.TOOK:
            return await self._seen(step, Effect.TOOK, f"after a stop: {seen.text}", seen)
        if len(done) < len(step.deeds) and None not in done and not self._world.rebooted(step):
            room = 0 < len(done) <= preparing(self._world.actions[step.action])
            await (self._may_once_told(step) if room else self._may(step))
            anew = await self._prepared_anew(step, last) if room else ()
            if anew and not anew[-1].ok:
                return await self._failed(step, len(anew) - 1, _words(anew[-1]))
            return await self._judged(step, await self._applied(step, last.operation, last.number, len(done), anew))
        return await self._verified(step, len(done) == len(step.deeds) and set(done) == {0})

    async def _may_once_told(self, step: Step) -> None:
        """As `_may`. Room that was made before the stop may hide what is looked at: that it passes is waited for."""
        clock = self._world.clock
        told_by = clock.monotonic()
        longest = told_by + _PASSED_SECONDS
        while True:
            now = clock.monotonic()
            if self._is_paused(step):
                told_by = min(now + _TOLD_SECONDS, longest)
            try:
                await self._may(step)
            except Held as held:
                if held.why == STOPPED or now >= told_by:
                    raise
            else:
                return
            await self._a_while(_LOOK_SECONDS)

    def _is_paused(self, step: Step) -> bool:
        frame = self._world.floor.frame()
        node = frame.node_index.get(step.target.node)
        return node is not None and frame.detail[node].is_paused

    async def _prepared_anew(self, step: Step, last: Attempt) -> Sequence[Done]:
        """What only makes room, once more, under a name that its place has never heard. What it makes room for keeps
        its own: a line of the console that stopped may be on its way yet."""
        deeds, hands, number = step.deeds[: preparing(self._world.actions[step.action])], self._world.hands, 1
        try:
            while await hands.recall(deeds[0], f"{last.operation}-anew{number}.0") is not None:
                number += 1
        except Exception as error:  # whatever it is, a run that was begun comes to an end that is on record
            return [Done(1, stderr=str(error))]
        operation = f"{last.operation}-anew{number}"
        done = await _done(step, done_in_order(deeds, hands, operation), operation)
        await self._tell(step, done, last.number)
        for place, deed in enumerate(deeds[: len(done)]):
            await hands.acknowledge(deed, f"{operation}.{place}")
        return done

    async def _recalled(self, step: Step, last: Attempt) -> list[Done]:
        """What the places say of the deeds of an attempt that are not on record; nobody knows where one is silent."""
        found: list[Done] = []
        for place, deed in enumerate(step.deeds[len(last.applied) :], len(last.applied)):
            name = f"{last.operation}.{place}"
            try:
                done = await self._world.hands.recall(deed, name)
            except Exception as error:  # whatever it is, a run that was begun comes to an end that is on record
                done = Done(None, stderr=str(error))
            if done is None and self._is_noted_elsewhere(deed, last):
                done = Done(None, stderr=f"whether it was sent is noted at {last.notes}, and not here")
            if done is None:
                break
            found.append(msgspec.structs.replace(done, operation=name))
            if not done.ok:
                break
        return found

    def _is_noted_elsewhere(self, deed: Deed, last: Attempt) -> bool:
        """A call that leaves nothing to see, begun by a console that notes such calls where this one doesn't look."""
        return isinstance(deed, Request) and deed.place.on is On.HERE and last.notes != self._world.notes

    # -- undoing

    async def undone(self, number: int, step: Step) -> str:
        """Do what undoes it: what went wrong, "" where nothing did."""
        operation = f"{self._run.run}-{number}-undo"
        await self._intend(step, operation, 1, {"undo": True})
        done = await _done(step, done_in_order(step.undo, self._world.hands, operation), operation)
        await self._tell(step, done, 1, deeds=step.undo)
        wrong = "" if done[-1].ok else _words(done[-1])
        await self._seen(step, Effect.NONE if wrong else Effect.TOOK, wrong or "undone")
        return wrong

    # -- the ledger

    async def _seen(self, step: Step, result: str, text: str, seen: Seen | None = None) -> StepState:
        after = dict(seen.facts) if seen is not None else {}
        await self._note(step, Verified(step=step.key, result=str(result), text=text, after=after))
        record = self.record(step.key)
        state = state_after(str(result), record)
        self.states[step.key] = StepRecord(step.key, state, record.attempts, text)
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


class _Anew:
    """ports.Hands for deeds of which some were done again since: what came of that is told, for the actions' own words
    are of what they see. `again`: by the operations that stand for them."""

    def __init__(self, hands: Hands, again: Mapping[str, Done]) -> None:
        self._hands, self._again = hands, again
        self.recall, self.acknowledge = hands.recall, hands.acknowledge
        self.look, self.close = hands.look, hands.close

    async def do(self, deed: Deed, operation: str) -> Done:
        return self._again.get(operation) or await self._hands.do(deed, operation)


async def _done(step: Step, doing: Awaitable[Sequence[Done]], operation: str, known: int = 0) -> Sequence[Done]:
    """Within the step's time. Never raises for what happens there. `known`: as `_cut_off` takes it."""
    try:
        async with asyncio.timeout(step.timeout_seconds):
            return list(await doing)
    except TimeoutError:
        end = Done(None, stderr=f"no answer within {step.timeout_seconds:g} s")
    except HandsError as error:
        end = Done(1, stderr=str(error), transient=error.transient)
    except Exception as error:  # what it had begun by then, nobody knows
        end = Done(None, stderr=f"{step.action} failed: {type(error).__name__}: {error}")
    return _cut_off(known, end, operation)


def _cut_off(known: int, end: Done, operation: str) -> list[Done]:
    """An end that came from elsewhere, behind the deeds that are on record."""
    return [*[Done(0)] * known, msgspec.structs.replace(end, operation=operation)]


def _first_bad(codes: Sequence[int | None]) -> int | None:
    """The place of the first deed that didn't end well, as far as is known."""
    return next((place for place, code in enumerate(codes) if code != 0), None)


def _words(done: Done) -> str:
    said = (done.stderr or done.stdout).strip().splitlines()
    return f"exit code {done.exit_code}: {said[-1][:200]}" if said else f"exit code {done.exit_code}"
