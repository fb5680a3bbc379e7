"""One command on a node, its output whole: bounded in time and in bytes. For programs that answer once and end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from collectors.stream import ErrorTail
from watchfloor.errors import StreamError
from watchfloor.model import NodeSpec, Problem
from watchfloor.ports import Channel, Clock, Transport


@dataclass(frozen=True, slots=True)
class Output:
    """What a command wrote until it ended. `seconds` is how long it ran, without the time to connect."""

    out: bytes
    errors: str
    status: int | None  # None: a signal ended it, or the node doesn't say
    seconds: float


class _Whole:
    """ports.StreamReceiver that keeps everything, up to a bound."""

    def __init__(self, most_bytes: int) -> None:
        self.over: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.errors = ErrorTail()
        self._most = most_bytes
        self._held = 0
        self._chunks: list[bytes] = []

    def data(self, chunk: bytes) -> None:
        if self.over.done():
            return
        self._held += len(chunk)
        if self._held > self._most:
            self._chunks.clear()
            self._fail(StreamError(Problem.FLOOD, f"it writes more than {self._most / 2**20:g} MiB"))
        else:
            self._chunks.append(chunk)

    def error_output(self, chunk: bytes) -> None:
        self.errors.feed(chunk)

    def ended(self, error: Exception | None, exit_status: int | None) -> None:
        if self.over.done():
            return
        if error is not None:
            self._fail(error)
        else:
            self.over.set_result(exit_status)

    def _fail(self, error: Exception) -> None:
        self.over.set_exception(error)
        self.over.exception()  # seen: nobody may be waiting for it, as when the start failed as well

    @property
    def out(self) -> bytes:
        return b"".join(self._chunks)


async def run_once(
    transport: Transport, node: NodeSpec, command: str, clock: Clock, timeout_seconds: float, most_bytes: int
) -> Output:
    """Start a command line on a node and wait for its end.

    Raises ConnectError where the node can't be reached, StreamError where the connection broke, where the command
    took longer (HUNG) or said more (FLOOD) than it may; it is ended then.
    """
    whole = _Whole(most_bytes)
    channel: Channel = await transport.start(node, command, whole)
    began = clock.monotonic()
    try:
        async with asyncio.timeout(timeout_seconds):
            status = await whole.over
    except TimeoutError:
        raise StreamError(Problem.HUNG, f"no answer within {timeout_seconds:g} s") from None
    finally:
        await channel.close()
    return Output(whole.out, whole.errors.text, status, clock.monotonic() - began)
