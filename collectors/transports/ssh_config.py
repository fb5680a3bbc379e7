"""ssh_config, read once and asked many times: what `ssh HOST` would do, for a thousand hosts.

asyncssh reads the file anew for every connection (seconds of CPU for a large file and a large fleet), so the file is
parsed here into blocks once, and each host only tries the conditions. Followed as ssh_config(5) says: Host, Match
(all, host, originalhost, user, localuser, tagged, exec, final), Include, first value wins, tokens, `~` and ${NAME}.
Not followed: CanonicalizeHostname and `Match canonical`, `localnetwork` (those blocks never apply).
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from getpass import getuser
from pathlib import Path

from watchfloor.errors import ConfigError

_MAX_INCLUDE_DEPTH = 16  # as in OpenSSH
_EXEC_SECONDS = 5.0
_LISTS = {"identityfile", "certificatefile", "setenv"}  # every value counts, not only the first
_WHOLE_LINE = {"proxycommand", "remotecommand", "localcommand", "knownhostscommand"}
_WORDS = {"userknownhostsfile", "globalknownhostsfile"}  # one value of several words
_NUMBERS = {"port": range(1, 65536), "serveralivecountmax": range(2**31)}
_TIMES = {"connecttimeout", "serveraliveinterval"}
_SECONDS_OF = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(slots=True)
class Globs:
    """Wildcard patterns, of which those with a `!` veto. Plain names are looked up, not tried one by one."""

    plain: frozenset[str]
    wild: list[re.Pattern[str]]
    vetoed: list[re.Pattern[str]]

    @classmethod
    def of(cls, patterns: Sequence[str]) -> Globs:
        wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
        return cls(
            frozenset(pattern for pattern in wanted if not set(pattern) & set("*?")),
            [_compiled(pattern) for pattern in wanted if set(pattern) & set("*?")],
            [_compiled(pattern[1:]) for pattern in patterns if pattern.startswith("!")],
        )

    def matches(self, name: str) -> bool:
        if any(pattern.match(name) for pattern in self.vetoed):
            return False
        return name in self.plain or any(pattern.match(name) for pattern in self.wild)


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern.replace("[", "[[]")))


@dataclass(slots=True)
class Criterion:
    """One word of a Match line, or the whole of a Host line (`kind` "alias")."""

    kind: str
    globs: Globs
    argument: str = ""
    negated: bool = False


@dataclass(slots=True)
class Block:
    """Lines under one Host or Match: options, and the blocks of included files, in their order."""

    criteria: list[Criterion]
    lines: list[tuple[str, list[str]] | list[Block]] = field(default_factory=list)


@dataclass(slots=True)
class Answer:
    """The options of one host as they stand: keyword in lower case -> values."""

    alias: str
    local_user: str
    values: dict[str, list[str]] = field(default_factory=dict)

    def first(self, keyword: str, default: str = "") -> str:
        return self.values.get(keyword, [default])[0]

    @property
    def host(self) -> str:
        """HostName, with its token, as far as the blocks until now have set it."""
        return expand(self.first("hostname", self.alias), {"h": self.alias})

    def take(self, keyword: str, arguments: list[str]) -> None:
        if keyword in _LISTS:
            self.values.setdefault(keyword, []).extend(arguments)
        elif keyword not in self.values:
            self.values[keyword] = arguments if keyword in _WORDS else arguments[:1]


class SshConfig:
    """Parsed files. Raises ConfigError, with file and line, for what can't be understood."""

    def __init__(self, files: Sequence[str]) -> None:
        self.read: list[str] = []  # every file that was read, those of Include among them
        self._files = [self._parse(Path(name).expanduser(), 0) for name in files]
        self.runs_commands = False
        self._two_passes = False
        for block in self._blocks(self._files):
            kinds = {criterion.kind for criterion in block.criteria}
            self.runs_commands |= "exec" in kinds
            self._two_passes |= "final" in kinds

    def _blocks(self, files: list[list[Block]]) -> Iterator[Block]:
        for blocks in files:
            for block in blocks:
                yield block
                yield from self._blocks([line for line in block.lines if isinstance(line, list)])

    def _parse(self, path: Path, depth: int) -> list[Block]:
        try:
            text = path.read_text("utf-8", "replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigError(f"can't be read: {error.strerror}", file=str(path)) from error
        self.read.append(str(path))
        blocks = [Block([])]
        for number, line in enumerate(text.splitlines(), 1):
            keyword, arguments = split_line(line, str(path), number)
            if keyword == "host":
                blocks.append(Block([Criterion("alias", Globs.of(arguments))]))
            elif keyword == "match":
                blocks.append(Block(_criteria(arguments, str(path), number)))
            elif keyword == "include":
                self._include(blocks[-1], arguments, path, depth, number)
            elif keyword:
                if not _understood(keyword, arguments):
                    raise ConfigError(f"not a value for it: {line.strip()!r}", file=str(path), line=number)
                blocks[-1].lines.append((keyword, arguments))
        return blocks

    def _include(self, block: Block, patterns: list[str], path: Path, depth: int, number: int) -> None:
        if depth >= _MAX_INCLUDE_DEPTH:
            raise ConfigError(f"files include one another more than {depth} deep", file=str(path), line=number)
        system = path.is_relative_to("/etc/ssh")
        home = Path("/etc/ssh") if system else Path("~/.ssh").expanduser()
        for pattern in patterns:
            whole = Path(home, Path(pattern).expanduser())  # an absolute pattern replaces the home
            found = sorted(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))))
            block.lines += [self._parse(file, depth + 1) for file in found if file.is_file()]

    def ask(self, alias: str, user: str | None = None) -> Answer:
        """The options for `ssh alias`. May run commands (`Match exec`), where `runs_commands` says so."""
        answer = Answer(alias, getuser())
        if user:
            answer.values["user"] = [user]
        for final in (False, True) if self._two_passes else (False,):
            for blocks in self._files:
                self._apply(blocks, answer, final)
        return answer

    def _apply(self, blocks: list[Block], answer: Answer, final: bool) -> None:
        for block in blocks:
            if not all(_holds(criterion, answer, final) for criterion in block.criteria):
                continue
            for line in block.lines:
                if isinstance(line, list):
                    self._apply(line, answer, final)
                elif not (final and line[0] in _LISTS):
                    answer.take(line[0], list(line[1]))


def split_line(line: str, file: str, number: int) -> tuple[str, list[str]]:
    """Keyword in lower case, and its arguments; ("", []) for blank lines and comments. Raises ConfigError."""
    line = line.strip()
    if not line or line.startswith("#"):
        return "", []
    found = re.match(r"([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*)", line)
    if found is None:
        raise ConfigError(f"a keyword without a value: {line!r}", file=file, line=number)
    keyword, rest = found[1].lower(), found[2]
    if keyword in _WHOLE_LINE:
        return keyword, [rest]
    try:
        return keyword, shlex.split(rest, comments=True) if set(rest) & set("\"'#\\") else rest.split()
    except ValueError as error:
        raise ConfigError(f"{error} in {line!r}", file=file, line=number) from error


def _understood(keyword: str, arguments: list[str]) -> bool:
    """Whether a number or a time is one, where this module's readers want one."""
    value = arguments[0] if arguments else ""
    if keyword in _NUMBERS:
        return value.isascii() and value.isdigit() and int(value) in _NUMBERS[keyword]
    return keyword not in _TIMES or value.lower() == "none" or seconds(value) is not None


def seconds(text: str) -> float | None:
    """A time of ssh_config(5), such as 90, 1m30s or 2h; None for what is none."""
    parts = re.findall(r"(\d+)([smhdw]?)", text.lower())
    if not parts or "".join(number + unit for number, unit in parts) != text.lower():
        return None
    return float(sum(int(number) * _SECONDS_OF[unit] for number, unit in parts))


def _criteria(words: list[str], file: str, number: int) -> list[Criterion]:
    criteria, words = [], list(words)
    while words:
        word = words.pop(0).lower()
        kind = word.lstrip("!")
        criterion = Criterion(kind, Globs.of([]), negated=word.startswith("!"))
        if kind not in ("all", "canonical", "final"):
            if not words:
                raise ConfigError(f"Match {kind} needs a value", file=file, line=number)
            criterion.argument = words.pop(0)
            criterion.globs = Globs.of(criterion.argument.split(","))
        criteria.append(criterion)
    return criteria


def _holds(criterion: Criterion, answer: Answer, final: bool) -> bool:
    match criterion.kind:
        case "alias" | "originalhost":
            found = criterion.globs.matches(answer.alias)
        case "host":
            found = criterion.globs.matches(answer.host)
        case "user":
            found = criterion.globs.matches(answer.first("user", answer.local_user))
        case "localuser":
            found = criterion.globs.matches(answer.local_user)
        case "tagged":
            found = criterion.globs.matches(answer.first("tag"))
        case "exec":
            found = _runs(criterion.argument, answer)
        case kind:
            found = kind == "all" or (kind == "final" and final)
    return found != criterion.negated


def _runs(command: str, answer: Answer) -> bool:
    """Whether the user's own command, from the user's own file, ends well. Waits at most 5 s."""
    tokens = {"h": answer.host, "n": answer.alias, "u": answer.local_user}
    tokens |= {"r": answer.first("user", answer.local_user), "p": answer.first("port", "22")}
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", expand(command, tokens)], capture_output=True, timeout=_EXEC_SECONDS, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (subprocess.TimeoutExpired, OSError):
        return False
    return done.returncode == 0


def expand(text: str, tokens: dict[str, str]) -> str:
    """%-tokens that are known; others stay as they are."""
    return re.sub(r"%(.)", lambda found: {"%": "%", **tokens}.get(found[1], found[0]), text)


def expand_path(text: str, tokens: dict[str, str]) -> str:
    """Tokens, ${NAME} and `~`. A name that the environment doesn't have stays as it is."""
    whole = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], found[0]), expand(text, tokens))
    return os.path.expanduser(whole)  # noqa: PTH111 (pathlib refuses the home of an unknown user)
