"""One independent loop per node: connect, listen, and after a failure wait and try again.

No loop ever waits for another: connects are started at a pace, and what a node does with its turn is its own affair.
What is checked for all nodes each second (silence, clocks) is one task, in slices, so that it never holds the loop.
Runs on any event loop, the console's own thread as a rule; the sink is called there. Must not do: know transports.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from collectors import payload
from collectors.backoff import Backoff
from collectors.conversation import MUTE_ADVICE, Conversation, Ending
from collectors.pace import Pace
from collectors.programs import PROBE, Program, smi_loop
from watchfloor.errors import WatchfloorError
from watchfloor.model import NodeSpec, NodeStatus, Phase, Problem
from watchfloor.ports import Clock, FleetSink, Transport

CONNECTS_PER_SECOND = 240.0  # a handshake costs the console 2 to 4 ms
CONNECTS_AT_ONCE = 32
HELLO_SECONDS = 20.0  # python3 from a cold network file system takes its time
STALE_PERIODS = 3.5
HUNG_SECONDS = 30.0
HUNG_PERIODS = 5.0  # where that is longer
_NODES_PER_SLICE = 50
_MOST_SLICES = 20
_SWEEP_SECONDS = 1.0
_ASLEEP_SECONDS = 5.0  # a sweep this late says that the console stood still, not the nodes
_GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, lie evenly however many there are

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Node:
    """The state of one loop."""

    index: int
    spec: NodeSpec
    backoff: Backoff
    status: NodeStatus = field(default_factory=NodeStatus)
    conversation: Conversation | None = None
    boot_id: str = ""
    began: float = 0.0  # monotonic time of the last hello; 0 where the last try brought none
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Keeps a conversation with every node, but those that a metrics server tells of.

    `run()` until cancelled; transports are closed by who made them.
    """

    def __init__(
        self,
        specs: Sequence[NodeSpec],
        transport_for: Callable[[NodeSpec], Transport],
        sink: FleetSink,
        clock: Clock,
        rng: random.Random,
        period_seconds: float = 1.0,
        full_every: int = 60,
    ) -> None:
        self._transport_for = transport_for
        self._sink = sink
        self._clock = clock
        self._period = period_seconds
        self._full_every = full_every
        self._pace = Pace(CONNECTS_PER_SECOND, CONNECTS_AT_ONCE, clock)
        self._nodes = [_Node(index, spec, Backoff(rng)) for index, spec in enumerate(specs)]
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Until it is cancelled. Every node says STOPPED at the end."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as tasks:
                for node in self._nodes:
                    if node.spec.source is None:
                        tasks.create_task(self._keep(node), name=f"node {node.spec.name}")
                tasks.create_task(self._sweep(), name="sweep")
        finally:
            for node in self._nodes:
                if node.spec.source is None:
                    self._say(node, Phase.STOPPED)

    def reconnect(self, node: int) -> None:
        """Try this node now rather than when its back-off is over. From any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._nodes[node].wake.set)

    # -- one node

    async def _keep(self, node: _Node) -> None:
        while True:
            self._say(node, Phase.WAITING)
            await self._pace.turn()
            ending = await self._converse(node)
            lasted = self._clock.monotonic() - node.began if node.began else 0.0
            seconds = node.backoff.next_seconds(ending.problem, lasted)
            self._say(node, Phase.BACKOFF, ending, retry_in=seconds)
            await self._rest(node, seconds)

    async def _rest(self, node: _Node, seconds: float) -> None:
        node.wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await node.wake.wait()
        except TimeoutError:
            return
        node.backoff.reset()

    async def _converse(self, node: _Node) -> Ending:
        """One conversation from the connect to its end. Where python3 is missing, the second program follows."""
        node.began = 0.0
        self._say(node, Phase.CONNECTING)
        try:
            async with AsyncExitStack() as channels:  # both on one connection: the first is closed with the second
                ending = await self._run(node, PROBE, channels)
                if ending.problem is Problem.NO_PYTHON:
                    ending = _neither(await self._run(node, smi_loop(), channels), ending)
                return ending
        except WatchfloorError as error:
            return Ending.of(error)
        except Exception:
            # a fault of the console's own: it costs this node its row for a while, and no other node anything
            _log.exception("the loop of %s failed", node.spec.name)
            return Ending(Problem.PROBE, "an error in watchfloor itself: its log has it", "please report it")
        finally:
            node.conversation = None

    async def _run(self, node: _Node, program: Program, channels: AsyncExitStack) -> Ending:
        """Raises ConnectError."""
        talk = self._talk(node, program)
        talk.channel = await self._transport_for(node.spec).start(node.spec, program.command, talk)
        channels.push_async_callback(talk.channel.close)
        self._say(node, Phase.STARTING, via=program.via)
        if program.listens:
            talk.channel.write(payload.payload())
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                await asyncio.shield(talk.greeted)
        except TimeoutError:
            return Ending(
                Problem.HUNG,
                f"connected, and the {program.via} said nothing for {HELLO_SECONDS:g} s",
                MUTE_ADVICE,
            )
        if not talk.over.done():
            self._live(node, talk, program)
        return await talk.over

    def _talk(self, node: _Node, program: Program) -> Conversation:
        greeting = functools.partial(self._settings, node) if program.listens else None
        return Conversation(node.index, self._sink, self._clock, program.reader(), greeting)

    def _settings(self, node: _Node) -> bytes:
        """Each node has its own phase, so that the ticks of all nodes lie evenly over the period."""
        phase = node.index * _GOLDEN % 1.0 * self._period
        delay = (phase - self._clock.monotonic()) % self._period
        return payload.settings_line(self._period, delay, self._full_every)

    def _live(self, node: _Node, talk: Conversation, program: Program) -> None:
        assert talk.hello is not None
        node.conversation = talk
        node.began = self._clock.monotonic()
        rebooted = bool(node.boot_id) and talk.hello.boot_id not in ("", node.boot_id)
        node.boot_id = talk.hello.boot_id or node.boot_id
        text = "rebooted since the last conversation" if rebooted else ""
        self._say(node, Phase.LIVE, Ending(Problem.NONE, text), via=program.via)

    # -- all nodes

    async def _sweep(self) -> None:
        """Each second, every node: has it been silent, is its clock due to be measured? In slices."""
        slices = max(1, min(_MOST_SLICES, len(self._nodes) // _NODES_PER_SLICE))
        part, due = 0, self._clock.monotonic()
        while True:
            late = self._clock.monotonic() - due
            if late < _ASLEEP_SECONDS:
                for node in self._nodes[part::slices]:
                    self._check(node)
            # after a standstill of the console (a suspended laptop), first hear what has come in meanwhile
            part = (part + 1) % slices
            due = self._clock.monotonic() + _SWEEP_SECONDS / slices
            await asyncio.sleep(_SWEEP_SECONDS / slices)

    def _check(self, node: _Node) -> None:
        talk = node.conversation
        if talk is None:
            return
        silent = self._clock.monotonic() - talk.heard
        if silent > max(HUNG_SECONDS, HUNG_PERIODS * self._period):
            talk.end(Ending(
                Problem.HUNG, f"connected, silent for {silent:.0f} s", "look at the node's console and its load"
            ))  # fmt: skip
        elif silent > STALE_PERIODS * self._period:
            text = f"connected, silent for {silent:.0f} s"
            if node.status.text != text:
                self._say(node, Phase.STALE, Ending(Problem.HUNG, text), via=node.status.via)
        elif node.status.phase is Phase.STALE:
            self._say(node, Phase.LIVE, via=node.status.via)
        talk.ping_if_due()

    def _say(
        self, node: _Node, phase: Phase, ending: Ending | None = None, retry_in: float = 0.0, via: str = ""
    ) -> None:
        """Tell the sink where this loop stands. While it tries again, why the last try failed stays visible."""
        now = self._clock.now()
        old = node.status
        if ending is None and phase in (Phase.WAITING, Phase.CONNECTING, Phase.STARTING):
            ending = Ending(old.problem, old.text, old.advice)
        said = ending or Ending(Problem.NONE, "")
        node.status = NodeStatus(
            phase, said.problem, said.text, said.advice,
            since=now if phase is not old.phase else old.since,
            retry_at=now + retry_in if retry_in else 0.0,
            attempts=node.backoff.failures, via=via,
        )  # fmt: skip
        self._sink.status(node.index, node.status)


def _neither(ending: Ending, without_python: Ending) -> Ending:
    """The end of the second program; where it isn't there either, python3 is what to install."""
    if ending.problem is not Problem.NO_PYTHON:
        return ending
    return Ending(
        Problem.NO_PYTHON,
        f"neither python3 nor nvidia-smi on this node: {without_python.text}",
        "install python3 (3.6 or newer), or put it on the PATH that `ssh HOST command` has",
    )
