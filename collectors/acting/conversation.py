"""One channel to the hands of one node: questions go out with a number, answers come back in whatever order.

Must not do: connect, or decide what follows when the channel is lost.
"""

from __future__ import annotations

import asyncio
from typing import Any

from collectors.acting import wire
from collectors.stream import Budget, ErrorTail, LineStream
from watchfloor.errors import StreamError, WatchfloorError
from watchfloor.model import Problem
from watchfloor.ports import Channel, Clock

_BURST_BYTES, _BYTES_PER_SECOND = 256 * 2**20, 64 * 2**20  # many results may come at once
_NOISE_BYTES = 16 * 1024  # what a login shell may print before the hands speak
_NOT_THERE = (127, 126)  # exit statuses of sh: no such command, and a command that can't be run


class Lost(WatchfloorError):
    """The channel is gone: whether what was asked for last arrived is not known."""


class Conversation:
    """ports.StreamReceiver. `greeted` is the node's greeting, or a StreamError that says why there is none."""

    def __init__(self, clock: Clock) -> None:
        loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[wire.Greeting] = loop.create_future()
        self.open = True
        self.timed_out = False  # closed because no answer came
        self._clock = clock
        self._channel: Channel | None = None
        self._stream = LineStream(Budget(_BURST_BYTES, _BYTES_PER_SECOND), 4 * wire.LONGEST_LINE)
        self._errors = ErrorTail()
        self._noise = 0
        self._asked: dict[int, asyncio.Future[wire.Answer]] = {}
        self._number = 0
        self._greeted_at = 0.0

    @property
    def busy(self) -> bool:
        return bool(self._asked)

    @property
    def boot(self) -> str:
        """The boot id of the node. Only after the greeting."""
        return self.greeted.result().boot

    def node_time(self, monotonic: float) -> float:
        """A monotonic time of the console as the node's: rather too early, for the greeting took its time to come."""
        return self.greeted.result().monotonic + (monotonic - self._greeted_at)

    def begin(self, channel: Channel, payload: bytes) -> None:
        self._channel = channel
        channel.write(payload)

    async def ask(self, message: dict[str, Any], seconds: float) -> wire.Answer:
        """Raises Lost; TimeoutError where no answer comes in time."""
        if not self.open or self._channel is None:
            raise Lost("the channel is closed")
        self._number += 1
        number = self._number
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        self._channel.write(wire.encode({**message, "id": number}))
        try:
            async with asyncio.timeout(seconds):
                return await answer
        finally:
            self._asked.pop(number, None)

    async def close(self) -> None:
        self._end(StreamError(Problem.CLOSED, "the console has closed the channel"))
        if self._channel is not None:
            await self._channel.close()

    # -- ports.StreamReceiver

    def data(self, chunk: bytes) -> None:
        if not self.open:
            return
        try:
            for line in self._stream.feed(chunk, self._clock.monotonic()):
                self._line(line)
        except StreamError as error:
            self._end(error)

    def error_output(self, chunk: bytes) -> None:
        self._errors.feed(chunk)

    def ended(self, error: Exception | None, exit_status: int | None) -> None:
        said = self._errors.last_line
        if isinstance(error, StreamError):
            self._end(error)
        elif exit_status in _NOT_THERE:
            self._end(StreamError(Problem.NO_PYTHON, said or "python3 isn't there"))
        else:
            self._end(StreamError(Problem.CLOSED, f"the hands ended ({exit_status}){': ' if said else ''}{said}"))

    # -- lines

    def _line(self, line: bytes) -> None:
        if not self.greeted.done():
            begin = line.find(b'{"t"')
            if begin < 0:
                self._shell_says(line)
                return
            line = line[begin:]  # it may stand behind a banner that doesn't end its line
        match wire.decode(line):
            case wire.Greeting() as greeting:
                self._greet(greeting)
            case wire.Fault(text):
                self._end(StreamError(Problem.PROBE, text))
            case answer:
                asked = self._asked.get(answer.id)
                if asked is not None and not asked.done():
                    asked.set_result(answer)

    def _shell_says(self, line: bytes) -> None:
        self._noise += len(line) + 1
        self._errors.feed(line + b"\n")
        if self._noise > _NOISE_BYTES:
            advice = "the login shell's start-up files on the node (~/.bashrc) must be quiet for `ssh HOST command`"
            raise StreamError(Problem.GARBAGE, f"something prints {self._noise} bytes before the hands speak", advice)

    def _greet(self, greeting: wire.Greeting) -> None:
        if greeting.version != wire.VERSION:
            raise StreamError(Problem.VERSION, f"hands of version {greeting.version}, this console has {wire.VERSION}")
        self._greeted_at = self._clock.monotonic()
        if not self.greeted.done():
            self.greeted.set_result(greeting)

    def _end(self, error: StreamError) -> None:
        self.open = False
        if not self.greeted.done():
            self.greeted.set_exception(error)
            self.greeted.exception()  # seen: nobody may be waiting for it
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(Lost(error.message, error.advice))
