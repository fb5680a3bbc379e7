"""The hands of one node: commands over one channel, which is opened when it is first needed and anew when it is lost.

What was sent and not answered is sent again over the next channel: the node carries an operation out once, however
often it is asked. After a while, or a reboot, nobody knows how it ended, and that is the answer. No deed begins on the
node later than a bounded time after it was asked for, so that "nobody knows" and "not begun" stay true.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from collectors.acting import payload, told, wire
from collectors.acting.conversation import Conversation, Lost
from collectors.acting.notes import Notes
from watchfloor.change import Command, Done
from watchfloor.errors import ConnectError, HandsError, StreamError
from watchfloor.model import NodeSpec
from watchfloor.ports import Clock, Transport

_OPEN_SECONDS = 90.0  # whatever a transport does
_RETRY_SECONDS = 0.25
_ACKNOWLEDGE_SECONDS = 5.0
_KILL_SECONDS = 5.0  # for the node to end what is out of time, and to say so


@dataclass(frozen=True, slots=True)
class Waits:
    """In seconds. `begin`: until when a deed may begin, from when it was asked for. `patience`: beyond a deed's own
    timeout, until nobody knows. `idle`: after that the channel is closed."""

    greeting: float = 20.0
    begin: float = 30.0
    patience: float = 60.0
    idle: float = 300.0


DEFAULT_WAITS = Waits()


@dataclass(frozen=True, slots=True)
class Settings:
    """What a command finds in its environment, and folders that are looked through before PATH, and behind it."""

    environment: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[str] = ()
    folders_behind: Sequence[str] = ()


class NodeHands:
    """Use it from one event loop."""

    def __init__(self, spec: NodeSpec, transport: Transport, clock: Clock, notes: Notes, waits: Waits) -> None:
        self._spec = spec
        self._transport = transport
        self._clock = clock
        self._notes = notes
        self._waits = waits
        self._opening: asyncio.Task[Conversation] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._owed: set[str] = set()  # operations whose acknowledgement didn't get through
        self._tasks: set[asyncio.Task[None]] = set()

    async def do(self, command: Command, settings: Settings, operation: str) -> Done:
        """As ports.Hands."""
        message = {"t": "do", "operation": operation, **_order(command, settings)}
        asked = self._clock.monotonic()
        begin_by, until = asked + self._waits.begin, asked + command.timeout_seconds + self._waits.patience
        boot = await self._notes.boot_of(operation)
        sent, ours = boot is not None, boot is None
        why = "no channel"
        while self._clock.monotonic() < until:
            try:
                talk = await self._talk()
            except HandsError as error:
                if not sent:
                    raise
                why = error.message
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if boot is not None and boot != talk.boot:
                return await self._after_reboot(talk, command, operation)
            if boot is None:
                boot = talk.boot
                await self._notes.sent_to(operation, boot)
            message["by"] = talk.node_time(begin_by)
            before, sent = sent, True
            try:
                answer = await self._ask(talk, message, until - self._clock.monotonic())
            except Lost as lost:
                why = lost.message
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if isinstance(answer, wire.Ended):
                return await self._ended(command, operation, answer)
            if before and _passing(answer) and self._clock.monotonic() <= begin_by:  # an earlier line may still arrive
                await asyncio.sleep(begin_by - self._clock.monotonic() + _RETRY_SECONDS)
                continue
            if ours:
                await self._notes.withdraw(operation)
            raise self._not_begun(command, answer)
        return told.not_known(
            f"{self._spec.name}: {why}: whether it was done, and how it ended, is not known", operation
        )

    async def recall(self, command: Command, operation: str) -> Done | None:
        """As ports.Hands. One that still runs is waited for."""
        boot = await self._notes.boot_of(operation)
        answer, now = await self._asked({"t": "recall", "operation": operation}, _longest(command))
        if isinstance(answer, wire.Ended):
            return told.done(answer, operation)
        return self._rebooted(operation) if boot is not None and boot != now else None

    async def look(self, command: Command, settings: Settings) -> Done:
        """As ports.Hands."""
        answer, _ = await self._asked({"t": "look", **_order(command, settings)}, _longest(command))
        if not isinstance(answer, wire.Ended):
            raise self._not_begun(command, answer)
        refused = told.sudo_refused(command, answer, self._spec.name)
        if refused is not None:
            raise refused
        return told.done(answer, "")

    async def acknowledge(self, operation: str) -> None:
        """Told to the node now where there is a channel, and with the next one otherwise. Never raises."""
        with suppress(HandsError):
            await self._notes.acknowledge(operation)
        self._owed.add(operation)
        talk = self._standing()
        if talk is not None:
            await self._pay(talk)

    async def close(self) -> None:
        opening, self._opening = self._opening, None
        if self._idle is not None:
            self._idle.cancel()
        for task in self._tasks:
            task.cancel()
        if opening is None:
            return
        if not opening.done():
            opening.cancel()
        (opened,) = await asyncio.gather(opening, return_exceptions=True)
        if isinstance(opened, Conversation):
            await opened.close()

    # -- the channel

    async def _talk(self) -> Conversation:
        """The channel that stands, or a new one; made once, however many ask. Raises HandsError."""
        standing, task = self._standing(), self._opening
        if standing is not None:
            return standing
        if task is None or task.done():
            task = self._opening = asyncio.create_task(self._open())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise HandsError(f"{self._spec.name}: the console is closing") from None
            raise

    def _standing(self) -> Conversation | None:
        task = self._opening
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result() if task.result().open else None

    async def _open(self) -> Conversation:
        talk = Conversation(self._clock)
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                channel = await self._transport.start(self._spec, payload.COMMAND, talk)
            talk.begin(channel, payload.payload())
            async with asyncio.timeout(self._waits.greeting):
                await asyncio.shield(talk.greeted)
        except (ConnectError, StreamError, TimeoutError) as error:
            await talk.close()
            raise self._no_way(error) from error
        except BaseException:
            await talk.close()
            raise
        self._spawn(self._pay(talk))
        self._rest(talk)
        return talk

    def _no_way(self, error: ConnectError | StreamError | TimeoutError) -> HandsError:
        if isinstance(error, TimeoutError):
            text, advice = f"{self._spec.name}: no answer of the hands", "see whether `ssh HOST true` comes back"
            return HandsError(text, advice, transient=True)
        return told.unreachable(self._spec.name, error)

    async def _asked(self, message: dict[str, Any], seconds: float) -> tuple[wire.Answer, str]:
        """What changes nothing, and the boot that answers; once more where the channel was already dead."""
        for last in (False, True):
            talk = await self._talk()
            try:
                return await self._ask(talk, message, seconds), talk.boot
            except Lost as lost:
                if last or talk.timed_out:
                    raise HandsError(f"{self._spec.name}: {lost.message}", lost.advice, transient=True) from lost
        raise AssertionError("the last try returns or raises")

    async def _ask(self, talk: Conversation, message: dict[str, Any], seconds: float) -> wire.Answer:
        """Raises Lost. A channel on which no answer comes is of no use to anybody."""
        try:
            return await talk.ask(message, max(0.0, seconds))
        except TimeoutError:
            talk.timed_out = True
            await talk.close()
            raise Lost(f"no answer within {seconds:.3g} s") from None
        finally:
            self._rest(talk)

    def _rest(self, talk: Conversation) -> None:
        """Close the channel when nothing was asked for a while."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._waits.idle, self._close_idle, talk)

    def _close_idle(self, talk: Conversation) -> None:
        if talk.busy:
            self._rest(talk)
        else:
            self._spawn(talk.close())

    async def _pay(self, talk: Conversation) -> None:
        for operation in list(self._owed):
            with suppress(Lost, TimeoutError):
                await talk.ask({"t": "acknowledge", "operation": operation}, _ACKNOWLEDGE_SECONDS)
                self._owed.discard(operation)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- what came of it

    async def _ended(self, command: Command, operation: str, ended: wire.Ended) -> Done:
        refused = told.sudo_refused(command, ended, self._spec.name)
        if refused is None:
            return told.done(ended, operation)
        await self.acknowledge(operation)  # nothing was done: nobody will ask for it
        raise refused

    async def _after_reboot(self, talk: Conversation, command: Command, operation: str) -> Done:
        """It was sent to an earlier boot: what is known of it, and never once more."""
        try:
            answer = await self._ask(talk, {"t": "recall", "operation": operation}, _longest(command))
        except Lost:
            return self._rebooted(operation)
        return told.done(answer, operation) if isinstance(answer, wire.Ended) else self._rebooted(operation)

    def _rebooted(self, operation: str) -> Done:
        why = f"{self._spec.name} was started anew since it was asked for: whether it was done is not known"
        return told.not_known(why, operation)

    def _not_begun(self, command: Command, answer: wire.Answer) -> HandsError:
        if isinstance(answer, wire.Refused):
            return told.refused(command, answer, self._spec.name)
        return HandsError(f"{self._spec.name}: it was not begun", transient=True)


def _passing(answer: wire.Answer) -> bool:
    return not isinstance(answer, wire.Refused) or answer.transient


def _order(command: Command, settings: Settings) -> dict[str, Any]:
    return {
        "argv": list(command.words),
        "stdin": command.stdin,
        "timeout": command.timeout_seconds,
        "env": dict(settings.environment),
        "path": list(settings.folders),
        "path_behind": list(settings.folders_behind),
    }


def _longest(command: Command) -> float:
    return command.timeout_seconds + _KILL_SECONDS + _ACKNOWLEDGE_SECONDS
