"""Signatures with people's SSH keys, made and checked by OpenSSH's own `ssh-keygen -Y` (a key file, or an agent's key).

What is signed never stands in a command line; a signature counts only under the namespace that it was made for.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from watchfloor.errors import ConfigError

_SECONDS = 120.0  # for a person who has to touch a key


@dataclass(frozen=True, slots=True)
class SshSigner:
    """`key`: a private key's file, or the public one of a key that the agent has."""

    key: Path

    def sign(self, namespace: str, data: bytes) -> str:
        """The signature, in armour. Raises ConfigError where the key can't sign."""
        done = _keygen(["-Y", "sign", "-q", "-f", str(self.key), "-n", namespace], data)
        if done.returncode != 0:
            raise ConfigError(
                f"this key can't sign: {_words(done)}",
                "a private key's file, or the public key's if an agent (SSH_AUTH_SOCK) has the other half",
                file=str(self.key),
            )
        return done.stdout.decode("ascii")

    def fingerprint(self) -> str:
        """As in SHA256:…. Raises ConfigError."""
        done = _keygen(["-l", "-E", "sha256", "-f", str(self.key)], b"")
        words = done.stdout.decode("utf-8", "replace").split()
        if done.returncode != 0 or len(words) < 2:
            raise ConfigError(f"this is no SSH key: {_words(done)}", "a key's file", file=str(self.key))
        return words[1]


@dataclass(frozen=True, slots=True)
class Checked:
    """Who has signed, by the name in allowed_signers; "" and why not, where nobody there has."""

    principal: str
    why: str = ""


def check(signers: Path, namespace: str, data: bytes, signature: str, at: float | None = None) -> Checked:
    """Whether somebody of an allowed_signers file signed these bytes, with a key valid `at` that time (None: now).

    Raises ConfigError where the file can't be read.
    """
    if not signers.is_file():
        raise ConfigError(
            "no such file", "an allowed_signers file, as `man ssh-keygen` describes it", file=str(signers)
        )
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="replace", suffix=".sig") as kept:
        kept.write(signature)
        kept.flush()
        when = [] if at is None else [f"-Overify-time={datetime.fromtimestamp(at, UTC):%Y%m%d%H%M%SZ}"]
        with_file = ["-f", str(signers), "-s", kept.name]
        found = _keygen(["-Y", "find-principals", *when, *with_file], b"")
        why = _words(found)
        for principal in found.stdout.decode("utf-8", "replace").split("\n"):
            name = principal.strip().split(",")[0]
            if not name:
                continue
            done = _keygen(["-Y", "verify", *when, *with_file, "-I", name, "-n", namespace], data)
            if done.returncode == 0:
                return Checked(name)
            why = _words(done)
    return Checked("", why)


def _keygen(words: Sequence[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    """Raises ConfigError where ssh-keygen lacks or never ends."""
    try:
        return subprocess.run(
            ["ssh-keygen", *words], input=data, capture_output=True, timeout=_SECONDS, check=False, env=_environment()
        )
    except FileNotFoundError as error:
        raise ConfigError("there is no ssh-keygen", "install OpenSSH's client (8.9 or newer)") from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError("ssh-keygen has not answered for two minutes", "is the key waiting to be touched?") from error


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    told = done.stderr.decode("utf-8", "replace").strip() or done.stdout.decode("utf-8", "replace").strip()
    return " ".join(told.split()) or f"ssh-keygen ended with {done.returncode}"
