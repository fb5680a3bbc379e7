"""`python -m collectors.simulator.demo_server`: real SSH servers, one a node, behind which the real probe runs.

Each node has a port of its own, so that a node that is down refuses connections as a real one does. Probe and hands run
in children of the zygote; other commands are carried out by the simulated tools of the node, and by nothing else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh

from collectors.simulator import no_programs, node_programs, scheduler, shell, ssh_server
from collectors.simulator.desk import open_desk
from collectors.simulator.faults import Incident, scenarios
from collectors.simulator.floor import Floor, NodePlan, plan_floor
from collectors.simulator.machine import Machine
from collectors.simulator.order import Ended
from collectors.simulator.record import FILE, Record
from collectors.simulator.ssh_files import ADDRESS, write_client_files
from collectors.simulator.story import Story

_WATCH_SECONDS = 0.25
_READ_SIZE = 1 << 16


class Session(asyncssh.SSHServerSession[bytes]):
    """One command on one node: the probe, the hands, or something small."""

    def __init__(
        self, plan: NodePlan, start: Callable[[int, str], socket.socket], present: Callable[[], Machine]
    ) -> None:
        self._plan = plan
        self._start = start
        self._present = present
        self._early: list[bytes] = []  # what came before the program's socket was ready
        self._writer: asyncio.StreamWriter | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def session_started(self) -> None:
        program = node_programs.COMMANDS.get(self._command)
        if program is not None:
            self._task = asyncio.create_task(self._run(program))
            return
        ended = answer(self._plan, self._command, self._present)
        self._chan.write(ended.out.encode())
        self._chan.write_stderr(ended.err.encode())
        self._chan.exit(ended.exit)

    async def _run(self, program: str) -> None:
        """Pass on what it says, no faster than the console reads."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._start(self._plan.index, program))
        for data in self._early:
            self._writer.write(data)
        with suppress(OSError):
            while data := await reader.read(_READ_SIZE):
                await self._may_write.wait()
                self._chan.write(data)
        self._chan.exit(0)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._writer is None:
            self._early.append(data)
        else:
            self._writer.write(data)

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Probe and hands end when their standard input does."""
        if self._task is not None:
            self._task.cancel()
        if self._writer is not None:
            self._writer.close()


def answer(plan: NodePlan, command: str, present: Callable[[], Machine]) -> Ended:
    """What comes of a command that is none of our programs."""
    known = {
        "true": "",
        "hostname": f"{plan.name}\n",
        "whoami": "ops\n",
        "python3 --version": f"Python {sys.version.split()[0]}\n",
        "uname -a": f"Linux {plan.name} 6.8.0-52-generic {plan.shape.machine} GNU/Linux\n",
    }
    if command in known:
        return Ended(out=known[command])
    return shell.run(present(), scheduler.bare(shlex.split(command)))


class Node:
    """The SSH server of one node: listening while the node is up."""

    def __init__(self, plan: NodePlan, demo: Demo) -> None:
        self.plan = plan
        self._demo = demo
        self._machine: Machine | None = None
        self._listener: asyncssh.SSHAcceptor | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._reserved = _bound(0)
        self.port: int = self._reserved.getsockname()[1]

    async def up(self) -> None:
        if self._listener is None:
            self._listener = await asyncssh.listen(
                sock=self._reserved, server_factory=lambda: Connection(self), **self._demo.options
            )

    async def down(self) -> None:
        """Cut what is connected and refuse what comes; the port stays ours."""
        if self._listener is None:
            return
        self._listener.close()
        await self._listener.wait_closed()
        self._listener, self._reserved = None, _bound(self.port)
        for connection in list(self._connections):
            connection.abort()

    def joined(self, connection: asyncssh.SSHServerConnection) -> None:
        self._connections.add(connection)

    def left(self, connection: asyncssh.SSHServerConnection) -> None:
        self._connections.discard(connection)

    def session(self) -> Session:
        return Session(self.plan, self._demo.start, self._present)

    def _present(self) -> Machine:
        """The machine as it is now, for commands beside the probe, which has one of its own."""
        if self._machine is None:
            self._machine = Machine(self._demo.floor, self.plan, self._demo.incidents, self._demo.record)
        return self._machine.at(self._demo.elapsed())


class Connection(asyncssh.SSHServer):
    """One connection to a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._node.joined(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._node.left(self._connection)

    def session_requested(self) -> Session:
        return self._node.session()


class Demo:
    """All nodes of one demo, and the zygote that makes their probes."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.floor: Floor = plan_floor(settings["nodes"], settings["seed"])
        self.incidents: Sequence[Incident] = scenarios()[settings["scenario"]].place(self.floor)
        self.record = Record(Path(settings["folder"]) / FILE)
        self._story = Story(self.incidents, self.record)
        self.options = ssh_server.server_options(Path(settings["folder"]))
        self.nodes = [Node(plan, self) for plan in self.floor.nodes]
        self._control = _start_zygote(settings)

    def elapsed(self) -> float:
        return self.record.elapsed(time.time(), self.settings["began_at"])

    def start(self, node: int, program: str) -> socket.socket:
        """The near end of the standard input and output of a new probe, or of new hands."""
        near, far = socket.socketpair()
        with far:
            socket.send_fds(self._control, [f"{node} {program}".encode()], [far.fileno()])
        near.setblocking(False)
        return near

    async def watch(self) -> None:
        """Take nodes down and up as the incidents say, and whoever reboots them."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            elapsed = self.elapsed()
            for node in self.nodes:
                await (node.down() if self._story.is_down(node.plan.index, elapsed) else node.up())


def _bound(port: int) -> socket.socket:
    """A socket that has a port and doesn't listen: connections to it are refused."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((ADDRESS, port))
    sock.setblocking(False)
    return sock


def _start_zygote(settings: dict[str, Any]) -> socket.socket:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with far:
        command = [sys.executable, "-m", "collectors.simulator.zygote"]
        subprocess.Popen(command, stdin=far.fileno(), stdout=subprocess.DEVNULL)
    near.send(json.dumps(settings).encode())
    return near


async def start(settings: dict[str, Any]) -> dict[str, Any]:
    """Start all nodes and say where they are."""
    asyncssh.set_log_level(logging.ERROR)
    ssh_server.send_like_sshd()
    folder = Path(settings["folder"])
    ssh_server.make_keys(folder)
    settings["began_at"] = time.time() - settings["ahead"]
    demo = Demo(settings)
    no_programs.refuse()
    for node in demo.nodes:
        await node.up()
    write_client_files(folder, [(node.plan.name, node.port) for node in demo.nodes])
    ssh_server.keep(asyncio.create_task(demo.watch()))
    desk = await open_desk(folder)
    return {"ports": [node.port for node in demo.nodes], "began_at": settings["began_at"], "desk": desk}


if __name__ == "__main__":
    ssh_server.serve(start)
