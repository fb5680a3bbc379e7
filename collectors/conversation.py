"""One conversation with one node's probe: what comes in, in order, to the sink; and how it ended.

Lives on the event loop and does no I/O of its own but writing lines to the probe. The path of a report is short on
purpose: a thousand of them come each second. Must not do: wait, connect, or decide what follows an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from collectors.payload import full_line, ping_line
from collectors.programs import Reader
from collectors.stream import Budget, ErrorTail
from watchfloor.errors import StreamError, WatchfloorError
from watchfloor.model import Problem
from watchfloor.ports import Channel, Clock, FleetSink
from watchfloor.report import PROTOCOL_VERSION, Fault, Hello, Line, Pong, Report, Schema

PING_SECONDS = 60.0
_MISFITS = 3  # reports in a row that don't fit the schema, each answered by asking for a full one
FAULT_ADVICE = (
    "these are the probe's last words on the node: where they name python3 or its version, install 3.6 or newer there "
    "(`ssh HOST python3 -V` shows which one answers); anything else is an error of watchfloor's own: please report it"
)
MUTE_ADVICE = (
    "see whether `ssh HOST true` comes back: the login shell's start-up files, a home on a disk that is stuck, or a "
    "node out of memory may hold it up"
)
_NOT_SPOKEN_ADVICE = (
    "see what the node does with `ssh HOST command`: the login shell and its start-up files, ForceCommand in "
    "sshd_config, command= in authorized_keys"
)
_NOT_THERE = (127, 126)  # exit statuses of sh: no such command, and a command that can't be run


@dataclass(frozen=True, slots=True)
class Ending:
    """How a conversation ended, as the node's status will say it."""

    problem: Problem
    text: str
    advice: str = ""

    @classmethod
    def of(cls, error: WatchfloorError) -> Ending:
        return cls(getattr(error, "problem", Problem.PROBE), error.message, error.advice)


Greeting = Callable[[], bytes]


class Conversation:
    """ports.StreamReceiver for one program on one node. `over` is done when it has ended, in whichever way."""

    def __init__(self, node: int, sink: FleetSink, clock: Clock, reader: Reader, greeting: Greeting | None) -> None:
        """`greeting` makes the line that answers a hello; None where the program doesn't listen."""
        loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[None] = loop.create_future()  # done at the hello, or at the end without one
        self.over: asyncio.Future[Ending] = loop.create_future()
        self.hello: Hello | None = None
        self.channel: Channel | None = None
        self.heard = clock.monotonic()
        self._node = node
        self._sink = sink
        self._clock = clock
        self._reader = reader
        self._greeting = greeting
        self._errors = ErrorTail()
        self._errors_left = Budget()
        self._misfits = 0
        self._reported = False
        self._pings = 0
        self._awaited: int | None = None  # the ping whose pong is still to come
        self._pinged: tuple[float, float] = (0.0, 0.0)  # wall and monotonic time of the last ping

    # -- ports.StreamReceiver

    def data(self, chunk: bytes) -> None:
        if self.over.done():
            return
        now = self._clock.monotonic()
        try:
            for line in self._reader.feed(chunk, now):
                self.heard = now
                if type(line) is Report:
                    self._report(line)
                else:
                    self._other(line)
        except StreamError as error:
            self.end(Ending.of(error))

    def error_output(self, chunk: bytes) -> None:
        """Only its end is kept, and yet who writes on and on would hold up everybody else."""
        if self.over.done():
            return
        self._errors.feed(chunk)
        try:
            self._errors_left.charge(len(chunk), self._clock.monotonic())
        except StreamError as error:
            text = f"{error.message} of error output{self._said()}"
            self.end(Ending(error.problem, text, error.advice))

    def ended(self, error: Exception | None, exit_status: int | None) -> None:
        if isinstance(error, WatchfloorError):
            self.end(Ending.of(error))
        elif exit_status in _NOT_THERE and not self._reported:
            self.end(Ending(Problem.NO_PYTHON, self._errors.last_line or "the program isn't there"))
        elif self.hello is None:
            torn = "in the middle of its first line" if self._reader.unfinished() else "before it spoke"
            text = f"the probe ended {torn}{_status(exit_status)}{self._said()}"
            self.end(Ending(Problem.PROBE, text, _NOT_SPOKEN_ADVICE))
        else:
            torn = " in the middle of a line" if self._reader.unfinished() else ""
            self.end(Ending(Problem.CLOSED, f"the probe ended{torn}{_status(exit_status)}{self._said()}"))

    # -- lines

    def _report(self, report: Report) -> None:
        """A report that doesn't fit is answered by asking for a full one; several in a row are garbage."""
        try:
            self._sink.report(self._node, report, self._clock.now())
        except StreamError:
            self._misfits += 1
            if self._misfits > _MISFITS:
                raise
            self._write(full_line())
        else:
            self._misfits = 0
            self._reported = True

    def _other(self, line: Line) -> None:
        match line:
            case Hello():
                self._greet(line)
            case Schema():
                self._sink.schema(self._node, line)
            case Pong():
                self._pong(line)
            case Fault():
                self.end(Ending(Problem.PROBE, line.text, FAULT_ADVICE))

    def _greet(self, hello: Hello) -> None:
        if hello.version != PROTOCOL_VERSION:
            raise StreamError(
                Problem.VERSION,
                f"the probe speaks version {hello.version} of the protocol, this console {PROTOCOL_VERSION}",
                "use the watchfloor that the recording or the node's own probe was made with",
            )
        self.hello = hello
        self._sink.hello(self._node, hello, self._clock.now())
        if self._greeting is not None:
            self._write(self._greeting())
            self.ping()
        if not self.greeted.done():
            self.greeted.set_result(None)

    def _pong(self, pong: Pong) -> None:
        """The node's clock against the middle of the round trip, as NTP does it."""
        if pong.id != self._awaited:
            return  # to an older ping, or to none
        self._awaited = None
        wall, monotonic = self._pinged
        round_trip = self._clock.monotonic() - monotonic
        self._sink.clock(self._node, pong.at - (wall + round_trip / 2), round_trip)

    def ping_if_due(self) -> None:
        if self._greeting is not None and self._clock.monotonic() - self._pinged[1] >= PING_SECONDS:
            self.ping()

    def ping(self) -> None:
        self._pings += 1
        self._awaited = self._pings
        self._pinged = (self._clock.now(), self._clock.monotonic())
        self._write(ping_line(self._pings))

    def _write(self, data: bytes) -> None:
        if self.channel is not None and self._greeting is not None:
            self.channel.write(data)

    # -- the end

    def end(self, ending: Ending) -> None:
        """Only the first end counts."""
        if not self.over.done():
            self.over.set_result(ending)
        if not self.greeted.done():
            self.greeted.set_result(None)

    def _said(self) -> str:
        last = self._errors.last_line or self._reader.noise()
        return f": {last}" if last else ""


def _status(exit_status: int | None) -> str:
    return "" if exit_status is None else f" (exit status {exit_status})"
