"""What a query says, as a tree: syntax only, names and units unchecked. `str` of a tree is a query with the same tree.

`column` counts from 1 within the query's text and is no part of a tree's identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class _Node:
    column: int = field(default=1, compare=False, kw_only=True)


@dataclass(frozen=True)
class Number(_Node):
    lexeme: str  # as written, for texts that look like numbers
    unit: str = ""  # as written: "GB"

    @property
    def value(self) -> float:
        """Without its unit."""
        return float(int(self.lexeme, 16)) if self.lexeme.startswith("0x") else float(self.lexeme)

    def __str__(self) -> str:
        return self.lexeme + self.unit


@dataclass(frozen=True)
class Word(_Node):
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Text(_Node):
    text: str

    def __str__(self) -> str:
        return f"'{self.text}'" if '"' in self.text else f'"{self.text}"'


@dataclass(frozen=True)
class Call(_Node):
    name: str
    arguments: tuple[Tree, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True)
class Negative(_Node):
    item: Tree

    def __str__(self) -> str:
        return f"-{_wrapped(self.item)}"


@dataclass(frozen=True)
class Arithmetic(_Node):
    sign: str  # + - * / &
    left: Tree
    right: Tree

    def __str__(self) -> str:
        return f"{_wrapped(self.left)} {self.sign} {_wrapped(self.right)}"


@dataclass(frozen=True)
class Compare(_Node):
    sign: str  # < <= > >= == != ~ !~
    left: Tree
    right: Tree

    def __str__(self) -> str:
        return f"{_wrapped(self.left)} {self.sign} {_wrapped(self.right)}"


@dataclass(frozen=True)
class Within(_Node):
    item: Tree
    choices: tuple[Tree, ...]

    def __str__(self) -> str:
        return f"{_wrapped(self.item)} in ({', '.join(map(str, self.choices))})"


@dataclass(frozen=True)
class Not(_Node):
    item: Tree

    def __str__(self) -> str:
        return f"not {_wrapped(self.item)}"


@dataclass(frozen=True)
class And(_Node):
    items: tuple[Tree, ...]

    def __str__(self) -> str:
        return " and ".join(map(_wrapped, self.items))


@dataclass(frozen=True)
class Or(_Node):
    items: tuple[Tree, ...]

    def __str__(self) -> str:
        return " or ".join(map(_wrapped, self.items))


@dataclass(frozen=True)
class Lasting(_Node):
    item: Tree
    duration: Number

    def __str__(self) -> str:
        return f"{_wrapped(self.item)} for {self.duration}"


Tree = Number | Word | Text | Call | Negative | Arithmetic | Compare | Within | Not | And | Or | Lasting


def words(item: Tree) -> Iterator[str]:
    """Every name within."""
    if isinstance(item, Word):
        yield item.name
    for part in fields(item):
        value = getattr(item, part.name)
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, _Node):
                yield from words(inner)  # pyright: ignore[reportArgumentType] - a node is one of Tree


def _wrapped(tree: Tree) -> str:
    return str(tree) if isinstance(tree, Number | Word | Text | Call) else f"({tree})"


def parts(tree: Tree) -> tuple[Tree, ...]:
    """The trees directly within this one."""
    match tree:
        case Call(arguments=items) | And(items=items) | Or(items=items):
            return items
        case Arithmetic(left=left, right=right) | Compare(left=left, right=right):
            return (left, right)
        case Within(item=item, choices=choices):
            return (item, *choices)
        case Negative(item=item) | Not(item=item) | Lasting(item=item):
            return (item,)
        case _:
            return ()


def depth(tree: Tree) -> int:
    """How deeply trees are nested in it, itself counted."""
    level, nodes = 0, [tree]
    while nodes:
        level, nodes = level + 1, [part for node in nodes for part in parts(node)]
    return level
