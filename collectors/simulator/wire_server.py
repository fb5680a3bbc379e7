"""`python -m collectors.simulator.wire_server`: thousands of nodes that speak only the wire, in one process.

Every node is a user of an SSH server on loopback, which has a few ports. What comes in for the probe is swallowed,
what goes out is made by `wire_lines`. One timer serves all nodes, so that the server leaves the processor to the
console under test.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import logging
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh

from collectors.simulator import ssh_server
from collectors.simulator.ssh_files import ADDRESS, write_client_files
from collectors.simulator.wire_lines import (
    Script,
    accelerator_keys,
    hello_line,
    identity_line,
    make_scripts,
    schema_line,
)

FAULTS = ("hang", "silent", "garbage", "flood", "close")
FAULT_AFTER_TICKS = 3
PORTS = 64  # the console holds back handshakes with one server, and a fleet is many servers
_FLOOD_LINES = 64
_WAKE_SECONDS = 0.005  # ticks closer than this share one awakening


class Wheel:
    """One timer for the ticks of all nodes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._count = 0

    def at(self, due: float, call: Callable[[], None]) -> None:
        """Call once at loop time `due`."""
        self._count += 1  # keeps the heap from comparing functions
        heapq.heappush(self._due, (due, self._count, call))
        if self._timer is None or due < self._timer.when():
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = max(self._due[0][0], self._loop.time() + _WAKE_SECONDS)
        self._timer = self._loop.call_at(due, self._run)

    def _run(self) -> None:
        now = self._loop.time()
        self._timer = None
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
        if self._due:
            self._arm()


class Shared:
    """What the nodes of this process have in common."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.accelerators: int = settings["accelerators"]
        self.same_instant: bool = settings["same_instant"]
        self.faults: dict[int, str] = {int(node): fault for node, fault in settings["faults"].items()}
        self.scripts: list[Script] = make_scripts(self.accelerators, settings["seed"])
        self.started_at = time.time()
        self.loop = asyncio.get_running_loop()
        self.wheel = Wheel(self.loop)


class Session(asyncssh.SSHServerSession[bytes]):
    """One node's probe, as the console sees it."""

    def __init__(self, shared: Shared, user: str) -> None:
        self._shared = shared
        self._name = user
        self._node = int(user.lstrip("n"))
        self._script = shared.scripts[self._node % len(shared.scripts)]
        self._step = self._node * 7  # neighbours with the same script are elsewhere in it
        self._boot = str(uuid.uuid5(uuid.NAMESPACE_DNS, user))
        self._keys = accelerator_keys(self._node, shared.accelerators)
        self._fault = shared.faults.get(self._node, "")
        self._buffer = bytearray()
        self._archive_left = -1  # bytes of the probe still to come; -1 until its header is read
        self._tick = 0
        self._period, self._full_every = 1.0, 60
        self._due = 0.0
        self._open = False
        self._paused = False

    # -- what asyncssh calls

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def exec_requested(self, command: str) -> bool:
        self._open = True
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._open = False

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._fault == "flood" and self._tick > FAULT_AFTER_TICKS:
            self._shared.loop.call_soon(self._flood)

    def eof_received(self) -> bool:
        self._chan.exit(0)
        return False

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._buffer += data
        if self._archive_left < 0:
            self._read_header()
        if self._archive_left > 0:
            taken = min(self._archive_left, len(self._buffer))
            del self._buffer[:taken]
            self._archive_left -= taken
            if self._archive_left == 0:
                self._begin()
        while self._archive_left == 0 and b"\n" in self._buffer:
            line, _, rest = self._buffer.partition(b"\n")
            self._buffer = rest
            self._told(json.loads(line))

    # -- the probe's side of the wire

    def _read_header(self) -> None:
        header, newline, rest = self._buffer.partition(b"\n")
        if newline:
            size, digest = header.split()
            self._archive_left, self._digest, self._buffer = int(size), digest.decode(), rest

    def _begin(self) -> None:
        if self._fault == "hang":
            return
        self._step += int(time.time() - self._shared.started_at)
        self._write(hello_line(self._name, self._boot, self._digest, time.time()))
        self._write(schema_line(self._keys))
        self._report(full=True)

    def _told(self, message: dict[str, Any]) -> None:
        if self._fault == "hang":
            return
        kind = message["t"]
        if kind == "ping":
            self._write(b'{"t":"pong","id":%d,"at":%.6f}\n' % (message["id"], time.time()))
        elif kind == "full":
            self._report(full=True)
        elif kind == "settings":
            self._set(message)

    def _set(self, message: dict[str, Any]) -> None:
        first_settings = self._due == 0.0
        self._period, self._full_every = float(message["period"]), int(message["full_every"])
        self._due = self._shared.loop.time() + float(message["delay"])
        if self._shared.same_instant:
            self._due = float(int(self._due) + 1)
        if first_settings:
            self._shared.wheel.at(self._due, self._run)

    def _run(self) -> None:
        if not self._open:
            return
        if self._fault and self._tick > FAULT_AFTER_TICKS:
            self._misbehave()
            return
        self._step += 1
        self._report(full=self._full_every > 0 and self._tick % self._full_every == 0)
        self._due = max(self._due + self._period, self._shared.loop.time() - self._period)
        self._shared.wheel.at(self._due, self._run)

    def _report(self, full: bool) -> None:
        self._tick += 1
        now = time.time()
        if full:
            self._write(identity_line(self._name, self._boot, self._keys, self._tick, now))
            self._tick += 1
        uptime = int(now - self._shared.started_at) + 86_400 * (1 + self._node % 40)
        self._write(self._script.line(self._step, self._tick, now, uptime, full))

    def _write(self, line: bytes) -> None:
        if self._open:
            self._chan.write(line)

    # -- faults

    def _misbehave(self) -> None:
        if self._fault == "garbage":
            self._write(b"Segmentation fault (core dumped)\n\x00\xff\xfe}{\n")
        elif self._fault == "close":
            self._write(b'{"t":"report","n":7,"gener')
            self._chan.exit(0)
        elif self._fault == "flood":
            self._flood()

    def _flood(self) -> None:
        if self._open and not self._paused:
            self._write(self._script.line(self._step, self._tick, time.time(), 0, True) * _FLOOD_LINES)
            self._shared.loop.call_soon(self._flood)


class Server(asyncssh.SSHServer):
    """One connection: the user's name is the node's."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._user = ""

    def begin_auth(self, username: str) -> bool:
        self._user = username
        return True

    def session_requested(self) -> Session:
        return Session(self._shared, self._user)


async def start(settings: dict[str, Any]) -> dict[str, Any]:
    """Listen, write the client's files, say where."""
    asyncssh.set_log_level(logging.ERROR)
    ssh_server.send_like_sshd()
    folder = Path(settings["folder"])
    ssh_server.make_keys(folder)
    shared = Shared(settings)
    options = ssh_server.server_options(folder)
    listeners = [
        await asyncssh.listen(ADDRESS, 0, server_factory=lambda: Server(shared), **options) for _ in range(PORTS)
    ]
    ports = [listener.get_port() for listener in listeners]
    write_client_files(folder, [(f"wire{number}", port) for number, port in enumerate(ports)])
    return {"ports": ports}


if __name__ == "__main__":
    ssh_server.serve(start)
