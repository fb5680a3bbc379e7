"""`watchfloor doctor` for one node: each step from its name to its devices, what was seen, and what to do next.

It takes the way that the console takes: the same transport, the same probe, one conversation. Must not do: change
anything on the node, or try again.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

from collectors import payload
from collectors.conversation import MUTE_ADVICE, Conversation, Ending
from collectors.costs import Meter
from collectors.diagnosis import (
    ANSWER_SECONDS,
    NODE,
    WAY,
    Check,
    CheckState,
    answered,
    of_clock,
    of_driver,
    of_permission,
    of_probe,
    of_python,
    skipped,
)  # fmt: skip
from collectors.programs import PROBE, Program, smi_loop
from collectors.transports.ssh import SshTransport, WallClock
from watchfloor.errors import StartError, WatchfloorError
from watchfloor.fleet import Fleet
from watchfloor.model import NodeSpec, NodeStatus, Phase, Problem
from watchfloor.ports import Transport
from watchfloor.report import Hello, Report, SamplerStatus

HELLO_SECONDS = 20.0
COST_SECONDS = 13.0  # long enough for what is asked every ten seconds
_COST_FULL_EVERY = 2  # ticks: only full reports tell what each sampler costs


# the step that each problem belongs to; the steps before it are good, those after it can't be looked at
_STEP_OF = {
    Problem.NAME: "name", Problem.UNREACHABLE: "ssh", Problem.REFUSED: "ssh", Problem.HUNG: "ssh",
    Problem.HOST_KEY_UNKNOWN: "host key", Problem.HOST_KEY_CHANGED: "host key",
    Problem.AUTHENTICATION: "authentication",
}  # fmt: skip


async def diagnose(spec: NodeSpec, transport: Transport) -> list[Check]:
    """Every step for one node, in order. Never raises for what is wrong with the node. Bounded by the timeouts."""
    visit = _Visit(spec)
    way, no_python = "", None
    try:
        if isinstance(transport, SshTransport):
            way = (await transport.target(spec)).way
        async with AsyncExitStack() as channels:
            ending = await visit.run(transport, PROBE, channels)
            no_python = ending if ending is not None and ending.problem is Problem.NO_PYTHON else None
            if no_python is not None:
                ending = await visit.run(transport, smi_loop(), channels)
    except StartError as error:
        ending = Ending.of(error)
    except WatchfloorError as error:
        return stopped(Ending.of(error), way)
    return arrived(spec, way) + visit.checks(ending, no_python)


async def measure(spec: NodeSpec, transport: Transport, seconds: float = COST_SECONDS) -> Meter | Ending:
    """What the probe costs a node on which it runs for a while; why not, where it doesn't run. Never raises."""
    meter = Meter(spec)
    talk = Conversation(
        0, meter, WallClock(), PROBE.reader(), lambda: payload.settings_line(1.0, 0.2, _COST_FULL_EVERY)
    )
    try:
        talk.channel = await transport.start(spec, PROBE.command, talk)
    except WatchfloorError as error:
        return Ending.of(error)
    try:
        talk.channel.write(payload.payload())
        await asyncio.wait([talk.over], timeout=seconds)
    finally:
        await talk.channel.close()
    return talk.over.result() if talk.over.done() and not meter.rows() else meter


def arrived(spec: NodeSpec, way: str) -> list[Check]:
    """The steps of a way that led to the node."""
    if spec.local:
        return [Check(name, CheckState.SKIPPED, "this machine: a child process instead of SSH") for name in WAY]
    said = {"name": way, "ssh": "answers", "host key": "as in known_hosts", "authentication": "let in without a prompt"}
    return [Check(name, CheckState.OK, said[name]) for name in WAY]


def stopped(ending: Ending, way: str) -> list[Check]:
    """The steps of a way that ended early: good before the one that failed, unknown behind it."""
    failed = _STEP_OF.get(ending.problem, "ssh")
    before = WAY[: WAY.index(failed)]
    after = (*WAY[WAY.index(failed) + 1 :], *NODE)
    checks = [Check(name, CheckState.OK, (way if name == "name" else "") or "good") for name in before]
    checks.append(Check(failed, CheckState.FAILED, ending.text, ending.advice))
    return checks + skipped(after, f"not reached: {failed}")


class _Sink(Fleet):
    """A fleet of one, that says when every sampler has answered."""

    def __init__(self, spec: NodeSpec) -> None:
        super().__init__([spec], WallClock.now)
        self.answered = asyncio.Event()
        self.measured = asyncio.Event()
        self.status(0, NodeStatus(Phase.LIVE))

    def report(self, node: int, report: Report, received_at: float) -> None:
        super().report(node, report, received_at)
        if all(map(answered, self.frame().detail[0].samplers.values())):
            self.answered.set()

    def clock(self, node: int, skew_seconds: float, round_trip_seconds: float) -> None:
        super().clock(node, skew_seconds, round_trip_seconds)
        self.measured.set()


class _Visit:
    """One conversation with the node, and what is read from it."""

    def __init__(self, spec: NodeSpec) -> None:
        self._spec = spec
        self._sink = _Sink(spec)
        self._hello: Hello | None = None

    async def run(self, transport: Transport, program: Program, channels: AsyncExitStack) -> Ending | None:
        """Start a program and listen until all is known; how it ended, if it did before that. Raises ConnectError."""
        greeting = (lambda: payload.settings_line(1.0, 0.2, 60)) if program.listens else None
        talk = Conversation(0, self._sink, WallClock(), program.reader(), greeting)
        talk.channel = await transport.start(self._spec, program.command, talk)
        channels.push_async_callback(talk.channel.close)
        if program.listens:
            talk.channel.write(payload.payload())
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                await asyncio.shield(talk.greeted)
        except TimeoutError:
            return Ending(Problem.HUNG, f"it started, and said nothing for {HELLO_SECONDS:g} s", MUTE_ADVICE)
        self._hello = talk.hello
        await self._listen(talk, program)
        return talk.over.result() if talk.over.done() else None

    async def _listen(self, talk: Conversation, program: Program) -> None:
        """Until every sampler has answered and the clock is measured, or the conversation or the time is over."""
        wanted = [self._sink.answered, self._sink.measured] if program.listens else [self._sink.answered]
        known = asyncio.gather(*(event.wait() for event in wanted))
        await asyncio.wait([known, talk.over], timeout=ANSWER_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        known.cancel()
        with suppress(asyncio.CancelledError):
            await known

    def checks(self, ending: Ending | None, no_python: Ending | None) -> list[Check]:
        """The steps on the node. `ending` is how the conversation failed, None where it didn't."""
        python = of_python(self._hello, no_python, ending)
        if ending is not None and no_python is not None:
            return [python, *skipped(NODE[1:], "nothing runs there that could look")]
        if ending is not None:
            probe = Check("probe", CheckState.FAILED, ending.text, ending.advice)
            return [python, probe, *skipped(NODE[2:], "the probe doesn't run")]
        frame = self._sink.frame()
        named = self._hello.samplers if self._hello is not None else ()
        samplers = dict.fromkeys(named, SamplerStatus("ok")) | dict(frame.detail[0].samplers)
        return [
            python,
            of_probe(samplers, no_python),
            of_driver(frame, samplers),
            of_permission(frame),
            of_clock(frame),
        ]
