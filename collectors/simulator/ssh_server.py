"""What the simulated SSH servers share: keys, options, and ending with the owner. Runs in the server's process."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh
from asyncssh.connection import SSHServerConnection
from asyncssh.constants import MSG_IGNORE

from collectors.simulator.ssh_files import HOST_KEY, USER_KEY

Settings = dict[str, Any]
Start = Callable[[Settings], Awaitable[dict[str, Any]]]


def make_keys(folder: Path) -> None:
    """A key for the user and one for the hosts, readable by their owner alone."""
    folder.chmod(0o700)
    for name in (USER_KEY, HOST_KEY):
        key = asyncssh.generate_private_key("ssh-ed25519", comment="watchfloor simulator")
        path = folder / name
        path.touch(0o600)
        key.write_private_key(path)
        key.write_public_key(path.with_suffix(".pub"))


BACKLOG = 1024  # connects of a storm that may wait for their turn


def server_options(folder: Path) -> dict[str, Any]:
    """For `asyncssh.listen`: one key, modern algorithms, no forwarding."""
    return {
        "server_host_keys": [str(folder / HOST_KEY)],
        "authorized_client_keys": str((folder / USER_KEY).with_suffix(".pub")),
        "encryption_algs": ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"],
        "kex_algs": ["curve25519-sha256"],
        "compression_algs": None,
        "encoding": None,
        "password_auth": False,
        "kbdint_auth": False,
        "x11_forwarding": False,
        "agent_forwarding": False,
        "login_timeout": 30,
        "backlog": BACKLOG,
        "gss_host": None,
    }


def send_like_sshd() -> None:
    """Leave out the empty packet that asyncssh puts before each one of data.

    It guards ciphers in CBC mode, which are not offered here; sshd doesn't send it, and it would cost the console a
    decryption more for each report than a real node does.
    """
    send = SSHServerConnection.send_packet

    def send_packet(self: SSHServerConnection, pkttype: int, *args: bytes, **options: Any) -> None:
        if pkttype != MSG_IGNORE:
            send(self, pkttype, *args, **options)

    SSHServerConnection.send_packet = send_packet


def raise_descriptor_limit() -> None:
    """As many open files as this user may have: a connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def serve(start: Start) -> None:
    """Run a server process: settings from the first line of standard input, the answer to standard output, then
    until standard input ends, which is when the owner does."""
    settings = json.loads(sys.stdin.buffer.readline())
    raise_descriptor_limit()
    try:
        asyncio.run(_until_orphaned(start, settings))
    finally:
        if settings["remove"]:
            shutil.rmtree(settings["folder"], ignore_errors=True)


_kept: set[asyncio.Task[Any]] = set()


def keep(task: asyncio.Task[Any]) -> None:
    """Let a task run for as long as the server does; its failure ends the server."""
    _kept.add(task)
    task.add_done_callback(lambda done: os._exit(1) if not done.cancelled() and done.exception() else None)


async def _until_orphaned(start: Start, settings: Settings) -> None:
    loop, orphaned = asyncio.get_running_loop(), asyncio.Event()
    os.set_blocking(0, False)
    loop.add_reader(0, lambda: os.read(0, 4096) or orphaned.set())
    answer = await start(settings)
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    await orphaned.wait()
