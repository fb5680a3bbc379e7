"""Lines of text as pieces with tokens: put together, measured and cut, before any terminal is involved."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence

from rich.cells import cell_len, set_cell_size

from tui.present.style import Token

Piece = tuple[str, Token]
Line = Sequence[Piece]

_WORDS = re.compile(r"\S+\s*|\s+")


def width_of(line: Line) -> int:
    """In terminal cells."""
    return sum(cell_len(text) for text, _ in line)


def cut(line: Line, width: int) -> list[Piece]:
    """The line in at most `width` cells, with an ellipsis where something was left out."""
    if width_of(line) <= width:
        return list(line)
    if width <= 0:
        return []
    kept: list[Piece] = []
    room = max(0, width - 1)
    for text, token in line:
        if cell_len(text) >= room:
            kept.append((set_cell_size(text, room).rstrip() + "…", token))
            break
        kept.append((text, token))
        room -= cell_len(text)
    return kept


def spread(left: Line, right: Line, width: int) -> list[Piece]:
    """Both ends of a line, exactly `width` cells: where both don't fit, the left one gives way."""
    right = cut(right, width)
    left = cut(left, max(0, width - width_of(right) - 1))
    gap = width - width_of(left) - width_of(right)
    return [*left, (" " * gap, Token.TEXT), *right]


def joined(parts: Sequence[Line], gap: str = "  ") -> list[Piece]:
    """Lines one after another with a gap between; empty ones leave no gap."""
    found: list[Piece] = []
    for part in parts:
        if part:
            found += [(gap, Token.DIM), *part] if found else part
    return found


def flow(parts: Sequence[Line], width: int, gap: str = "   ") -> list[Line]:
    """Parts one after another behind a margin, on as many lines as they need; only a part that is wider than a line is
    broken, at spaces. Something is left of parts that say something, however narrow a pane is squeezed.
    """
    lines, current = list[Line](), list[Piece]()
    for part in (piece for whole in parts for piece in broken(whole, max(1, width - 1))):
        if current and 1 + width_of(joined([current, part], gap)) > width:
            lines.append([(" ", Token.TEXT), *current])
            current = []
        current = joined([current, part], gap)
    return [*lines, [(" ", Token.TEXT), *current]] if current else lines


def broken(line: Line, width: int) -> list[Line]:
    """A line in as many as it takes, broken at spaces; a word that is wider is cut."""
    if width_of(line) <= width:
        return [line]
    lines, current, used = list[Line](), list[Piece](), 0
    for text, token in line:
        for word in _WORDS.findall(text):
            if current and used + cell_len(word.rstrip()) > width:
                lines.append(current)
                current, used = [], 0
            current.append((word, token))
            used += cell_len(word)
    return [cut(_trimmed(found), width) for found in [*lines, current]]


def _trimmed(line: Line) -> Line:
    text, token = line[-1]
    return [*line[:-1], (text.rstrip(), token)]


def within(lines: Sequence[Line], most: int, width: int) -> list[Line]:
    """At most so many lines; the last of them ends in an ellipsis where more would follow."""
    if len(lines) <= most:
        return list(lines)
    return [*lines[: most - 1], cut([*lines[most - 1], (" …", Token.DIM)], width)] if most > 0 else []


def fitting(variants: Sequence[Callable[[], Line]], width: int) -> Line:
    """The first variant that fits; the last one where none does."""
    line: Line = ()
    for variant in variants:
        line = variant()
        if width_of(line) <= width:
            break
    return line


def folded(text: str, width: int) -> list[str]:
    """A text in lines of at most `width` cells: nothing is lost, and what goes on is indented further.

    For what a person reads before deciding on it: broken at spaces, and within a word where that has no room.
    """
    indent = min(len(text) - len(text.lstrip()) + 2, max(0, width - 4))
    lines, line = list[str](), ""
    for word in _WORDS.findall(text):
        rest = word
        while cell_len(line) + cell_len(rest.rstrip()) > width:
            room = width - cell_len(line)
            kept = "" if line.strip() and cell_len(rest.rstrip()) <= width - indent else _beginning(rest, room)
            lines.append(line + kept)
            line, rest = " " * indent, rest[len(kept) :]
        line += rest
    return [*lines, line.rstrip()]


def _beginning(text: str, cells: int) -> str:
    """As many characters as fit."""
    end = 0
    while end < len(text) and cell_len(text[: end + 1]) <= cells:
        end += 1
    return text[:end]


def paragraphs(words: str, width: int) -> list[str]:
    """Plain text in lines of at most `width` characters, broken at spaces."""
    return textwrap.wrap(words, max(1, width)) or [""]
