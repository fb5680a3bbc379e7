"""Where and how `ssh` would go for one node: ssh_config's answer and the inventory's word, resolved to plain values.

Must not do: connect, or read keys.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from collectors.transports.known_hosts import DEFAULT_PORT
from collectors.transports.ssh_config import Answer, SshConfig, expand, expand_path, seconds
from watchfloor.errors import ConfigError, ConnectError
from watchfloor.model import NodeSpec, Problem, SshOptions

_KEY_FILES = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")
_USER_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_MAX_JUMPS = 8


@dataclass(frozen=True, slots=True)
class Credentials:
    """Which keys may be offered. Equal credentials share one loaded key ring."""

    identity_files: tuple[str, ...]
    certificate_files: tuple[str, ...]
    identities_only: bool
    agent: str  # path of the socket, "" for none
    defaults: bool  # the identity files are the usual ones: it is no error that one is missing


@dataclass(frozen=True, slots=True)
class Target:
    """One server to connect to. Two nodes with equal jumps share the connection to them."""

    alias: str
    host: str
    port: int
    user: str
    credentials: Credentials
    host_key_alias: str
    known_hosts_files: tuple[str, ...]
    jump: Target | None = None
    proxy_command: str = ""
    proxy_key: str = ""  # the command as it stands in the file: the same for all nodes behind one gateway
    ciphers: str = ""
    key_exchanges: str = ""
    macs: str = ""
    host_key_algorithms: str = ""
    compression: bool = False
    family: str = "any"
    bind_address: str = ""
    alive_interval: float = 0.0
    alive_count: int = 3
    environment: tuple[str, ...] = ()
    timeout: float = 10.0

    @property
    def place(self) -> str:
        """For messages: the address, after the alias where that says something else."""
        address = self.host if self.port == DEFAULT_PORT else f"{self.host}:{self.port}"
        return address if self.alias == self.host else f"{self.alias} ({address})"

    @property
    def way(self) -> str:
        """For the doctor: who, where, and through whom."""
        by = f" through {self.jump.way}" if self.jump else f" through `{self.proxy_key}`" if self.proxy_key else ""
        return f"{self.user}@{self.host} port {self.port}{by}"


def config_files(options: SshOptions) -> tuple[str, ...]:
    """As `ssh`: the user's and the system's, or, like `ssh -F`, only the one that is named."""
    return options.config_files or ("~/.ssh/config", "/etc/ssh/ssh_config")


def resolve(spec: NodeSpec, config: SshConfig) -> Target:
    """The whole way to a node, jumps included. Raises ConnectError where ssh_config can't be followed.

    Identity and known_hosts files of the inventory hold for the jumps as well; its user and port are the node's own.
    """
    try:
        return _resolve(spec.host or spec.name, spec.ssh, config, 0)
    except (ConfigError, ValueError) as error:
        raise ConnectError(Problem.UNREACHABLE, f"ssh_config: {error}", "run `ssh -G` for this host") from error


def _resolve(alias: str, options: SshOptions, config: SshConfig, depth: int) -> Target:
    answer = config.ask(alias, options.user)
    host = answer.host
    port = options.port or int(answer.first("port", str(DEFAULT_PORT)))
    user = options.user or answer.first("user", answer.local_user)
    tokens = _tokens(answer, host, port, user)
    raw_proxy = _unless_none(answer.first("proxycommand"))
    jumps = _unless_none(options.proxy_jump if options.proxy_jump is not None else answer.first("proxyjump"))
    return Target(
        alias, host, port, user,
        _credentials(answer, options, tokens),
        host_key_alias=expand(answer.first("hostkeyalias"), tokens),
        known_hosts_files=_known_hosts_files(answer, options, tokens),
        jump=_jump(jumps, options, config, depth) if jumps else None,
        proxy_command="" if jumps else expand(raw_proxy, tokens),
        proxy_key="" if jumps else raw_proxy,
        ciphers=answer.first("ciphers"),
        key_exchanges=answer.first("kexalgorithms"),
        macs=answer.first("macs"),
        host_key_algorithms=answer.first("hostkeyalgorithms"),
        compression=answer.first("compression").lower() == "yes",
        family=answer.first("addressfamily", "any").lower(),
        bind_address=answer.first("bindaddress"),
        alive_interval=seconds(answer.first("serveraliveinterval")) or 0.0,
        alive_count=int(answer.first("serveralivecountmax", "3")),
        environment=tuple(answer.values.get("setenv", ())),
        timeout=_timeout(answer, options),
    )  # fmt: skip


def _jump(jumps: str, options: SshOptions, config: SshConfig, depth: int) -> Target:
    """The last of `a,b,c`, reached through the others; a single one follows its own ssh_config, as with `ssh`."""
    if depth >= _MAX_JUMPS:
        raise ConfigError(f"ProxyJump leads through more than {_MAX_JUMPS} hosts: {jumps}", "is it a circle?")
    *before, last = [hop.strip() for hop in jumps.split(",")]
    user, host, port = split_hop(last)
    own = replace(options, user=user, port=port, proxy_jump=",".join(before) if before else None)
    return _resolve(host, own, config, depth + 1)


def split_hop(hop: str) -> tuple[str | None, str, int | None]:
    """`[user@]host[:port]`, also as ssh://…, also with an IPv6 address in brackets. Raises ConfigError."""
    found = re.fullmatch(r"(?:ssh://)?(?:(.+)@)?(\[[^\]]+\]|[^:]+|[^:]*:[^:]*:.*?)(?::(\d+))?/?", hop)
    if found is None:
        raise ConfigError(f"not a jump host: {hop!r}", "write [user@]host[:port]")
    return found[1], found[2].strip("[]"), int(found[3]) if found[3] else None


def _unless_none(text: str | None) -> str:
    return "" if not text or text.lower() == "none" else text


def _tokens(answer: Answer, host: str, port: int, user: str) -> dict[str, str]:
    home = str(Path("~").expanduser())
    return {
        "h": host, "n": answer.alias, "p": str(port), "r": user, "u": answer.local_user, "d": home,
        "i": str(os.getuid()), "k": answer.first("hostkeyalias") or answer.alias,
        "l": os.uname().nodename, "L": os.uname().nodename.partition(".")[0],
    }  # fmt: skip


def _credentials(answer: Answer, options: SshOptions, tokens: dict[str, str]) -> Credentials:
    named = [*options.identity_files, *answer.values.get("identityfile", ())]
    files = named or [f"~/.ssh/{name}" for name in _KEY_FILES]
    certificates = answer.values.get("certificatefile", ())
    agent = answer.first("identityagent", "SSH_AUTH_SOCK")
    if agent == "SSH_AUTH_SOCK":
        agent = os.environ.get("SSH_AUTH_SOCK", "")
    elif agent.startswith("$") and not agent.startswith("${"):
        agent = os.environ.get(agent[1:], "")
    return Credentials(
        tuple(dict.fromkeys(expand_path(name, tokens) for name in files if _unless_none(name))),
        tuple(expand_path(name, tokens) for name in certificates if _unless_none(name)),
        answer.first("identitiesonly").lower() == "yes",
        expand_path(_unless_none(agent), tokens),
        not named,
    )


def _known_hosts_files(answer: Answer, options: SshOptions, tokens: dict[str, str]) -> tuple[str, ...]:
    """None at all trusts nobody; it never means that anybody is trusted."""
    if options.known_hosts_files:
        return tuple(expand_path(name, tokens) for name in options.known_hosts_files)
    user = answer.values.get("userknownhostsfile", list(_USER_KNOWN_HOSTS))
    system = answer.values.get("globalknownhostsfile", list(_GLOBAL_KNOWN_HOSTS))
    return tuple(expand_path(name, tokens) for name in [*user, *system] if _unless_none(name))


def _timeout(answer: Answer, options: SshOptions) -> float:
    """The inventory's word where it isn't the default; else ConnectTimeout; else the default."""
    default = SshOptions().connect_timeout_seconds
    if options.connect_timeout_seconds != default:
        return options.connect_timeout_seconds
    return seconds(answer.first("connecttimeout")) or default
