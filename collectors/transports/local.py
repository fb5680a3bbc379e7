"""Transport to this machine: a child process over pipes, on the same wire as a node's.

The child leads a process group of its own, which is killed when the channel closes. When the console dies, the
child's standard input ends, which ends the probe.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from watchfloor.errors import ConnectError
from watchfloor.model import NodeSpec, Problem
from watchfloor.ports import Channel, StreamReceiver

_GRACE_SECONDS = 1.0


class LocalTransport:
    """ports.Transport for the machine that the console runs on."""

    def __init__(self) -> None:
        self._children: set[_Child] = set()

    async def start(self, node: NodeSpec, command: str, receiver: StreamReceiver) -> Channel:
        """Raises ConnectError where no process can be made."""
        loop = asyncio.get_running_loop()
        try:
            _, child = await loop.subprocess_exec(
                lambda: _Child(receiver, self._children), "/bin/sh", "-c", command, env=_environment(),
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ConnectError(
                Problem.REFUSED, f"no process can be started here: {error.strerror}", "see `ulimit -u` and `free`"
            ) from error
        return child

    async def close(self) -> None:
        await asyncio.gather(*(child.close() for child in list(self._children)))


def _environment() -> dict[str, str]:
    """This interpreter's folder first, so that the local probe finds what is installed beside the console (psutil)."""
    here = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{here}:{os.environ.get('PATH', os.defpath)}"}


class _Child(asyncio.SubprocessProtocol):
    """One child process: asyncio's protocol and ports.Channel at once."""

    def __init__(self, receiver: StreamReceiver, children: set[_Child]) -> None:
        self._receiver = receiver
        self._children = children
        self._transport: asyncio.SubprocessTransport | None = None
        self._silent = False
        self._gone = asyncio.Event()

    # -- asyncio.SubprocessProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport
        self._children.add(self)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if self._silent:
            return
        if fd == 1:
            self._receiver.data(data)
        else:
            self._receiver.error_output(data)

    def process_exited(self) -> None:
        self._kill_group()  # what the child may have left behind in its group holds the pipes open
        self._gone.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """All pipes are read to their end, and the child is gone."""
        self._children.discard(self)
        if not self._silent and self._transport is not None:
            self._silent = True
            self._receiver.ended(None, self._transport.get_returncode())

    # -- ports.Channel

    def write(self, data: bytes) -> None:
        pipe = self._transport.get_pipe_transport(0) if self._transport else None
        if isinstance(pipe, asyncio.WriteTransport) and not pipe.is_closing():
            pipe.write(data)

    def pause(self) -> None:
        for pipe in self._outputs():
            pipe.pause_reading()

    def resume(self) -> None:
        for pipe in self._outputs():
            pipe.resume_reading()

    def _outputs(self) -> list[asyncio.ReadTransport]:
        pipes = [self._transport.get_pipe_transport(fd) for fd in (1, 2)] if self._transport else []
        return [pipe for pipe in pipes if isinstance(pipe, asyncio.ReadTransport) and not pipe.is_closing()]

    async def close(self) -> None:
        """Ends the standard input, then, after 1 s at most, the process group."""
        self._silent = True
        if self._transport is None:
            return
        pipe = self._transport.get_pipe_transport(0)
        if pipe is not None:
            pipe.close()
        try:
            async with asyncio.timeout(_GRACE_SECONDS):
                await self._gone.wait()
        except TimeoutError:
            self._kill_group()
            with suppress(TimeoutError):  # one that is stuck in a driver outlives even this, until the driver answers
                async with asyncio.timeout(_GRACE_SECONDS):
                    await self._gone.wait()
        self._transport.close()
        self._children.discard(self)

    def _kill_group(self) -> None:
        if self._transport is None:
            return
        with suppress(ProcessLookupError, PermissionError):  # nothing is left of it
            os.killpg(self._transport.get_pid(), signal.SIGKILL)
