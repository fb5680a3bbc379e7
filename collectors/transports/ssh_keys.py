"""The keys that may be offered to a server: from the agent and from files, as `ssh` offers them, without prompting.

An encrypted file whose key no agent holds is passed over, and a note says so: a console of a thousand nodes can't
stop to ask. Imports asyncssh, so it is imported itself only when a connection is made.
"""

from __future__ import annotations

import copy
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
from asyncssh.public_key import CERT_TYPE_USER, SSHOpenSSHCertificate

from collectors.transports.ssh_target import Credentials

Offered = asyncssh.SSHKeyPair | asyncssh.SSHKey | tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]


@dataclass(slots=True)
class _File:
    """One identity file: its key, or why there is none."""

    path: str
    key: asyncssh.SSHKey | None = None
    public: bytes = b""  # what an agent would know it by
    note: str = ""


@dataclass(slots=True)
class KeyRing:
    """The keys of one set of credentials, loaded once; the agent is asked at each connect, as keys come and go."""

    credentials: Credentials
    _files: list[_File] = field(default_factory=list)
    _certificates: dict[bytes, asyncssh.SSHCertificate] = field(default_factory=dict)
    _agent: asyncssh.SSHAgentClient | None = None
    _stamp: tuple[object, ...] = ()

    async def offers(self, notes: list[str]) -> list[Offered]:
        """Keys in the order in which they are offered; `notes` receives why some are not."""
        stamp = _stamp(self.credentials)
        if stamp != self._stamp:
            self._load()
            self._stamp = stamp
        held = await self._agent_keys(notes)
        known = {pair.public_data for pair in held}
        offers: list[Offered] = list(held)
        for file in self._files:
            if file.key is not None and file.public not in known:
                certificate = self._certificates.get(file.public)
                notes += _faults(file.path, certificate)
                offers += [(file.key, certificate), file.key] if certificate else [file.key]
            elif file.note and file.public not in known:
                notes.append(file.note)
        return offers

    def _load(self) -> None:
        self._files = [_read(path, self.credentials.defaults) for path in self.credentials.identity_files]
        names = [*self.credentials.certificate_files, *(f"{path}-cert.pub" for path in self.credentials.identity_files)]
        self._certificates = {}
        for name in names:
            try:
                certificate = asyncssh.read_certificate(name)
            except (OSError, asyncssh.KeyImportError):
                continue
            self._certificates.setdefault(certificate.key.public_data, certificate)

    async def _agent_keys(self, notes: list[str]) -> list[asyncssh.SSHKeyPair]:
        path = self.credentials.agent
        if not path:
            return []
        if self._agent is None:
            self._agent = asyncssh.SSHAgentClient(path)
        try:
            pairs = await self._agent.get_keys(self._allowed())
        except (ValueError, OSError) as error:
            notes.append(f"no answer from the agent at {path}: {error}")
            return []
        return [certified for pair in pairs for certified in self._certified(pair)]

    def _allowed(self) -> Sequence[bytes] | None:
        """With IdentitiesOnly, the agent's keys that a file or certificate names; None for all."""
        if not self.credentials.identities_only:
            return None
        certificates = [certificate.public_data for certificate in self._certificates.values()]
        return [file.public for file in self._files if file.public] + certificates

    def _certified(self, pair: asyncssh.SSHKeyPair) -> list[asyncssh.SSHKeyPair]:
        certificate = self._certificates.get(pair.public_data)
        if certificate is None:
            return [pair]
        with_certificate = copy.copy(pair)
        with_certificate.set_certificate(certificate)
        return [with_certificate, pair]

    def close(self) -> None:
        if self._agent is not None:
            self._agent.close()
            self._agent = None


def _read(path: str, usual: bool) -> _File:
    public = _public(path)
    try:
        if _open_to_others(path):
            return _File(path, public=public, note=f"{path} may be read by others, so it is ignored (chmod 600 {path})")
        key = asyncssh.read_private_key(path)
    except FileNotFoundError:
        return _File(path, public=public, note="" if usual or public else f"{path} doesn't exist")
    except OSError as error:
        return _File(path, public=public, note=f"{path} can't be read: {error.strerror}")
    except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError) as error:
        if str(error).startswith("Passphrase"):
            return _File(path, public=public, note=f"{path} is encrypted and no agent holds it (ssh-add {path})")
        return _File(path, public=public, note=f"{path} is not a private key: {error}")
    return _File(path, key, key.public_data)


def _faults(path: str, certificate: asyncssh.SSHCertificate | None) -> list[str]:
    """Why no server can take this certificate; the key itself is offered all the same."""
    if not isinstance(certificate, SSHOpenSSHCertificate):
        return []
    try:
        certificate.validate(CERT_TYPE_USER, None)
    except ValueError as error:
        return [f"the certificate of {path} is not good: {error}"]
    return []


def _open_to_others(path: str) -> bool:
    """As in `ssh`: of one's own key files, those that group or others may read don't count. Raises OSError."""
    status = Path(path).stat()
    return status.st_uid == os.getuid() and bool(stat.S_IMODE(status.st_mode) & 0o077)


def _public(path: str) -> bytes:
    """The public half beside a private key that can't be opened, or the file itself where it holds one."""
    for name in (f"{path}.pub", path):
        try:
            return asyncssh.read_public_key(name).public_data
        except (OSError, asyncssh.KeyImportError):
            continue
    return b""


def _stamp(credentials: Credentials) -> tuple[object, ...]:
    """Changes when one of the files does."""
    found = []
    for name in (*credentials.identity_files, *credentials.certificate_files):
        for path in (name, f"{name}-cert.pub"):
            try:
                status = Path(path).stat()
            except OSError:
                continue
            found.append((path, status.st_mtime_ns, status.st_size))
    return tuple(found) or (None,)
