"""The files through which a client finds the simulated servers: all below one private folder, none of the user's own.

Needs no asyncssh: the console reads the names, the server writes the contents.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from watchfloor.model import SshOptions

USER_KEY = "id_ed25519"
HOST_KEY = "host_ed25519"
KNOWN_HOSTS = "known_hosts"
CONFIG = "ssh_config"
ADDRESS = "127.0.0.1"
CONNECT_TIMEOUT_SECONDS = 20.0  # generous: both ends of a storm of connects share one machine


def client_options(folder: Path, user: str, port: int) -> SshOptions:
    """How a NodeSpec names a simulated node's server."""
    return SshOptions(
        user=user,
        port=port,
        identity_files=(str(folder / USER_KEY),),
        config_files=(str(folder / CONFIG),),
        known_hosts_files=(str(folder / KNOWN_HOSTS),),
        connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS,
    )


def write_client_files(folder: Path, hosts: Sequence[tuple[str, int]]) -> None:
    """`known_hosts` and `ssh_config` for hosts given as (alias, port): `ssh -F folder/ssh_config alias` works too."""
    public = (folder / HOST_KEY).with_suffix(".pub").read_text().strip()
    ports = sorted({port for _, port in hosts})
    (folder / KNOWN_HOSTS).write_text("".join(f"[{ADDRESS}]:{port} {public}\n" for port in ports))
    aliases = "".join(f"Host {alias}\n  HostName {ADDRESS}\n  Port {port}\n" for alias, port in hosts)
    (folder / CONFIG).write_text(
        f"{aliases}Host *\n  User demo\n  IdentityFile {folder / USER_KEY}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder / KNOWN_HOSTS}\n  GlobalKnownHostsFile /dev/null\n"
        "  StrictHostKeyChecking yes\n  IdentityAgent none\n"
    )
