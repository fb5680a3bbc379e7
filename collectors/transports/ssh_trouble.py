"""What went wrong on the way to a node, in words: one Problem, what was seen, and what to do next.

Pure. Imported only with asyncssh's users, so it may name asyncssh's errors.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field

import asyncssh
from asyncssh.constants import OPEN_ADMINISTRATIVELY_PROHIBITED

from collectors.transports.known_hosts import Entry, Trust
from collectors.transports.ssh_target import Target
from watchfloor.errors import ConnectError, HostKeyError, StartError
from watchfloor.model import Problem

CLOSED_ADVICE = "see the log of its sshd, and whether the node or a firewall on the way went down"
_REFUSED = {errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE}


@dataclass(slots=True)
class Attempt:
    """What was seen on the way to one connection: the raw material of its error message."""

    target: Target
    trust: Trust
    connection: asyncssh.SSHClientConnection | None = None  # from the moment in which TCP stood
    offered: asyncssh.SSHKey | None = None  # the host key that was turned down
    verified: bool = False  # the host key was found good
    methods: set[str] = field(default_factory=set)  # that the server would take and we don't have
    notes: list[str] = field(default_factory=list)  # why some of our keys were not offered
    after: Callable[[], None] | None = None  # called when a connection that stood is over

    @property
    def greeted(self) -> bool:
        """Whether the server has said that it speaks SSH."""
        return self.connection is not None and bool(self.connection.get_extra_info("server_version"))


class Dropped(ConnectError):
    """The server closed the connection before its greeting, as sshd does above MaxStartups: worth another try."""


def words(error: BaseException) -> str:
    """An exception's own text on one line."""
    if isinstance(error, OSError) and error.errno and error.errno > 0:  # asyncio writes its own text into strerror
        return os.strerror(error.errno)
    return " ".join((str(error) or type(error).__name__).split())


def no_such_name(target: Target, error: BaseException) -> ConnectError:
    return ConnectError(
        Problem.NAME,
        f"the name {target.host!r} doesn't resolve: {getattr(error, 'strerror', None) or words(error)}",
        "check the spelling, the inventory's `host`, and HostName in ~/.ssh/config",
    )


def not_connected(target: Target, error: OSError) -> ConnectError:
    if error.errno in _REFUSED:
        why = "" if error.errno == errno.ECONNREFUSED else f": {words(error)}"
        return ConnectError(
            Problem.REFUSED,
            f"{target.place} refused the connection{why}",
            f"see whether sshd runs there and listens on port {target.port}",
        )
    return ConnectError(
        Problem.UNREACHABLE,
        f"{target.place} can't be reached: {words(error)}",
        "check that the node is up, and the network and firewall on the way",
    )


def timed_out(attempt: Attempt, dialled: bool) -> ConnectError:
    target = attempt.target
    if attempt.connection is None and not dialled:
        return ConnectError(
            Problem.UNREACHABLE,
            f"no answer from {target.place} within {target.timeout:g} s",
            "check that the node is up, and the network and firewall on the way",
        )
    advice = "the node may be out of memory or its sshd stuck: look at its console"
    if attempt.verified:
        said = "verified its host key, and then authentication stood still"
    elif attempt.greeted:
        said = "greeted, and then the key exchange stood still"
    else:
        said = "accepted the connection, and no greeting of an SSH server came"
        advice = f"{advice}, or something else listens on port {target.port}"
    return ConnectError(Problem.HUNG, f"{target.place} {said} for {target.timeout:g} s", advice)


def not_accepted(attempt: Attempt, error: Exception) -> ConnectError:
    """The error for a connection that TCP made and SSH didn't."""
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return _host_key(attempt, error)
    if isinstance(error, asyncssh.ChannelOpenError):
        return _through_jump(attempt, error)
    if attempt.greeted and isinstance(error, asyncssh.ConnectionLost):
        return ConnectError(
            Problem.CLOSED,
            f"{attempt.target.place} greeted, and the connection broke before it let us in: {words(error)}",
            CLOSED_ADVICE,
        )
    if isinstance(error, asyncssh.PermissionDenied) or (attempt.verified and isinstance(error, asyncssh.Error)):
        return _authentication(attempt, error)
    if not attempt.greeted and isinstance(error, asyncssh.ConnectionLost | ConnectionError):
        return Dropped(
            Problem.REFUSED,
            f"{attempt.target.place} closed the connection before greeting",
            "sshd drops new connections above MaxStartups, or a firewall or tcp wrapper turns this address away",
        )
    target = attempt.target
    return not_connected(target, error) if isinstance(error, OSError) else _not_understood(target, error)


def not_through_proxy(target: Target, last_words: str) -> Dropped:
    return Dropped(
        Problem.REFUSED,
        f"the ProxyCommand of {target.place} ended before a greeting" + (f": {last_words}" if last_words else ""),
        f"run it by hand: {target.proxy_command}",
    )


def _not_understood(target: Target, error: Exception) -> ConnectError:
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return ConnectError(
            Problem.REFUSED,
            f"no way of talking to {target.place} that both sides know: {words(error)}",
            "see KexAlgorithms, Ciphers, MACs and HostKeyAlgorithms in ~/.ssh/config",
        )
    return ConnectError(
        Problem.REFUSED,
        f"{target.place} is not a usable SSH server: {words(error)}",
        f"see what listens on port {target.port}, and the options for this host in ~/.ssh/config",
    )


def not_started(target: Target, error: BaseException) -> StartError:
    if isinstance(error, TimeoutError):
        return StartError(
            Problem.HUNG,
            f"{target.place} let us in, and started no program within {target.timeout:g} s",
            "the node may be out of memory or its disks stuck: look at its console",
        )
    return StartError(
        Problem.REFUSED,
        f"{target.place} let us in and doesn't let us start a program: {words(error)}",
        "see MaxSessions and ForceCommand in its sshd_config, and the options of the key in authorized_keys",
    )


def _through_jump(attempt: Attempt, error: asyncssh.ChannelOpenError) -> ConnectError:
    target = attempt.target
    jump = target.jump.place if target.jump else "the jump host"
    if error.code == OPEN_ADMINISTRATIVELY_PROHIBITED:
        advice = f"see AllowTcpForwarding and PermitOpen in the sshd_config of {jump}"
        return ConnectError(Problem.REFUSED, f"{jump} doesn't forward to {target.place}: {words(error)}", advice)
    said = words(error).lower()
    problem = (
        Problem.REFUSED if "refused" in said
        else Problem.NAME if "resol" in said or "name or service" in said
        else Problem.UNREACHABLE
    )  # fmt: skip
    return ConnectError(
        problem, f"{jump} can't reach {target.place}: {words(error)}", f"try from {jump}: ssh {target.host}"
    )


def _authentication(attempt: Attempt, error: Exception) -> ConnectError:
    target = attempt.target
    reasons = list(dict.fromkeys(attempt.notes))
    if attempt.methods:
        reasons.append(f"the server would take {' or '.join(sorted(attempt.methods))}, for which nobody is asked here")
    seen = "; ".join([words(error), *reasons])
    return ConnectError(
        Problem.AUTHENTICATION,
        f"{target.place} doesn't let user {target.user!r} in: {seen}",
        f"`ssh {target.alias}` must work without a prompt: add the key to the agent, or name it with IdentityFile",
    )


def _host_key(attempt: Attempt, error: Exception) -> HostKeyError:
    trust, offered = attempt.trust, attempt.offered
    shown = f"{offered.get_algorithm()} {offered.get_fingerprint()}" if offered else "its key"
    files = ", ".join(attempt.target.known_hosts_files) or "no known_hosts file"
    if "revoked" in words(error):
        place = trust.revoked[0].place if trust.revoked else files
        return HostKeyError(
            Problem.HOST_KEY_CHANGED,
            f"{attempt.target.place} shows a host key that {place} marks as revoked",
            "don't connect: whoever answers there holds a key that was withdrawn",
        )
    if offered is None and trust.authorities:  # a certificate of a known CA that doesn't hold for this host
        return HostKeyError(
            Problem.HOST_KEY_CHANGED,
            f"{attempt.target.place} shows a host certificate that isn't good for {trust.name}: {words(error)}",
            f"have it issued anew by the CA of {trust.authorities[0].place}",
        )
    if trust.known:
        return _changed(attempt, shown, (trust.keys or trust.authorities)[0])
    return HostKeyError(
        Problem.HOST_KEY_UNKNOWN,
        f"the host key of {attempt.target.place} ({shown}) is not in {files}",
        f"run `ssh {attempt.target.alias}` once and compare the fingerprint with the one on the node "
        f"(ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), or add `{_keyscan(attempt.target)}` after the same check",
    )


def _changed(attempt: Attempt, shown: str, known: Entry) -> HostKeyError:
    what = "CA" if known.marker else "key"
    return HostKeyError(
        Problem.HOST_KEY_CHANGED,
        f"the host key of {attempt.target.place} has changed: it shows {shown}, "
        f"but {known.place} holds {known.key_type} {what} {fingerprint(known)}",
        f"someone may be in between. Only if the change was announced: ssh-keygen -f {known.file} -R "
        f"'{attempt.trust.name}', then `ssh {attempt.target.alias}` and compare the fingerprint",
    )


def _keyscan(target: Target) -> str:
    return f"ssh-keyscan {target.host}" if target.port == 22 else f"ssh-keyscan -p {target.port} {target.host}"


def fingerprint(entry: Entry) -> str:
    """As `ssh-keygen -l` shows it."""
    try:
        return asyncssh.import_public_key(f"{entry.key_type} {entry.key}").get_fingerprint()
    except asyncssh.KeyImportError:
        return "(of a type that can't be read here)"
