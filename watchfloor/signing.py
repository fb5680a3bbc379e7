"""Signatures with people's SSH keys, made and checked by OpenSSH's own `ssh-keygen -Y` (a key file, or an agent's key).

What is signed never stands in a command line; a signature counts only under the namespace that it was made for. A key's
passphrase is typed to `ssh-keygen` itself, at the terminal: it never passes through here.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from watchfloor.errors import ConfigError, KeyLocked

Keygen = Callable[[Sequence[str], bytes], subprocess.CompletedProcess[bytes]]  # words, standard input

_SECONDS = 120.0  # for a person who has to touch a key
_LOCKED = re.compile(rb"passphrase|\bPIN\b")  # what it says where it could ask nobody
_ARMOUR_WIDTH = 70  # characters of a line
_AGENT_SECONDS = 5.0  # to list what it has


def keygen(words: Sequence[str], data: bytes, new_session: bool = False) -> subprocess.CompletedProcess[bytes]:
    """It may ask for a passphrase at the terminal; in a `new_session` it has none.

    Raises ConfigError where ssh-keygen lacks or never ends.
    """
    try:
        return subprocess.run(
            ["ssh-keygen", *words], input=data, capture_output=True, timeout=_SECONDS, check=False,
            env=_environment(), start_new_session=new_session,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise ConfigError("there is no ssh-keygen", "install OpenSSH's client (8.9 or newer)") from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError("ssh-keygen has not answered for two minutes", "is the key waiting to be touched?") from error


def keygen_unasked(words: Sequence[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    """For who has the terminal: no prompt appears there. Raises as `keygen`, KeyLocked where it takes a passphrase."""
    done = keygen(words, data, new_session=True)
    if done.returncode != 0 and _LOCKED.search(done.stderr):
        raise KeyLocked("this key takes a passphrase", "ssh-add it, or type it where ssh-keygen asks for it")
    return done


@dataclass(frozen=True, slots=True)
class SshSigner:
    """`key`: a private key's file, or the public one of a key that the agent has."""

    key: Path
    keygen: Keygen = keygen

    def sign(self, namespace: str, data: bytes) -> str:
        """The signature, in armour. Raises ConfigError where the key can't sign, or whoever is asked gives it up."""
        done = self.keygen(["-Y", "sign", "-q", "-f", str(self.key), "-n", namespace], data)
        if done.returncode == -signal.SIGINT:
            raise ConfigError("signing was given up by Ctrl-C", "sign again to go on", file=str(self.key))
        if done.returncode != 0:
            raise ConfigError(
                f"this key can't sign: {_words(done)}",
                "a private key's file, or the public key's if an agent (SSH_AUTH_SOCK) has the other half",
                file=str(self.key),
            )
        return done.stdout.decode("ascii")

    def fingerprint(self) -> str:
        """As in SHA256:…. Raises ConfigError."""
        done = keygen(["-l", "-E", "sha256", "-f", str(self.key)], b"")
        words = done.stdout.decode("utf-8", "replace").split()
        if done.returncode != 0 or len(words) < 2:
            raise ConfigError(f"this is no SSH key: {_words(done)}", "a key's file", file=str(self.key))
        return words[1]


@dataclass(frozen=True, slots=True)
class AgentSigner:
    """`public`: the line of a public key whose other half an agent alone has."""

    public: str

    def sign(self, namespace: str, data: bytes) -> str:
        """The signature, in armour. Raises ConfigError where the agent doesn't sign."""
        with self._file() as key:
            return key.sign(namespace, data)

    def fingerprint(self) -> str:
        """As in SHA256:…. Raises ConfigError."""
        with self._file() as key:
            return key.fingerprint()

    @contextmanager
    def _file(self) -> Iterator[SshSigner]:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".pub") as kept:
            kept.write(f"{self.public}\n")
            kept.flush()
            yield SshSigner(Path(kept.name))


@dataclass(frozen=True, slots=True)
class Checked:
    """Who has signed, by the name in allowed_signers, and the key's fingerprint; "" and why not, where nobody has."""

    principal: str
    why: str = ""
    fingerprint: str = ""


def check(signers: Path, namespace: str, data: bytes, signature: str, at: float | None = None) -> Checked:
    """Whether somebody of an allowed_signers file signed these bytes, with a key valid `at` that time (None: now).

    Raises ConfigError where the file can't be read.
    """
    if not signers.is_file() and not signers.is_char_device():  # /dev/null is a file of nobody
        raise ConfigError(
            "no such file", "an allowed_signers file, as `man ssh-keygen` describes it", file=str(signers)
        )
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="replace", suffix=".sig") as kept:
        kept.write(signature)
        kept.flush()
        when = [] if at is None else [f"-Overify-time={datetime.fromtimestamp(at, UTC):%Y%m%d%H%M%SZ}"]
        with_file = ["-f", str(signers), "-s", kept.name]
        found = keygen(["-Y", "find-principals", *when, *with_file], b"")
        why = _words(found)
        for principal in found.stdout.decode("utf-8", "replace").split("\n"):
            name = principal.strip().split(",")[0]
            if not name:
                continue
            done = keygen(["-Y", "verify", *when, *with_file, "-I", name, "-n", namespace], data)
            if done.returncode == 0:
                return Checked(name, fingerprint=fingerprint_of(signature))
            why = _words(done)
    return Checked("", why)


def check_alone(namespace: str, data: bytes, signature: str) -> Checked:
    """Whether the key that a signature names has signed these bytes; whose key that is, nobody says (principal "")."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="replace", suffix=".sig") as kept:
        kept.write(signature)
        kept.flush()
        done = keygen(["-Y", "check-novalidate", "-n", namespace, "-s", kept.name], data)
    return Checked("", _words(done)) if done.returncode else Checked("", fingerprint=fingerprint_of(signature))


def make_key(path: Path, principal: str) -> str:
    """A new key without a passphrase, for a trial: its line in an allowed_signers file. Raises ConfigError."""
    done = keygen(["-q", "-t", "ed25519", "-N", "", "-C", principal, "-f", str(path)], b"")
    if done.returncode != 0:
        raise ConfigError(f"ssh-keygen makes no key: {_words(done)}", "another folder", file=str(path))
    return f"{principal} {' '.join(path.with_name(path.name + '.pub').read_text('utf-8').split()[:2])}\n"


def fingerprint_of(signature: str) -> str:
    """Of the key that a signature (OpenSSH's PROTOCOL.sshsig) names, as in SHA256:…; "" where it is none."""
    blob = _blob(signature)
    length = int.from_bytes(blob[10:14], "big")
    key = blob[14 : 14 + length]
    if blob[:6] != b"SSHSIG" or not key or len(key) != length:
        return ""
    return _fingerprint(key)


def is_as_written(signature: str) -> bool:
    """Whether its armour is to the letter what `ssh-keygen` writes: others mean the same to it."""
    text = b64encode(_blob(signature)).decode("ascii")
    lines = [text[at : at + _ARMOUR_WIDTH] for at in range(0, len(text), _ARMOUR_WIDTH)]
    return signature == "\n".join(("-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""))


def _blob(signature: str) -> bytes:
    """What is in the armour; b"" where it is none."""
    lines = (line for line in signature.splitlines() if not line.startswith("-----"))
    try:
        return b64decode("".join(lines), validate=True)
    except ValueError:
        return b""


def fingerprints_in(line: str) -> set[str]:
    """Of the keys in a line of an allowed_signers file, as in SHA256:…"""
    found: set[str] = set()
    for word in line.split() if not line.lstrip().startswith("#") else ():
        with suppress(ValueError):
            found.add(_fingerprint(b64decode(word, validate=True)))
    return found


def _fingerprint(key: bytes) -> str:
    return "SHA256:" + b64encode(sha256(key).digest()).decode("ascii").rstrip("=")


@dataclass(frozen=True, slots=True)
class Signers:
    """Checks signatures of one namespace. Who is known now counts; what was checked is known for a minute."""

    path: Path
    namespace: str

    def __call__(self, data: bytes, signature: str) -> Checked:
        """Never raises: without a file that can be read, nobody is known."""
        try:
            found = self.path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino, int(time.time() // 60))
            return _checked(self.path, self.namespace, data, signature, stamp)
        except OSError as error:
            return Checked("", f"{self.path}: {error.strerror}")
        except ConfigError as error:
            return Checked("", str(error))


@lru_cache(maxsize=512)
def _checked(path: Path, namespace: str, data: bytes, signature: str, stamp: object) -> Checked:
    return check(path, namespace, data, signature)


def own_key(signers: Path) -> SshSigner | AgentSigner | None:
    """With which this user signs unless an option says otherwise: WATCHFLOOR_KEY's, else the first that an
    allowed_signers file knows of ~/.ssh/*.pub and of the agent's; None for none."""
    if named := os.environ.get("WATCHFLOOR_KEY", ""):
        return SshSigner(Path(named))
    known = set(_words_of(signers))
    files = sorted((Path.home() / ".ssh").glob("*.pub"))
    found = next((file for file in files if set(_words_of(file)[1:2]) & known), None)
    if found is not None:
        return SshSigner(found)
    return next((AgentSigner(line) for line in _of_agent() if set(line.split()[1:2]) & known), None)


def _of_agent() -> list[str]:
    """The public keys that the agent has, a line each: where people log in with theirs forwarded, no file has them."""
    if not os.environ.get("SSH_AUTH_SOCK"):
        return []
    try:
        done = subprocess.run(
            ["ssh-add", "-L"], capture_output=True, timeout=_AGENT_SECONDS, check=False, env=_environment()
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.decode("utf-8", "replace").splitlines() if done.returncode == 0 else []


def _words_of(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError):
        return []


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    told = done.stderr.decode("utf-8", "replace").strip() or done.stdout.decode("utf-8", "replace").strip()
    return " ".join(told.split()) or f"ssh-keygen ended with {done.returncode}"
