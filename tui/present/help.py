"""The help of a page: its keys, its words, its colours, as lines."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from tui.present.format import fit, legend
from tui.present.line import Line, Piece, paragraphs
from tui.present.style import HEAT, LOAD, Palette, Token
from watchfloor.model import State

Entry = tuple[str, str]  # key or word, and what it does

_STATES = {
    State.OK: "no check has anything to say",
    State.UNKNOWN: "nothing current is known",
    State.WARNING: "somebody should look today",
    State.CRITICAL: "it is out, or it does harm",
}


def section(title: str, entries: Sequence[Entry], width: int) -> list[Line]:
    """A title and its entries, in as many columns as the width allows without cutting any."""
    word_width = max((cell_len(word) for word, _ in entries), default=0) + 1
    columns = max(1, min(3, width // (word_width + max((cell_len(does) for _, does in entries), default=0) + 3)))
    each = width // columns
    rows = -(-len(entries) // columns)
    lines: list[Line] = [[(title, Token.TITLE)]]
    for row in range(rows):
        line: list[Piece] = []
        for word, does in entries[row::rows]:
            line += [(fit(word, word_width), Token.ACCENT), (fit(f" {does}", each - word_width - 1), Token.TEXT)]
            line.append((" ", Token.TEXT))
        lines.append(line)
    return [*lines, []]


def prose(words: str, width: int) -> list[Line]:
    return [*([(line, Token.TEXT)] for line in paragraphs(words, min(width, 110))), []]


def states(palette: Palette, width: int) -> list[Line]:
    lines: list[Line] = [[("Health", Token.TITLE)]]
    tokens = (Token.OK, Token.UNKNOWN, Token.WARNING, Token.CRITICAL)
    for (state, means), token in zip(_STATES.items(), tokens, strict=True):
        lines.append([(f"{palette.glyph(state)} {state.label:14}", token), (f" {means}", Token.TEXT)])
    return [*lines, []]


def scales(palette: Palette) -> list[Line]:
    """The two scales of the heat map; health is never a colour of these."""
    tile = (palette.glyphs.tile or "#") * 2
    shades = [tile] * 10 if palette.colours else [shade * 2 for shade in palette.glyphs.shades]
    load: Line = [*zip(shades, LOAD, strict=True), ("  load: busier is brighter, and never an alarm", Token.TEXT)]
    heat: Line = [*zip(shades, HEAT, strict=True), ("  heat: temperature, 20 to 95 °C", Token.TEXT)]
    rest: Line = [
        (f"{palette.glyphs.missing} ", Token.DIM),
        ("no value   ", Token.TEXT),
        (f"{palette.glyphs.stale} ", Token.STALE),
        ("the last value, no longer current", Token.TEXT),
    ]
    return [[("Colours of the heat map", Token.TITLE)], load, heat, rest, []]


def missing(width: int) -> list[Line]:
    """What stands where a value doesn't."""
    return section("Where there is no value", [(short, words) for short, words in legend()], width)
