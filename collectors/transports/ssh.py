"""Transport over SSH: programs on nodes, reached as `ssh` would reach them.

One connection a node, shared by all that runs there; one connection a jump host, shared by all nodes behind it. Host
keys are always verified, and known_hosts is never written. asyncssh is imported with the first connect, for it costs
a command that needs no node 0.2 s. Must not do: try again later (that is the supervisor's).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from collectors.pace import Pace
from collectors.transports import known_hosts
from collectors.transports.ssh_config import SshConfig
from collectors.transports.ssh_target import Credentials, Target, config_files, resolve
from watchfloor.errors import ConfigError, ConnectError, HostKeyError
from watchfloor.model import NodeSpec, Problem
from watchfloor.ports import Channel, Clock, StreamReceiver

if TYPE_CHECKING:
    from collectors.transports.ssh_keys import KeyRing
    from collectors.transports.ssh_link import Link

HANDSHAKES_PER_SERVER = 8  # sshd drops connections above 10 unauthenticated ones (MaxStartups 10:30:100)
CONNECTS_PER_SECOND_BEHIND_JUMP = 100.0
DROP_RETRIES = 5
_FAILED_JUMP_SECONDS = 2.0  # those who ask for a jump host that has just failed get the same answer
_RESOLVER_THREADS = 16

_Stamp = tuple[tuple[str, int, int], ...]


class WallClock:
    """The computer's own clock (ports.Clock)."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


@dataclass(slots=True)
class _Server:
    """What is remembered of one server address: its free handshakes, and the pace of connects through it."""

    handshakes: asyncio.Semaphore
    through: Pace


@dataclass(slots=True)
class _Entry:
    """A connection that stands, or is being made; `failed` is how and when it last failed."""

    task: asyncio.Task[Link] | None = None
    failed: tuple[float, ConnectError] | None = None


@dataclass
class SshTransport:
    """ports.Transport over asyncssh. Use it from one event loop."""

    clock: Clock = field(default_factory=WallClock)
    rng: random.Random = field(default_factory=random.Random)
    _configs: dict[tuple[str, ...], tuple[SshConfig, _Stamp]] = field(default_factory=dict)
    _known: dict[tuple[str, ...], tuple[known_hosts.KnownHosts, _Stamp]] = field(default_factory=dict)
    _rings: dict[Credentials, KeyRing] = field(default_factory=dict)
    _servers: dict[tuple[str, int, str], _Server] = field(default_factory=dict)
    _jumps: dict[Target, _Entry] = field(default_factory=dict)
    _nodes: dict[str, _Entry] = field(default_factory=dict)
    _resolver: ThreadPoolExecutor | None = None

    async def start(self, node: NodeSpec, command: str, receiver: StreamReceiver) -> Channel:
        """Start a constant command line on the node, over its connection, which is made where there is none.

        Raises ConnectError (HostKeyError among them), within the connect timeout and the waits for a turn.
        """
        target = await self.target(node)
        link = await self._standing(self._nodes.setdefault(node.name, _Entry()), target)
        return await link.start(command, receiver)

    async def target(self, node: NodeSpec) -> Target:
        """Where `start` would go. Raises ConnectError where ssh_config can't be followed."""
        try:
            config = self._config(node)
        except ConfigError as error:
            raise ConnectError(Problem.UNREACHABLE, f"ssh_config: {error}") from error
        if config.runs_commands:
            return await asyncio.to_thread(resolve, node, config)
        return resolve(node, config)

    async def close(self) -> None:
        """Close every connection, nodes first. Takes a few seconds at most."""
        for entries in (self._nodes, self._jumps):
            tasks = [entry.task for entry in entries.values() if entry.task is not None]
            entries.clear()
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(link.end() for link in ended if not isinstance(link, BaseException)))
        for ring in self._rings.values():
            ring.close()
        if self._resolver is not None:
            self._resolver.shutdown(wait=False, cancel_futures=True)
            self._resolver = None

    # -- connections

    async def _standing(self, entry: _Entry, target: Target) -> Link:
        """The connection of this entry; made once, however many ask for it at the same time."""
        if entry.task is not None and entry.task.done():
            if not entry.task.cancelled() and entry.task.exception() is None and entry.task.result().open:
                return entry.task.result()
            entry.task = None
        task = entry.task = entry.task or asyncio.create_task(self._connect(target))
        try:
            return await asyncio.shield(task)
        except ConnectError as error:
            entry.failed = (self.clock.monotonic(), error)
            if entry.task is task:
                entry.task = None
            raise

    async def _connect(self, target: Target) -> Link:
        """A new connection; through a jump host where there is one. Tries again what MaxStartups dropped."""
        from collectors.transports.ssh_trouble import Dropped  # noqa: PLC0415 (imports asyncssh: 0.2 s)

        for tried in range(DROP_RETRIES):
            try:
                return await self._connect_once(target)
            except Dropped:
                if tried == DROP_RETRIES - 1:
                    raise
            await asyncio.sleep(0.1 * 2**tried * self.rng.uniform(0.5, 1.5))
        raise AssertionError("the last try returns or raises")

    async def _connect_once(self, target: Target) -> Link:
        from collectors.transports.ssh_link import connect  # noqa: PLC0415 (imports asyncssh: 0.2 s)

        trust = self._known_hosts(target.known_hosts_files).trust(target.host, target.port, target.host_key_alias)
        ring = self._ring(target.credentials)
        server = self._server(target)
        if target.jump is None:
            async with server.handshakes:
                return await connect(target, trust, ring, None, self._threads())
        jump = await self._jump(target.jump)
        jump.users += 1
        try:
            await self._server(target.jump).through.turn()
            async with server.handshakes:
                link = await connect(target, trust, ring, jump, self._threads())
        except BaseException:
            jump.release()
            raise
        link.when_closed(jump.release)
        return link

    async def _jump(self, target: Target) -> Link:
        entry = self._jumps.setdefault(target, _Entry())
        if entry.failed and self.clock.monotonic() - entry.failed[0] < _FAILED_JUMP_SECONDS:
            raise _of_jump(target, entry.failed[1])
        try:
            return await self._standing(entry, target)
        except ConnectError as error:
            raise _of_jump(target, error) from error

    def _server(self, target: Target) -> _Server:
        """By address; nodes behind one ProxyCommand count as one, for their gateway sees all the handshakes."""
        key = ("", 0, target.proxy_key) if target.proxy_key else (target.host, target.port, "")
        if key not in self._servers:
            self._servers[key] = _Server(
                asyncio.Semaphore(HANDSHAKES_PER_SERVER),
                Pace(CONNECTS_PER_SECOND_BEHIND_JUMP, HANDSHAKES_PER_SERVER, self.clock),
            )
        return self._servers[key]

    def _threads(self) -> ThreadPoolExecutor:
        if self._resolver is None:
            self._resolver = ThreadPoolExecutor(_RESOLVER_THREADS, "resolver")
        return self._resolver

    # -- what is read from files

    def _config(self, node: NodeSpec) -> SshConfig:
        for name in node.ssh.config_files:
            if not Path(name).expanduser().is_file():
                raise ConfigError("no such file", file=name)
        files = config_files(node.ssh)
        held = self._configs.get(files)
        if held is None or held[1] != _stamp(held[0].read):
            config = SshConfig(files)
            held = self._configs[files] = (config, _stamp(config.read))
        return held[0]

    def _known_hosts(self, files: tuple[str, ...]) -> known_hosts.KnownHosts:
        held, stamp = self._known.get(files), _stamp(files)
        if held is None or held[1] != stamp:
            held = self._known[files] = (known_hosts.load(files), stamp)
        return held[0]

    def _ring(self, credentials: Credentials) -> KeyRing:
        from collectors.transports.ssh_keys import KeyRing  # noqa: PLC0415 (imports asyncssh: 0.2 s)

        if credentials not in self._rings:
            self._rings[credentials] = KeyRing(credentials)
        return self._rings[credentials]


def _of_jump(target: Target, error: ConnectError) -> ConnectError:
    kind = HostKeyError if isinstance(error, HostKeyError) else ConnectError
    return kind(error.problem, f"jump host {target.place}: {error.message}", error.advice)


def _stamp(files: Sequence[str]) -> _Stamp:
    """Changes when one of the files does, comes or goes."""
    found = []
    for name in files:
        try:
            status = Path(name).stat()
        except OSError:
            continue
        found.append((name, status.st_mtime_ns, status.st_size))
    return tuple(found)
