"""Lines of text as pieces with tokens: put together, measured and cut, before any terminal is involved."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from rich.cells import cell_len, set_cell_size

from tui.present.style import Token

Piece = tuple[str, Token]
Line = Sequence[Piece]


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


def fitting(variants: Sequence[Callable[[], Line]], width: int) -> Line:
    """The first variant that fits; the last one where none does."""
    line: Line = ()
    for variant in variants:
        line = variant()
        if width_of(line) <= width:
            break
    return line


def paragraphs(words: str, width: int) -> list[str]:
    """Plain text in lines of at most `width` characters, broken at spaces."""
    return textwrap.wrap(words, max(1, width)) or [""]
