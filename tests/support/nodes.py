"""A transport of scripted nodes, and a sink that remembers: for tests of the supervisor without a network."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable

from watchfloor.errors import StreamError
from watchfloor.model import NodeSpec, NodeStatus, Phase, Problem
from watchfloor.ports import Clock, StreamReceiver
from watchfloor.report import Hello, Report, Schema

SCHEMA = {"t": "schema", "generation": 1, "tables": {"node": {"keys": [""], "metrics": ["load1"]}}}


class FakeChannel:
    """What a scripted node is told, and what it says."""

    def __init__(self, name: str, command: str, receiver: StreamReceiver, clock: Clock) -> None:
        self.name = name
        self.command = command
        self.receiver = receiver
        self.clock = clock
        self.written: list[dict] = []  # the console's lines
        self.closed = False
        self.ahead = 0.0  # this node's clock minus the console's
        self.answers_after = 0.1  # seconds of the way here; another tenth is the way back

    def write(self, data: bytes) -> None:
        for line in data.split(b"\n"):
            if line.startswith(b'{"t"'):  # not the archive
                message = json.loads(line)
                self.written.append(message)
                if message["t"] == "ping":
                    asyncio.get_running_loop().call_later(self.answers_after, self._pong, message["id"])

    def _pong(self, ping: int) -> None:
        at = self.clock.now() + self.ahead
        asyncio.get_running_loop().call_later(self.answers_after, self.say, {"t": "pong", "id": ping, "at": at})

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    async def close(self) -> None:
        self.closed = True

    def say(self, *messages: object) -> None:
        if not self.closed:
            for message in messages:
                self.receiver.data(json.dumps(message).encode() + b"\n")

    def hello(self, boot_id: str = "b1", version: int = 1) -> None:
        self.say({"t": "hello", "version": version, "node": self.name, "boot_id": boot_id, "at": 0.0, "probe": "x"})
        self.say(SCHEMA)

    def report(self, number: int = 1, generation: int = 1) -> None:
        self.say({"t": "report", "n": number, "generation": generation, "at": 0.0})

    async def live(self, seconds: float) -> None:
        """Say hello and report once a second."""
        self.hello()
        for number in range(int(seconds)):
            await asyncio.sleep(1.0)
            self.report(number)


Script = Callable[[FakeChannel], Awaitable[None]]


class FakeNodes:
    """ports.Transport: each start is handed to the node's script, or to the common one."""

    def __init__(self, clock: Clock, script: Script, **scripts: Script) -> None:
        self.clock = clock
        self.starts: dict[str, list[float]] = defaultdict(list)  # monotonic times, by node
        self.channels: dict[str, list[FakeChannel]] = defaultdict(list)
        self._script = script
        self._scripts = scripts
        self._tasks: set[asyncio.Future[None]] = set()

    async def start(self, node: NodeSpec, command: str, receiver: StreamReceiver) -> FakeChannel:
        self.starts[node.name].append(self.clock.monotonic())
        channel = FakeChannel(node.name, command, receiver, self.clock)
        script = self._scripts.get(node.name, self._script)
        began = getattr(script, "on_start", None)
        if began is not None:
            await began()
        self.channels[node.name].append(channel)
        task = asyncio.ensure_future(script(channel))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return channel

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()


class Remembers:
    """ports.FleetSink that keeps everything; a report of another generation than the schema's is turned down."""

    def __init__(self, clock: Clock) -> None:
        self.clock_ = clock
        self.statuses: dict[int, list[tuple[float, NodeStatus]]] = defaultdict(list)
        self.hellos: dict[int, int] = defaultdict(int)
        self.reports: dict[int, list[float]] = defaultdict(list)
        self.clocks: dict[int, list[tuple[float, float]]] = defaultdict(list)
        self._generations: dict[int, int] = {}

    def status(self, node: int, status: NodeStatus) -> None:
        self.statuses[node].append((self.clock_.monotonic(), status))

    def hello(self, node: int, hello: Hello, received_at: float) -> None:
        self.hellos[node] += 1

    def schema(self, node: int, schema: Schema) -> None:
        self._generations[node] = schema.generation

    def report(self, node: int, report: Report, received_at: float) -> None:
        if report.generation != self._generations.get(node):
            raise StreamError(Problem.GARBAGE, f"report of schema {report.generation}")
        self.reports[node].append(self.clock_.monotonic())

    def clock(self, node: int, skew_seconds: float, round_trip_seconds: float) -> None:
        self.clocks[node].append((skew_seconds, round_trip_seconds))

    def phases(self, node: int) -> list[Phase]:
        """The phases in their order, each once as long as it lasts."""
        found: list[Phase] = []
        for _, status in self.statuses[node]:
            if not found or found[-1] is not status.phase:
                found.append(status.phase)
        return found

    def last(self, node: int) -> NodeStatus:
        return self.statuses[node][-1][1]

    def problems(self, node: int) -> list[Problem]:
        """How each conversation failed."""
        return [status.problem for _, status in self.statuses[node] if status.phase is Phase.BACKOFF]
