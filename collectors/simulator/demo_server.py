"""`python -m collectors.simulator.demo_server`: real SSH servers, one a node, behind which the real probe runs.

Each node has a port of its own, so that a node that is down refuses connections as a real one does. The probe runs in a
child of the zygote; other commands get the answer that such a node would give.
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

from collectors import payload
from collectors.simulator import scheduler, ssh_server
from collectors.simulator.faults import Incident, scenarios
from collectors.simulator.floor import Floor, NodePlan, plan_floor
from collectors.simulator.machine import Machine
from collectors.simulator.ssh_files import ADDRESS, write_client_files
from collectors.simulator.tools import tools

_WATCH_SECONDS = 0.25
_READ_SIZE = 1 << 16
_SLURM = ("squeue", "scontrol", "sacct")


class Session(asyncssh.SSHServerSession[bytes]):
    """One command on one node: the probe, or something small."""

    def __init__(
        self, plan: NodePlan, start_probe: Callable[[int], socket.socket], present: Callable[[], Machine]
    ) -> None:
        self._plan = plan
        self._start_probe = start_probe
        self._present = present
        self._early: list[bytes] = []  # what came before the probe's socket was ready
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
        if self._command == payload.COMMAND:
            self._task = asyncio.create_task(self._run_probe())
            return
        status, text = answer(self._plan, self._command, self._present)
        self._chan.write(text.encode())
        self._chan.exit(status)

    async def _run_probe(self) -> None:
        """Pass on what the probe says, no faster than the console reads."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._start_probe(self._plan.index))
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
        """The probe ends when its standard input does."""
        if self._task is not None:
            self._task.cancel()
        if self._writer is not None:
            self._writer.close()


def answer(plan: NodePlan, command: str, present: Callable[[], Machine]) -> tuple[int, str]:
    """Exit status and output of a command that isn't the probe."""
    shape = plan.shape
    nvidia = shape.board if shape.vendor == "nvidia" else None
    cards = [f"GPU {index}: {nvidia.model}\n" for index in range(shape.boards)] if nvidia else []
    known = {
        "true": "",
        "hostname": f"{plan.name}\n",
        "whoami": "ops\n",
        "python3 --version": f"Python {sys.version.split()[0]}\n",
        "uname -a": f"Linux {plan.name} 6.8.0-52-generic {shape.machine} GNU/Linux\n",
        "nvidia-smi -L": "".join(cards),
    }
    if command in known and (nvidia or not command.startswith("nvidia-smi")):
        return 0, known[command]
    words = scheduler.bare(shlex.split(command)) or [""]
    said = _slurm(present(), words) if words[0] in _SLURM else None
    if said is not None:
        return 0, said
    for tool in tools(shape):
        if tool.program == words[0] and tool.answer is not None:
            return _told(tool.answer, present(), list(words))
    return 127, f"sh: 1: {words[0]}: not found (a simulated node knows few commands)\n"


def _slurm(machine: Machine, words: Sequence[str]) -> str | None:
    return scheduler.answer(machine, words, time.time() - machine.time)


def _told(ask: Callable[[Machine, list[str]], str], machine: Machine, words: list[str]) -> tuple[int, str]:
    try:
        return 0, ask(machine, words)
    except OSError as error:
        return 1, f"{error}\n"


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
        return Session(self.plan, self._demo.start_probe, self._present)

    def _present(self) -> Machine:
        """The machine as it is now, for commands beside the probe, which has one of its own."""
        if self._machine is None:
            self._machine = Machine(self._demo.floor, self.plan, self._demo.incidents)
        return self._machine.at(time.time() - self._demo.settings["began_at"])


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
        self.options = ssh_server.server_options(Path(settings["folder"]))
        self.nodes = [Node(plan, self) for plan in self.floor.nodes]
        self._control = _start_zygote(settings)

    def start_probe(self, node: int) -> socket.socket:
        """The near end of the standard input and output of a new probe."""
        near, far = socket.socketpair()
        with far:
            socket.send_fds(self._control, [str(node).encode()], [far.fileno()])
        near.setblocking(False)
        return near

    async def watch(self) -> None:
        """Take nodes down and up as the incidents say."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            elapsed = time.time() - self.settings["began_at"]
            down = {incident.node.index for incident in self.incidents if incident.faults_at(elapsed).down}
            for node in self.nodes:
                await (node.down() if node.plan.index in down else node.up())


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
    for node in demo.nodes:
        await node.up()
    write_client_files(folder, [(node.plan.name, node.port) for node in demo.nodes])
    ssh_server.keep(asyncio.create_task(demo.watch()))
    return {"ports": [node.port for node in demo.nodes], "began_at": settings["began_at"]}


if __name__ == "__main__":
    ssh_server.serve(start)
