"""YAML files -> values that know where they stand: every complaint names file, line, column and what to do next.

The reader decides what a value is, not YAML: `on`, `no`, `1.10`, `12:30` mean other things to other readers of the
same file, so a plain one where a text belongs is refused, and quotes settle it. Duplicate keys, aliases and tags are
refused too.
"""

from __future__ import annotations

import os
import re
import select
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from watchfloor.errors import ConfigError
from watchfloor.metrics import Unit
from watchfloor.units import nearest, quantity

LARGEST_FILE_BYTES = 16 * 2**20
PIPE_SECONDS = 10.0  # so long a pipe may be silent
DEEPEST = 40
_PLAIN_TAGS = {"map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value"}
_PATTERN_IN_LIST = re.compile(r"""[\[,]\s*([^\s"',\[\]]+\[[\d,-]+\][^\s"',\[\]]*)""")  # a list in brackets: [a[1-4]]
_LOOKS_LIKE_NUMBER = re.compile(r"[-+]?\d[\d_]*(\.\d*)?([eE][-+]?\d+)?")

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Item:
    """One value of a file: a mapping (key -> Item), a list of Items, or the text of a scalar."""

    value: Mapping[str, Item] | list[Item] | str
    file: str
    line: int  # from 1
    column: int  # from 1
    plain: str = ""  # for a scalar without quotes: what YAML takes it for ("str", "int", "bool" …)
    path: str = ""  # "sites.oslo.racks"
    key_at: tuple[int, int] = (0, 0)  # line and column of its key

    def fail(self, message: str, advice: str = "") -> NoReturn:
        """Raise ConfigError at this place."""
        raise ConfigError(message, advice, file=self.file, line=self.line, column=self.column)

    @property
    def named(self) -> str:
        return self.path or "the file"

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.value, Mapping)

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, list)

    def entries(self) -> Mapping[str, Item]:
        """A mapping with keys of any name."""
        if not isinstance(self.value, Mapping):
            self.fail(f"{self.named} should hold keys and values", "as in key: value")
        return self.value

    def section(self, allowed: Iterable[str]) -> Section:
        """A mapping whose keys are known; another key is refused, with the nearest one."""
        entries, names = self.entries(), list(allowed)
        for key, item in entries.items():
            if key not in names:
                guess = nearest(key, names)
                advice = f"did you mean {guess}?" if guess else f"known are {', '.join(names)}"
                line, column = item.key_at
                raise ConfigError(f"{self.named} has no key {key!r}", advice, file=item.file, line=line, column=column)
        return Section(self, entries)

    def items(self) -> list[Item]:
        """A list; a single scalar stands for a list of one."""
        if isinstance(self.value, list):
            return self.value
        if isinstance(self.value, str):
            return [self]
        self.fail(f"{self.named} should be a list", "as in [a, b]")

    def text(self) -> str:
        if not isinstance(self.value, str):
            self.fail(f"{self.named} should be a text")
        if self.plain == "null":
            self.fail(f"{self.named} is empty", "give it a value or leave it out")
        if self.plain not in ("", "str"):
            self.fail(f"{self.named}: YAML may read {self.value} as {_article(self.plain)}", f'write "{self.value}"')
        return self.value

    def number(self) -> float:
        try:
            return float(self.text_of("number"))
        except ValueError:
            self.fail(f"{self.named}: {self.value!r} is not a number")

    def whole(self, lowest: int, highest: int) -> int:
        text = self.text_of("whole number")
        if self.plain != "int" or not text.isdecimal() or not lowest <= int(text) <= highest:
            advice = "without quotes" if not self.plain else ""
            self.fail(f"{self.named}: {text!r} is not a whole number from {lowest} to {highest}", advice)
        return int(text)

    def flag(self) -> bool:
        text = self.text_of("flag")
        if self.plain != "bool" or text not in ("true", "false"):
            self.fail(f"{self.named}: {text!r} is neither true nor false", "without quotes")
        return text == "true"

    def quantity(self, unit: Unit) -> float:
        """A number with a unit, such as 120kW, in the catalogue's unit."""
        try:
            return quantity(self.text_of("number with a unit"), unit)
        except ValueError as error:
            self.fail(f"{self.named}: {error}")

    def text_of(self, wanted: str) -> str:
        """A scalar of whatever kind, as written."""
        if not isinstance(self.value, str):
            self.fail(f"{self.named} should be a {wanted}")
        return self.value


@dataclass(frozen=True)
class Section:
    """A mapping whose keys were checked."""

    item: Item
    entries: Mapping[str, Item]

    def get(self, key: str, read: Callable[[Item], _Read]) -> _Read | None:
        """What `read` makes of a value, None where the key isn't there."""
        item = self.entries.get(key)
        return read(item) if item is not None else None

    def require(self, key: str, read: Callable[[Item], _Read]) -> _Read:
        if key not in self.entries:
            self.item.fail(f"{self.item.named} needs a key {key!r}")
        return read(self.entries[key])


def _article(kind: str) -> str:
    return f"an {kind}" if kind == "int" else f"a {kind}"


def whole(lowest: int, highest: int) -> Callable[[Item], int]:
    return lambda item: item.whole(lowest, highest)


def load(path: Path) -> Item:
    """The value of a YAML file. Raises ConfigError, also where the file can't be read."""
    try:
        data = _bytes_of(path)
    except OSError as error:
        raise ConfigError(f"can't be read: {error.strerror}", file=str(path)) from error
    if len(data) > LARGEST_FILE_BYTES:
        raise ConfigError(f"is larger than {LARGEST_FILE_BYTES // 2**20} MiB", file=str(path))
    try:
        return parse(data.decode(), str(path))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8", "save it as UTF-8", file=str(path), line=line) from error


def _bytes_of(path: Path) -> bytes:
    """Little more than is allowed. A pipe, as `<(…)` makes one, may not keep its reader waiting for ever."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            return _bytes_of_pipe(file.fileno(), str(path))
        os.set_blocking(file.fileno(), True)
        return file.read(LARGEST_FILE_BYTES + 1)


def _bytes_of_pipe(pipe: int, name: str) -> bytes:
    data = b""
    while len(data) <= LARGEST_FILE_BYTES:
        try:
            more = os.read(pipe, LARGEST_FILE_BYTES)
        except BlockingIOError:
            if not select.select([pipe], [], [], PIPE_SECONDS)[0]:
                told = f"is a pipe out of which nothing came for {PIPE_SECONDS:g} s"
                raise ConfigError(told, "name a file", file=name) from None
            continue
        if not more:
            break
        data += more
    if not data:
        raise ConfigError("is a pipe that nobody writes into", "name a file", file=name)
    return data


def parse(text: str, file: str) -> Item:
    """The value of a YAML text; `file` is named in complaints. Raises ConfigError."""
    import yaml  # noqa: PLC0415 - 50 ms, and a command line of plain host names needs none

    loader = yaml.CSafeLoader(text)
    try:
        node = loader.get_single_node()
        return Item({}, file, 1, 1) if node is None else _Reader(file).item(node, "", 1)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        problem = error.problem or error.context or "not YAML"
        raise ConfigError(problem, _quotes(text, line), file=file, line=line, column=column) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"not YAML: {error.reason}", file=file, line=line) from error
    except RecursionError as error:
        raise ConfigError("too deeply nested", file=file) from error
    finally:
        loader.dispose()


def _quotes(text: str, line: int) -> str:
    """What to do about a line that YAML can't read, where that is a host pattern within a list in brackets."""
    said = text.splitlines()[line - 1 : line]
    pattern = _PATTERN_IN_LIST.search(said[0]) if said else None
    return f'write "{pattern[1]}"' if pattern else ""


class _Reader:
    """YAML nodes -> Items, refusing what has surprises in it."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._seen: set[int] = set()

    def item(self, node: Any, path: str, depth: int) -> Item:
        make = partial(
            Item, file=self._file, line=node.start_mark.line + 1, column=node.start_mark.column + 1, path=path
        )
        if id(node) in self._seen or depth > DEEPEST:
            make("").fail(*(("too deeply nested",) if depth > DEEPEST else ("an alias (*name)", "write it out")))
        self._seen.add(id(node))
        if node.tag.removeprefix("tag:yaml.org,2002:") not in _PLAIN_TAGS:
            make("").fail(f"a tag ({node.tag})", "leave it out")
        if node.id == "mapping":
            return make(dict(self._entries(node, path, depth)))
        if node.id == "sequence":
            return make([self.item(child, f"{path}[{at}]", depth + 1) for at, child in enumerate(node.value)])
        return make(node.value, plain=_taken_for(node))

    def _entries(self, node: Any, path: str, depth: int) -> Iterator[tuple[str, Item]]:
        known: set[str] = set()
        for key_node, value_node in node.value:
            key = self.item(key_node, path, depth + 1)
            name = key.text_of("key")
            if key.plain not in ("", "str"):
                key.fail(f"the key {name}: YAML may read it as {_article(key.plain)}", f'write "{name}"')
            if name in known:
                key.fail(f"the key {name!r} is there twice")
            known.add(name)
            value = self.item(value_node, f"{path}.{name}" if path else name, depth + 1)
            yield name, replace(value, key_at=(key.line, key.column))


def _taken_for(node: Any) -> str:
    """What readers of YAML 1.1 or 1.2 take a scalar for; "" where quotes settle it."""
    if node.style:
        return ""
    kind = node.tag.rpartition(":")[2]
    return "number" if kind == "str" and _LOOKS_LIKE_NUMBER.fullmatch(node.value) else kind
