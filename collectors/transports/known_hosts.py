"""known_hosts: read once, matched as OpenSSH matches, with file and line for every answer.

asyncssh parses its known_hosts anew for every connection, trusts an entry for the address of a named host, stops at
a file that is missing, and can't say where an entry stands. So it is given the outcome of this module instead.
Must not do: write. A host key is never accepted here, and known_hosts is never changed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path

DEFAULT_PORT = 22


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a known_hosts file: a key that is trusted for its hosts, a CA for them, or a revoked key."""

    file: str
    line: int
    marker: str  # "", "cert-authority", "revoked"
    key_type: str
    key: str  # base64

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Trust:
    """What known_hosts says of one host."""

    name: str  # as it would stand in known_hosts: "host" or "[host]:port"
    keys: tuple[Entry, ...] = ()
    authorities: tuple[Entry, ...] = ()
    revoked: tuple[Entry, ...] = ()

    @property
    def known(self) -> bool:
        return bool(self.keys or self.authorities)


@dataclass(slots=True)
class _Hashed:
    """A host name hidden as HMAC-SHA1 of itself under a salt: `|1|salt|hash`."""

    salt: bytes
    digest: bytes

    def matches(self, name: str) -> bool:
        return hmac.digest(self.salt, name.encode(), "sha1") == self.digest


@dataclass(slots=True)
class _Patterns:
    """Comma-separated wildcards, of which those with a `!` veto."""

    wanted: list[re.Pattern[str]]
    vetoed: list[re.Pattern[str]]

    def matches(self, name: str) -> bool:
        return any(p.match(name) for p in self.wanted) and not any(p.match(name) for p in self.vetoed)


@dataclass(slots=True)
class KnownHosts:
    """The entries of several files, in their order."""

    files: tuple[str, ...]
    _exact: dict[str, list[Entry]] = field(default_factory=dict)
    _matched: list[tuple[_Hashed | _Patterns, Entry]] = field(default_factory=list)

    def add(self, file: str, lines: Iterable[str]) -> None:
        """Lines that can't be understood are passed over, as `ssh` does: they trust nobody."""
        for number, line in enumerate(lines, 1):
            parsed = parse_line(file, number, line)
            if parsed is None:
                continue
            hosts, entry = parsed
            if hosts.startswith("|"):
                hashed = _hashed(hosts)
                if hashed is not None:
                    self._matched.append((hashed, entry))
            elif any(sign in hosts for sign in "*?!"):
                self._matched.append((_patterns(hosts), entry))
            else:
                for host in hosts.lower().split(","):
                    self._exact.setdefault(host, []).append(entry)

    def trust(self, host: str, port: int = DEFAULT_PORT, alias: str = "") -> Trust:
        """What is known of `host`; an alias (HostKeyAlias) stands for host and port together.

        An entry without a port counts for other ports when there is none with the port, as in OpenSSH; what is
        revoked under either name stays revoked.
        """
        if alias:
            return self._trust(alias.lower())
        if port == DEFAULT_PORT:
            return self._trust(host.lower())
        exact, plain = self._trust(f"[{host.lower()}]:{port}"), self._trust(host.lower())
        chosen = exact if exact.known else plain
        return Trust(exact.name, chosen.keys, chosen.authorities, exact.revoked + plain.revoked)

    def _trust(self, name: str) -> Trust:
        found = list(self._exact.get(name, ()))
        found += [entry for pattern, entry in self._matched if pattern.matches(name)]
        return Trust(
            name,
            tuple(entry for entry in found if not entry.marker),
            tuple(entry for entry in found if entry.marker == "cert-authority"),
            tuple(entry for entry in found if entry.marker == "revoked"),
        )


def parse_line(file: str, number: int, line: str) -> tuple[str, Entry] | None:
    """Host patterns and entry of one line; None for comments, blank lines and what can't be understood."""
    words = line.split()
    if not words or words[0].startswith("#"):
        return None
    marker = words.pop(0)[1:] if words[0].startswith("@") else ""
    if len(words) < 3 or marker not in ("", "cert-authority", "revoked"):
        return None
    hosts, key_type, key = words[:3]
    return hosts, Entry(file, number, marker, key_type, key)


def _hashed(hosts: str) -> _Hashed | None:
    try:
        _, version, salt, digest = hosts.split("|")
        return _Hashed(base64.b64decode(salt), base64.b64decode(digest)) if version == "1" else None
    except (ValueError, binascii.Error):
        return None


def _patterns(hosts: str) -> _Patterns:
    wanted, vetoed = [], []
    for pattern in hosts.lower().split(","):
        negated = pattern.startswith("!")
        # only * and ? are wild here; fnmatch would read the brackets of [host]:port as a set
        plain = pattern.lstrip("!").replace("[", "[[]")
        (vetoed if negated else wanted).append(re.compile(translate(plain)))
    return _Patterns(wanted, vetoed)


def load(files: Sequence[str]) -> KnownHosts:
    """Reads the files that are there; one that is missing or may not be read knows nobody."""
    known = KnownHosts(tuple(files))
    for name in files:
        try:
            known.add(name, Path(name).read_text("utf-8", "replace").splitlines())
        except OSError:
            continue
    return known
