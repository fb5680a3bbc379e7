"""What simulated programs and services give the probe: lines at their times, and connected sockets."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence

from collectors.simulator.machine import Machine
from collectors.simulator.tools import Tool


class Stream:
    """Stands for collectors.probe.programs.Lines: a program that prints every `period` seconds, the first time then."""

    def __init__(
        self,
        make: Callable[[], str],
        period: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._make = make
        self._period = period
        self._clock = clock
        self._sleep = sleep
        self._due = clock() + period
        self._ready: list[str] = []
        self._closed = False

    def line(self, timeout_seconds: float) -> str:
        """The next line; "" where none came in time. Raises EOFError once closed."""
        if self._closed:
            raise EOFError("it ended by itself")
        if not self._ready:
            wait = max(0.0, self._due - self._clock())
            self._sleep(min(wait, timeout_seconds))
            if wait > timeout_seconds:
                return ""
            self._due += self._period
            self._ready = [line for line in self._make().splitlines() if line.strip()]
        return self._ready.pop(0).strip() if self._ready else ""

    def close(self) -> None:
        self._closed = True


def connected(
    tools: Sequence[Tool], present: Callable[[], Machine], port: int, timeout: float, host: str
) -> socket.socket:
    """A socket to what listens on a port of the node, on a thread of its own. Raises ConnectionRefusedError."""
    for tool in tools:
        serve = tool.at(present(), host) if tool.port == port else None
        if serve is not None:
            near, far = socket.socketpair()
            near.settimeout(timeout)
            threading.Thread(target=_serve, args=(serve, present, far), daemon=True).start()
            return near
    raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def _serve(
    serve: Callable[[Callable[[], Machine], socket.socket], None], present: Callable[[], Machine], far: socket.socket
) -> None:
    with far:
        try:
            serve(present, far)
        except (BrokenPipeError, ConnectionResetError):  # the probe has closed its end
            return
