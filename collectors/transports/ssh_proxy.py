"""ProxyCommand: a child process of this machine whose standard input and output are the way to a node.

Its standard error is kept apart (asyncssh's own reading of it would mix it into the connection, which any warning of
the command then breaks), and its last line becomes part of the message when the way fails.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from contextlib import suppress

from collectors.stream import ErrorTail

_LAST_WORDS_SECONDS = 0.5
_REAP_SECONDS = 0.5
_READ_BYTES = 4096


class Proxy:
    """One running command, in a process group of its own; `sock` is our end of its standard input and output."""

    def __init__(self, command: str) -> None:
        """Raises OSError where no process can be started."""
        self._loop = asyncio.get_running_loop()
        self._errors = ErrorTail()
        self._silent = asyncio.Event()  # its standard error has ended
        self.sock, theirs = socket.socketpair()
        self.sock.setblocking(False)
        self._pipe, write = os.pipe()
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=write, start_new_session=True,
            )  # fmt: skip
        except OSError:
            self.sock.close()
            os.close(self._pipe)
            raise
        finally:
            theirs.close()
            os.close(write)
        self._loop.add_reader(self._pipe, self._read)

    def _read(self) -> None:
        chunk = os.read(self._pipe, _READ_BYTES)
        self._errors.feed(chunk)
        if not chunk:
            self._close_pipe()

    def _close_pipe(self) -> None:
        if not self._silent.is_set():
            self._silent.set()
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)

    async def last_words(self) -> str:
        """The last line of its standard error, once that has ended; waits 0.5 s for it at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._silent.wait()
        return self._errors.last_line

    def end(self) -> None:
        """Kill its process group and take its exit status. May be called again."""
        self._close_pipe()
        if self._process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):  # stuck in the kernel: it is reaped when it comes out
                self._process.wait(_REAP_SECONDS)
