"""What actions have in common: how they are done, the words of what was seen, and the questions every one asks first.

A deed is guarded: just before it is begun, whoever can looks at the place itself, so that a state that moved since the
newest frame is not acted upon. One that was begun before, in a run that was killed, is never guarded: its own effect
would be in the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import ClassVar

import msgspec

from agents.action import CannotPrepare, Parameter, Scene, done_in_order
from agents.parameters import checked
from watchfloor.change import Deed, Done, Effect, Seen, Step, Value
from watchfloor.errors import HandsError
from watchfloor.jobs.model import SourceState
from watchfloor.ports import Hands
from watchfloor.records.ledgerjson import canonical

OURS = "watchfloor:"  # before the mark of an operation, wherever one can be left
_SILENT_SECONDS = 180.0  # a scheduler that has said nothing for so long is not acted upon
REFUSED_BY_GUARD = 1  # the exit code of what a guard kept from being done


class Base:
    """The usual answers. `runs`, `seen_by` and `undone_by` are for people: docs/actions.md is made of them."""

    harms: ClassVar[str] = ""
    heals: ClassVar[bool] = False
    traceless: ClassVar[bool] = False
    preparing: ClassVar[int] = 0
    sudo_rules: ClassVar[tuple[str, ...]] = ()
    parameters: ClassVar[Mapping[str, Parameter]] = {}
    runs: ClassVar[str] = ""
    seen_by: ClassVar[str] = ""
    undone_by: ClassVar[str] = ""

    def precheck(self, scene: Scene, step: Step) -> str:
        return ""

    async def guard(self, step: Step, hands: Hands) -> str:
        """Why it must not be done after all, seen at the place itself; "" where nothing speaks against it."""
        return ""

    async def apply(self, step: Step, hands: Hands, operation: str) -> Sequence[Done]:
        if refusal := await self.refused(step, hands, operation):
            return refusal
        return await done_in_order(step.deeds, hands, operation)

    async def refused(self, step: Step, hands: Hands, operation: str) -> list[Done]:
        """What the guard says, as the end of an operation that did nothing; empty where it may be done."""
        first = f"{operation}.0"
        if step.deeds and await hands.recall(step.deeds[0], first) is not None:
            return []
        why = await self.guard(step, hands)
        return [Done(REFUSED_BY_GUARD, stderr=f"{why}; nothing was done", operation=first)] if why else []

    def values(self, step: Step) -> dict[str, Value]:
        """Its parameters, checked. Raises CannotPrepare."""
        return checked(step.parameters, self.parameters)


def mark_of(scene: Scene, step: Step) -> str:
    """Names one preparation of one step: what is left at a place by it can be told from whatever was there before."""
    told = [scene.frame.at, scene.frame.number, step.key, step.action, str(step.target), dict(step.parameters)]
    return sha256(canonical(told)).hexdigest()[:12]


# -- what was seen


def took(text: str, **facts: Value) -> Seen:
    return Seen(Effect.TOOK, text, facts)


def without_effect(text: str, **facts: Value) -> Seen:
    return Seen(Effect.NONE, text, facts)


def unknown(text: str, **facts: Value) -> Seen:
    return Seen(Effect.UNKNOWN, text, facts)


async def looked(hands: Hands, deed: Deed) -> Done | Seen:
    """What a question was answered; Seen (unknown) where it had no answer."""
    try:
        done = await hands.look(deed)
    except HandsError as error:
        return unknown(f"nobody could look: {error}")
    return done if done.ok else unknown(f"looking failed: {words_of(done)}")


def words_of(done: Done) -> str:
    """Its last words, on one line."""
    told = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return told[-1][:300] if told else f"exit code {done.exit_code}"


# -- where things stand in a frame


def node_row(scene: Scene, step: Step) -> int:
    """Raises CannotPrepare where the fleet has no such node."""
    row = scene.frame.node_index.get(step.target.node)
    if row is None:
        raise CannotPrepare(f"no node is called {step.target.node!r}", "see the names of the fleet file")
    return row


def silent_node(scene: Scene, step: Step) -> str:
    """Why what the frame says of the node can't be relied upon, "" where it can."""
    row = scene.frame.node_index.get(step.target.node)
    if row is None:
        return f"{step.target.node} is no longer in the fleet"
    if not scene.frame.live[row]:
        return f"{step.target.node} is not heard ({scene.frame.statuses[row].phase})"
    return ""


def silent_source(scene: Scene, source: str) -> str:
    """The same of a source of jobs."""
    status = next((one for one in scene.frame.jobs.sources if one.name == source), None)
    if status is None or status.state is not SourceState.OK:
        return f"{source} does not answer: {status.text if status else 'it is no source of jobs'}"
    age = scene.frame.at - status.at
    if age > _SILENT_SECONDS + status.period_seconds:
        return f"{source} was last heard {age:.0f} s ago"
    return ""


def filled(step: Step, **changes: object) -> Step:
    """The step with more of it known."""
    return msgspec.structs.replace(step, **changes)
