"""One SSH connection: dialling, verifying the host key, authenticating, and running programs over it.

Every phase has its own failure, so that a person is told which one it was. Imports asyncssh, so it is imported itself
only when a connection is made. Must not do: accept a host key that known_hosts doesn't hold, or ask a person anything.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from typing import Any

import asyncssh
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from collectors.transports import ssh_trouble as trouble
from collectors.transports.known_hosts import Entry, Trust
from collectors.transports.ssh_keys import KeyRing
from collectors.transports.ssh_proxy import Proxy
from collectors.transports.ssh_target import Target
from collectors.transports.ssh_trouble import Attempt
from watchfloor.errors import StreamError, WatchfloorError
from watchfloor.model import Problem
from watchfloor.ports import StreamReceiver

CIPHERS = "^aes128-gcm@openssh.com"  # the cheapest for many small packets; the others stay behind it
WINDOW_BYTES = 512 * 1024  # what a node may send before it is read: bounds the memory of a paused channel
REKEY_SECONDS = 3600.0
_CLOSE_SECONDS = 2.0
_KILLED_ADVICE = "see the node's kernel log: out of memory, a limit of this user, a crash in a driver's library"
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


class _Client(asyncssh.SSHClient):
    """asyncssh asks it for trust and for keys. Each `no` is final; nothing prompts."""

    def __init__(self, attempt: Attempt, ring: KeyRing) -> None:
        self._attempt = attempt
        self._ring = ring
        self._offers_made = False

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._attempt.connection = conn

    def begin_auth(self, username: str) -> None:
        self._attempt.verified = True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._attempt.after is not None:
            self._attempt.after()

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self._attempt.offered = key
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self._attempt.offered = key
        return False

    async def public_key_auth_requested(self) -> Any:
        if self._offers_made:
            return None
        self._offers_made = True
        return await self._ring.offers(self._attempt.notes) or None

    def password_auth_requested(self) -> None:
        self._attempt.methods.add("password")

    def kbdint_auth_requested(self) -> None:
        self._attempt.methods.add("keyboard-interactive")


class Link:
    """An authenticated connection. `users` counts the channels, and the connections that lead through it."""

    def __init__(self, attempt: Attempt, connection: asyncssh.SSHClientConnection) -> None:
        self.target = attempt.target
        self.users = 0
        self._attempt = attempt
        self._connection = connection
        self._closing = False

    @property
    def open(self) -> bool:
        return not self._closing and not self._connection.is_closed()

    @property
    def tunnel(self) -> asyncssh.SSHClientConnection:
        """For a connection that leads through this one."""
        return self._connection

    def when_closed(self, after: Callable[[], None]) -> None:
        """Call `after` once when the connection is over, however it ends."""
        if self._connection.is_closed():
            after()
        else:
            self._attempt.after = after

    async def start(self, command: str, receiver: StreamReceiver) -> SshChannel:
        """Run a command on a new channel. Raises ConnectError where the server doesn't let it within the timeout."""
        session = _Session(receiver, self.target)
        self.users += 1
        try:
            async with asyncio.timeout(self.target.timeout):
                channel, _ = await self._connection.create_session(
                    lambda: session, command, encoding=None, request_pty=False, send_env=None, window=WINDOW_BYTES,
                    env=list(self.target.environment),
                )  # fmt: skip
        except BaseException as error:
            self.release()
            if isinstance(error, TimeoutError | asyncssh.Error | OSError):
                raise trouble.not_started(self.target, error) from error
            raise
        return SshChannel(channel, self, session)

    def release(self) -> None:
        """One user less; the last one closes the connection."""
        self.users -= 1
        if self.users <= 0:
            self._closing = True
            self._connection.close()

    async def end(self) -> None:
        """Close now, whatever runs. Takes at most 2 s."""
        self._closing = True
        self._connection.close()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._connection.wait_closed()
        except (TimeoutError, asyncssh.Error, OSError):
            self._connection.abort()


class _Session(asyncssh.SSHClientSession[bytes]):
    """Hands what comes in to the receiver. An exception of the receiver's must not reach asyncssh's connection."""

    def __init__(self, receiver: StreamReceiver, target: Target) -> None:
        self._receiver = receiver
        self._target = target
        self._status: int | None = None
        self._signal = ""
        self.over = False

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self.over:
            return
        if datatype is None:
            self._receiver.data(data)
        else:
            self._receiver.error_output(data)

    def exit_status_received(self, status: int) -> None:
        self._status = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self._signal = signal

    def connection_lost(self, exc: Exception | None) -> None:
        if self.over:
            return
        self.over = True
        self._receiver.ended(self._error(exc), self._status)

    def _error(self, exc: Exception | None) -> WatchfloorError | None:
        if self._signal:
            text = f"the program on {self._target.alias} was ended by SIG{self._signal}"
            return StreamError(Problem.CLOSED, text, _KILLED_ADVICE)
        if exc is not None:
            return StreamError(Problem.CLOSED, f"the connection to {self._target.place} broke: {trouble.words(exc)}")
        if self._status is None:
            return StreamError(Problem.CLOSED, f"{self._target.place} closed the connection", trouble.CLOSED_ADVICE)
        return None


class SshChannel:
    """ports.Channel over one SSH session."""

    def __init__(self, channel: asyncssh.SSHClientChannel[bytes], link: Link, session: _Session) -> None:
        self._channel = channel
        self._link: Link | None = link
        self._session = session

    def write(self, data: bytes) -> None:
        if not self._channel.is_closing():
            self._channel.write(data)

    def pause(self) -> None:
        self._channel.pause_reading()

    def resume(self) -> None:
        self._channel.resume_reading()

    async def close(self) -> None:
        """The standard input ends, which ends the probe. What still comes in is dropped, not delivered."""
        link, self._link = self._link, None
        if link is None:
            return
        self._session.over = True
        self._channel.abort()
        link.release()


async def dial(target: Target, resolver: Executor) -> socket.socket:
    """A TCP connection to the first address that takes it. Raises ConnectError (NAME, REFUSED, UNREACHABLE)."""
    loop = asyncio.get_running_loop()
    last: OSError | None = None
    for family, address in await _addresses(target, resolver):
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if target.bind_address:
                sock.bind((target.bind_address, 0))
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            last = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise trouble.not_connected(target, last or OSError("no address"))


async def _addresses(target: Target, resolver: Executor) -> list[tuple[int, Any]]:
    """Names are looked up in threads of their own: a resolver that hangs must not hold the loop or its executor."""
    family = _FAMILIES.get(target.family, socket.AF_UNSPEC)
    try:
        numeric = ipaddress.ip_address(target.host)
    except ValueError:
        numeric = None
    if numeric is not None:
        return [(socket.AF_INET if numeric.version == 4 else socket.AF_INET6, (target.host, target.port))]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.run_in_executor(
            resolver, lambda: socket.getaddrinfo(target.host, target.port, family, socket.SOCK_STREAM)
        )
    except (socket.gaierror, UnicodeError) as error:
        raise trouble.no_such_name(target, error) from error
    return [(of_family, address) for of_family, _, _, _, address in found]


async def connect(target: Target, trust: Trust, ring: KeyRing, via: Link | None, resolver: Executor) -> Link:
    """Dial, verify, authenticate, within the target's timeout. Raises ConnectError, HostKeyError among them."""
    attempt = Attempt(target, trust)
    if not target.proxy_command:
        return Link(attempt, await _connected(attempt, ring, via, None, resolver))
    try:
        proxy = Proxy(target.proxy_command)
    except OSError as error:
        raise trouble.not_connected(target, error) from error
    with ExitStack() as undo:
        undo.callback(proxy.end)
        try:
            link = Link(attempt, await _connected(attempt, ring, None, proxy, resolver))
        except trouble.Dropped as error:
            raise trouble.not_through_proxy(target, await proxy.last_words()) from error
        undo.pop_all()
    link.when_closed(proxy.end)
    return link


async def _connected(
    attempt: Attempt, ring: KeyRing, via: Link | None, proxy: Proxy | None, resolver: Executor
) -> asyncssh.SSHClientConnection:
    """Raises ConnectError."""
    target = attempt.target
    sock = proxy.sock if proxy else None
    try:
        async with asyncio.timeout(target.timeout):
            if via is None and sock is None:
                sock = await dial(target, resolver)
            way = {"tunnel": via.tunnel} if via is not None else {"sock": sock}
            return await asyncssh.connect(target.host, target.port, **way, **_options(attempt, ring))
    except TimeoutError as error:
        raise trouble.timed_out(attempt, dialled=sock is not None) from error
    except (asyncssh.Error, OSError, ValueError) as error:
        raise trouble.not_accepted(attempt, error) from error
    finally:
        if sock is not None and attempt.connection is None:
            sock.close()  # asyncssh never took it over


def _options(attempt: Attempt, ring: KeyRing) -> dict[str, Any]:
    """For asyncssh.connect: nothing is left to its own reading of files, and known_hosts is always given."""
    target = attempt.target
    options: dict[str, Any] = {
        "config": None, "username": target.user, "client_factory": lambda: _Client(attempt, ring),
        "known_hosts": lambda host, addr, port: _trusted(attempt.trust),
        "host_key_alias": target.host_key_alias or None,  # the name that a host certificate must be for
        "client_keys": None, "x509_trusted_certs": None, "x509_trusted_cert_paths": [""],
        "preferred_auth": ["publickey", "keyboard-interactive", "password"], "gss_auth": False, "gss_kex": False,
        "encryption_algs": target.ciphers or CIPHERS, "agent_forwarding": False, "login_timeout": 0,
        "compression_algs": ["zlib@openssh.com", "none"] if target.compression else ["none"],
        "rekey_seconds": REKEY_SECONDS * random.uniform(0.5, 1.0),  # not all of a fleet in the same moment
        "keepalive_interval": target.alive_interval, "keepalive_count_max": max(1, target.alive_count),
        "server_host_key_algs": target.host_key_algorithms or _host_key_order(attempt.trust),
    }  # fmt: skip
    if target.key_exchanges:
        options["kex_algs"] = target.key_exchanges
    if target.macs:
        options["mac_algs"] = target.macs
    return options


def _trusted(trust: Trust) -> tuple[list[asyncssh.SSHKey], ...]:
    """Trusted keys, CAs and revoked keys, and no X.509 at all."""
    return (_keys(trust.keys), _keys(trust.authorities), _keys(trust.revoked), [], [], [], [])


def _keys(entries: tuple[Entry, ...]) -> list[asyncssh.SSHKey]:
    keys = []
    for entry in entries:
        try:
            keys.append(asyncssh.import_public_key(f"{entry.key_type} {entry.key}"))
        except asyncssh.KeyImportError:
            continue  # a type of key that asyncssh doesn't know can't be what the server proves either
    return keys


def _host_key_order(trust: Trust) -> list[str]:
    """Types of host key to ask for: those that known_hosts can verify first, then the rest, to be turned down by name.

    Certificates are asked for only where a CA is known; otherwise the server shows its plain key.
    """
    known = [algorithm for key in _keys(trust.keys) for algorithm in key.sig_algorithms]
    certificates = get_default_certificate_algs() if trust.authorities else []
    return [alg.decode() for alg in dict.fromkeys([*certificates, *known, *get_default_public_key_algs()])]
