"""Host patterns of the command line and of fleet files: `node[01-16]`, `gpu@lab7`, `host:2222`, `user@[::1]:22`.

Sizes are reckoned before anything is expanded: a slip of the finger (`n[1-3000000]`) is refused in no time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address

MOST_NAMES = 100_000

_HOST = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]|\[[0-9,\-/]+\])*|(?:\[[0-9,\-/]+\])(?:[A-Za-z0-9_.\-]|\[[0-9,\-/]+\])*"
)
_RANGES = re.compile(r"\[([0-9,\-/]+)\]")
_RANGE = re.compile(r"(\d+)(?:-(\d+)(?:/([1-9]\d*))?)?")
_BRACKETED = re.compile(r"\[([^\[\]]*:[^\[\]]*)\](?::(\d+))?")
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")
_USER = re.compile(r"[A-Za-z0-9_][\w.\-]*\$?")


@dataclass(frozen=True, slots=True)
class Target:
    """One host of a pattern, as `ssh` would be given it. `port` and `user` are None where the pattern names none."""

    host: str
    user: str | None = None
    port: int | None = None

    @property
    def name(self) -> str:
        """What the node is called: its host, with the port where one is named."""
        if self.port is None:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def targets(pattern: str, most: int = MOST_NAMES) -> list[Target]:
    """The hosts of `[user@]pattern[:port]`, commas between several. Raises ValueError, which says what is wrong."""
    found: list[Target] = []
    for piece in pieces(pattern):
        found += _targets(piece, most - len(found))
    return found


def pieces(pattern: str) -> list[str]:
    """The parts between commas that stand outside of brackets. Raises ValueError for an empty one."""
    parts = re.split(r",(?![^\[\]]*\])", pattern)
    if not all(part.strip() for part in parts):
        raise ValueError(f"{pattern!r} has an empty part")
    return [part.strip() for part in parts]


def names(pattern: str, most: int = MOST_NAMES) -> list[str]:
    """The names of a pattern without users and ports. Raises ValueError."""
    found: list[str] = []
    for piece in pieces(pattern):
        found += _expanded(piece, most - len(found))
    return found


def folded(hosts: Iterable[str]) -> str:
    """Names as one pattern, those that differ in their last number together: `dgx-[01-03,07],login`."""
    found: dict[tuple[str, str, int], list[int]] = {}
    whole: list[str] = []
    for name in hosts:
        match = _NUMBERED.fullmatch(name)
        if match is None:
            whole.append(name)
            continue
        head, digits, tail = match.groups()
        # n8, n9 and n10 go together, n099 and n100 too, n08 and n8 don't
        padded = digits.startswith("0") and len(digits) > 1
        width = len(digits) if padded or (head, tail, len(digits)) in found else 0
        found.setdefault((head, tail, width), []).append(int(digits))
    return ",".join([*(_pattern(*key, numbers) for key, numbers in found.items()), *whole])


def _pattern(head: str, tail: str, width: int, numbers: list[int]) -> str:
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    texts = ["-".join(f"{number:0{width}d}" for number in run) for run in runs]
    single = len(texts) == 1 and len(runs[0]) == 1
    return f"{head}{texts[0]}{tail}" if single else f"{head}[{','.join(texts)}]{tail}"


def _targets(piece: str, most: int) -> list[Target]:
    user, host, port = _split(piece)
    if _is_v6(host):
        return [Target(host, user, port)]
    return [Target(name, user, port) for name in _expanded(host, most)]


def _split(piece: str) -> tuple[str | None, str, int | None]:
    user, at, rest = piece.rpartition("@")
    if at and not _USER.fullmatch(user):
        raise ValueError(f"{user!r} is no user name")
    bracketed = _BRACKETED.fullmatch(rest)
    if bracketed and _is_v6(bracketed[1]):
        return user or None, bracketed[1], _port(bracketed[2])
    if _is_v6(rest):
        return user or None, rest, None
    host, colon, port = rest.partition(":")
    return user or None, host, _port(port) if colon else None


def _is_v6(host: str) -> bool:
    try:
        return ":" in host and bool(IPv6Address(host))
    except AddressValueError:
        return False


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ValueError(f"{text!r} is no port")
    return int(text)


def _expanded(host: str, most: int) -> list[str]:
    if not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is no host name or pattern, such as node[01-16]")
    if "[" not in host:
        return [host]
    count = _count(host)
    if count > most:
        raise ValueError(f"{host!r} stands for {count:,} names; at most {MOST_NAMES:,} are taken")
    from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException  # noqa: PLC0415 - 33 ms

    try:
        return list(NodeSet(host, resolver=RESOLVER_NOGROUP))
    except NodeSetException as error:
        raise ValueError(f"{host!r}: {error}") from error


def _count(host: str) -> int:
    """How many names a pattern stands for, without making one."""
    count = 1
    for ranges in _RANGES.findall(host):
        count *= sum(_length(part, host) for part in ranges.split(","))
    return count


def _length(part: str, host: str) -> int:
    match = _RANGE.fullmatch(part)
    if match is None or len(part) > 40:
        raise ValueError(f"{host!r}: {part!r} is no range, such as 01-16 or 0-30/2")
    first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
    if last < first:
        raise ValueError(f"{host!r}: {part!r} runs backwards")
    return (last - first) // step + 1
