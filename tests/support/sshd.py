"""Real OpenSSH servers for the tests: several "hosts" on loopback, with their own CA and keys, in one folder.

Nothing in ~/.ssh or /etc/ssh is read or written. Every server is stopped by its own process.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from getpass import getuser
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import parts
from tests.support.patience import PATIENCE_SECONDS
from watchfloor.model import NodeSpec, SshOptions

_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
{certificate}
PidFile none
AuthorizedKeysFile {lab}/authorized_keys
TrustedUserCAKeys {lab}/user_ca.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
AllowTcpForwarding yes
MaxStartups 100:30:200
UseDNS no
PrintMotd no
PrintLastLog no
LogLevel VERBOSE
"""


_GIVEN: set[int] = set()  # ports; not all of them are listened on at once


def need() -> None:
    """End the running test where no server can run here."""
    parts.program("sshd", "openssh-server")
    parts.program("ssh-keygen", "openssh-client")
    if not Path("/run/sshd").is_dir() and os.getuid() != 0:
        parts.missing("/run/sshd, which sshd wants and only root can make,")


def free_port() -> int:
    """A port that nothing listens on and no client is given meanwhile: below those that the system hands out."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            if port not in _GIVEN:
                _GIVEN.add(port)
                return port


def keygen(path: Path, comment: str, passphrase: str = "", kind: str = "ed25519") -> Path:
    _run("ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", comment, "-f", str(path))
    return path


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)


@dataclass
class Host:
    """One server. `extra` lines go to its sshd_config."""

    name: str
    lab: Lab
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        return self.lab.folder / self.name

    def start(self, extra: str = "", certificate: bool = False) -> Host:
        self.folder.mkdir(exist_ok=True)
        if not (self.folder / "host_key").exists():
            self.make_key()
        shown = f"HostCertificate {self.folder}/host_key-cert.pub" if certificate else ""
        text = _CONFIG.format(port=self.port, folder=self.folder, lab=self.lab.folder, certificate=shown)
        # the first value counts in sshd_config
        (self.folder / "sshd_config").write_text(extra + "\n" + text)
        self._launch()
        return self

    def _launch(self) -> None:
        command = [parts.program("sshd", "openssh-server"), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"sshd didn't start: {(self.folder / 'log').read_text()}")

    def make_key(self) -> None:
        """A (new) host key, and a certificate of the host CA for this host's name."""
        for old in self.folder.glob("host_key*"):
            old.unlink()
        key = keygen(self.folder / "host_key", self.name)
        _run("ssh-keygen", "-q", "-s", str(self.lab.folder / "host_ca"), "-h", "-I", self.name, "-n",
             f"{self.name},127.0.0.1", f"{key}.pub")  # fmt: skip

    @property
    def public_key(self) -> str:
        """Type and key, as in known_hosts."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    def sessions(self) -> list[int]:
        """Processes of sshd that serve a connection, by pid."""
        assert self.process is not None
        found = subprocess.run(
            ["ps", "--no-headers", "-o", "pid", "--ppid", str(self.process.pid)], capture_output=True, check=False
        )
        return [int(word) for word in found.stdout.split()]

    def cut(self) -> None:
        """Kill what serves the connections: to the other side, the connection breaks."""
        for pid in self.sessions():
            with suppress(ProcessLookupError):
                os.kill(pid, 9)

    def stop(self) -> None:
        if self.process is not None:
            self.cut()
            self.process.terminate()
            self.process.wait(PATIENCE_SECONDS)
            self.process = None


@cache
def _keys() -> Mapping[str, bytes]:
    """Files of key pairs, made once: an encrypted one costs a tenth of a second."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for key in ("user_ca", "host_ca", "id", "certified", "stranger"):
            keygen(folder / key, key)
        keygen(folder / "encrypted", "encrypted", passphrase="not empty")
        _run("ssh-keygen", "-q", "-s", str(folder / "user_ca"), "-I", "operator", "-n", getuser(),
             str(folder / "certified.pub"))  # fmt: skip
        return {file.name: file.read_bytes() for file in folder.iterdir()}


@dataclass
class Lab:
    """A folder with a user CA, a host CA, a user key and its certificate, known_hosts and an ssh_config."""

    folder: Path
    hosts: list[Host] = field(default_factory=list)

    def __post_init__(self) -> None:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, content in _keys().items():
            (self.folder / name).touch(0o600)
            (self.folder / name).write_bytes(content)
        accepted = [(self.folder / f"{name}.pub").read_text() for name in ("id", "encrypted")]
        (self.folder / "authorized_keys").write_text("".join(accepted))
        self.known_hosts.write_text("")
        self.config.write_text("")

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    def host(self, name: str, extra: str = "", known: bool = True, certificate: bool = False) -> Host:
        """A running server, in known_hosts by its key unless said otherwise."""
        host = Host(name, self).start(extra, certificate)
        self.hosts.append(host)
        if known:
            self.know(f"[127.0.0.1]:{host.port} {host.public_key}")
        return host

    def know(self, line: str) -> None:
        with self.known_hosts.open("a") as file:
            file.write(line + "\n")

    def configure(self, text: str) -> None:
        """Write the ssh_config: `text`, then what holds for every host."""
        rest = (
            f"Host *\n  User {getuser()}\n  HostName 127.0.0.1\n  IdentityFile {self.folder}/id\n"
            f"  IdentityAgent none\n  UserKnownHostsFile {self.known_hosts}\n  GlobalKnownHostsFile none\n"
        )
        self.config.write_text(text + "\n" + rest)

    def spec(self, name: str, port: int | None = None, options: SshOptions | None = None) -> NodeSpec:
        """A node that is reached with this lab's ssh_config."""
        chosen = options or SshOptions()
        return NodeSpec(name, ssh=replace(chosen, port=port or chosen.port, config_files=(str(self.config),)))

    def close(self) -> None:
        for host in self.hosts:
            host.stop()
