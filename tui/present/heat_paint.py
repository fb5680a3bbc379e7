"""How the tiles of a heat map look: a code for each tile, then segments for each line.

A code is a level (or missing, or stale) with flags; two codes that are equal look the same, so that a line is drawn
as runs and every look is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from tui.present.format import fit, number, printable
from tui.present.heat import STALE, HeatModel, Scale
from tui.present.heat_layout import NUMBER_TILE, HeatLayout
from tui.present.style import HEAT, LEVELS, LOAD, Palette, Token
from watchfloor.model import State

Codes = NDArray[np.uint8]

# a code: bits 0-3 a level 0 to 9 or one of these, then flags
_MISSING: Final = 10
_STALE: Final = 11
_EMPTY: Final = 12
_LEVEL: Final = 0x0F
_DIMMED: Final = 0x10
_WARNING: Final = 0x20
_CRITICAL: Final = 0x40
CURSOR: Final = 0x80

_FLAGS: Final = (_CRITICAL, _WARNING)

# what the legend calls each sign, the most important first; the second where the first is too wide
_WORDS = {_CRITICAL: "critical", _WARNING: "warning", _MISSING: "missing", _STALE: "stale"}
_SHORT_WORDS = _WORDS | {_CRITICAL: "crit", _WARNING: "warn"}

Piece = tuple[int, int, Segment]  # x, cells, what is there
Part = list[tuple[str, Style]]  # of the legend

_NO_GROUND = Style()
_BLACK = Color.from_ansi(16)
_WHITE = Color.from_ansi(231)
_BLUR = Color.from_ansi(248)  # the cursor while another widget has the focus
_GREY = Color.from_ansi(240)  # under the cursor's neighbour: half a cell without a value
_DARK = Color.from_ansi(234)  # half a cell that a filter leaves out
_LIGHT_LEVEL = 6  # from here on a level's colour is so light that the text on it is black


def tile_codes(layout: HeatLayout, model: HeatModel) -> Codes:
    """The code of each tile: of its accelerator, or of what its accelerators have in common."""
    levels, states, dimmed = _per_tile(layout, model)
    codes = np.where(levels >= 0, levels, np.where(levels == STALE, _STALE, _MISSING)).astype(np.uint8)
    codes[states == State.WARNING] |= _WARNING
    codes[states == State.CRITICAL] |= _CRITICAL
    codes[dimmed] = _DIMMED
    return codes


def _per_tile(layout: HeatLayout, model: HeatModel) -> tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.bool_]]:
    """Level, state and whether it is left out, of each tile. Of several accelerators those left out don't count."""
    levels, states = model.levels, model.states
    dimmed = model.dimmed if model.dimmed is not None else np.zeros(len(levels), np.bool_)
    if layout.density.merge == 1:
        return levels, states, dimmed
    starts = layout.starts[:-1]
    known = (levels >= 0) & ~dimmed
    count = np.add.reduceat(known.astype(np.int32), starts)
    if model.scale.worst_high:
        merged = np.maximum.reduceat(np.where(known, levels, -1), starts)
    else:
        merged = np.add.reduceat(np.where(known, levels, 0).astype(np.int32), starts) // np.maximum(count, 1)
    without = np.minimum.reduceat(np.where(dimmed, np.int8(0), levels), starts)
    worst = np.maximum.reduceat(np.where(dimmed, np.int8(0), states), starts)
    every = np.logical_and.reduceat(dimmed, starts)
    return np.where(count > 0, merged, without).astype(np.int8), worst.astype(np.int8), every


def _is_drawn(codes: Codes, sign: int) -> bool:
    """Whether any tile shows this flag, or this level where it is well."""
    if sign in _FLAGS:
        return bool((codes & sign).any())
    return bool((codes & ~np.uint8(CURSOR) == sign).any())


def _state_of(code: int) -> State | None:
    """The worst state that a code, or two codes together, tell; None where both are well."""
    if code & _CRITICAL:
        return State.CRITICAL
    return State.WARNING if code & _WARNING else None


class _Looks(dict[int, tuple[str, Style]]):
    """Glyph and style of each key, made when it is first met."""

    def __init__(self, ground: Style, make: Callable[[int], tuple[str, Style]]) -> None:
        super().__init__()
        self._ground = ground
        self._make = make

    def __missing__(self, key: int) -> tuple[str, Style]:
        glyph, style = self._make(key)
        look = self[key] = (glyph, self._ground + style)
        return look


class HeatPainter:
    """Segments of a heat map in one palette. `focused` decides how the cursor looks."""

    def __init__(self, palette: Palette, scale: Scale, ground: Style = _NO_GROUND) -> None:
        self.palette = palette
        self.scale = scale
        self.ground = ground  # what lies under everything
        self._tokens = LOAD if scale.load else HEAT
        self._colours = [palette.style(token).color for token in self._tokens]
        self._ramp = self._make_ramp()
        # by code, or by two codes of a cell, each without and with the focus
        self._singles = [_Looks(ground, partial(self._single, focused=focused)) for focused in (False, True)]
        self._pairs = [_Looks(ground, partial(self._two, focused=focused)) for focused in (False, True)]

    def _make_ramp(self) -> list[tuple[str, Style]]:
        """How each level looks in a cell of its own, then missing and stale."""
        glyphs, style = self.palette.glyphs, self.palette.style
        if self.palette.colours and glyphs.tile:
            levels = [(glyphs.tile, style(token)) for token in self._tokens]
        else:  # the darkest colours are too dark for a thin character
            tokens = [Token.DIM, Token.DIM, *self._tokens[2:]]
            levels = [(character, style(token)) for character, token in zip(glyphs.shades, tokens, strict=True)]
        return [*levels, (glyphs.missing, style(Token.DIM)), (glyphs.stale, style(Token.STALE))]

    def line(self, layout: HeatLayout, codes: Codes, shorts: Sequence[str], y: int, focused: bool) -> list[Segment]:
        """One line of the map; `codes` of every tile, `shorts` the texts of number tiles (else empty)."""
        if layout.density.tile == NUMBER_TILE:
            pieces = self._numbers(layout, codes, shorts, y, focused)
        else:
            pieces = self._runs(layout, codes, y, focused)
        dim = self.ground + self.palette.style(Token.DIM)
        labels = [(x, self.palette.glyphs.spell(text)) for line, x, text in layout.labels if line == y]
        pieces += [(x, cell_len(text), Segment(text, dim)) for x, text in labels]
        return _joined(sorted(pieces, key=lambda piece: piece[0]), layout.width, self.ground)

    def _runs(self, layout: HeatLayout, codes: Codes, y: int, focused: bool) -> list[Piece]:
        coded = np.append(codes, np.uint8(_EMPTY))
        pair = layout.density.pair
        upper = coded[layout.grid[2 * y if pair else y]].astype(np.int32)
        both = upper << 8 | coded[layout.grid[2 * y + 1]] if pair else upper
        begins = np.flatnonzero(np.diff(both, prepend=-1))
        at, looks = begins.tolist(), self._pairs[focused] if pair else self._singles[focused]
        nothing = _EMPTY << 8 | _EMPTY if pair else _EMPTY
        pieces = []
        for x, end, key in zip(at, [*at[1:], layout.width], both[begins].tolist(), strict=True):
            if key != nothing:
                glyph, style = looks[key]
                pieces.append((x, end - x, Segment(glyph * (end - x), style)))
        return pieces

    def _single(self, code: int, focused: bool) -> tuple[str, Style]:
        """A tile that has a cell to itself."""
        glyph, style = self._plain(code)
        if code & CURSOR:
            style = style + self._cursor(focused)
        return glyph, style

    def _plain(self, code: int) -> tuple[str, Style]:
        state = _state_of(code)
        if state is not None:
            return self.palette.glyph(state), self._state_style(state)
        if code & _DIMMED:
            return self.palette.glyphs.left_out, self.palette.style(Token.RULE)
        return self._ramp[code & _LEVEL]

    def _two(self, key: int, focused: bool) -> tuple[str, Style]:
        return self._pair(key >> 8, key & 0xFF, focused)

    def _pair(self, upper: int, lower: int, focused: bool) -> tuple[str, Style]:
        """Two tiles in one cell, or one above nothing."""
        half, state = self.palette.glyphs.half, _state_of(upper | lower)
        if lower & _LEVEL == _EMPTY:
            if self._has_colour(upper):
                return half, Style(color=self._colour(upper, focused))
            return self._single(upper, focused)
        if state is not None:
            return self._flagged(state, upper, lower, focused)
        if (self._is_absent(upper) and self._is_absent(lower)) or upper & lower & _DIMMED:
            return self._single(max(upper & ~CURSOR, lower & ~CURSOR) | ((upper | lower) & CURSOR), focused)
        if not (upper | lower) & CURSOR and self._is_absent(upper) != self._is_absent(lower):
            return self._hatched(upper, lower)
        return half, Style(color=self._colour(upper, focused), bgcolor=self._colour(lower, focused))

    def _hatched(self, upper: int, lower: int) -> tuple[str, Style]:
        """One of two tiles has no value: its glyph on the colour of the other, for no colour means "no value"."""
        absent, other = (upper, lower) if self._is_absent(upper) else (lower, upper)
        ink = _BLACK if other & _LEVEL >= _LIGHT_LEVEL and self._has_colour(other) else _WHITE
        return self._ramp[absent & _LEVEL][0], Style(color=ink, bgcolor=self._colour(other, focused=False))

    @staticmethod
    def _is_absent(code: int) -> bool:
        return code & _DIMMED == 0 and code & _LEVEL in (_MISSING, _STALE)

    def _flagged(self, state: State, upper: int, lower: int, focused: bool) -> tuple[str, Style]:
        """A state's glyph takes the whole cell; the colour behind it is that of the other tile."""
        if (upper | lower) & CURSOR:
            return self.palette.glyph(state), self._state_style(state) + self._cursor(focused)
        behind = lower if _state_of(upper) is state else upper
        return self.palette.glyph(state), self._state_style(state) + Style(bgcolor=self._shade(behind))

    def _state_style(self, state: State) -> Style:
        return self.palette.style(Token.CRITICAL if state is State.CRITICAL else Token.WARNING)

    @staticmethod
    def _has_colour(code: int) -> bool:
        return code & (_WARNING | _CRITICAL | _DIMMED) == 0 and code & _LEVEL < LEVELS

    def _colour(self, code: int, focused: bool) -> Color | None:
        if code & CURSOR:
            return _WHITE if focused else _BLUR
        if code & _DIMMED:
            return _DARK
        return self._colours[code & _LEVEL] if code & _LEVEL < LEVELS else _GREY

    def _shade(self, code: int) -> Color | None:
        """A colour dark enough for a state's glyph to be read on it."""
        level = code & _LEVEL
        return self._colours[min(level, 3)] if level < LEVELS and not code & _DIMMED else None

    def _numbers(self, layout: HeatLayout, codes: Codes, shorts: Sequence[str], y: int, focused: bool) -> list[Piece]:
        pieces = []
        for tile in np.flatnonzero(layout.rows == y).tolist():
            text, style = self._number(int(codes[tile]), self.palette.glyphs.spell(shorts[tile]), focused)
            pieces.append((int(layout.xs[tile]), NUMBER_TILE - 1, Segment(text, self.ground + style)))
        return pieces

    def _number(self, code: int, short: str, focused: bool) -> tuple[str, Style]:
        """Three cells: the value on its level's colour; a state's glyph before it, on the state's colour."""
        glyph, style = self._plain(code)
        if code & (_WARNING | _CRITICAL):
            text = glyph + fit(short, NUMBER_TILE - 2, "right", "") if short else f" {glyph} "
            style = Style(color=_BLACK, bgcolor=style.color, bold=True) if self.palette.colours else style
        elif code & _LEVEL == _STALE and len(short) < NUMBER_TILE - 1:
            text = glyph + fit(short, NUMBER_TILE - 2, "right", "")
        elif not self._has_colour(code):
            text = f" {glyph} "
        else:
            text = fit(short, NUMBER_TILE - 1, "right", "")
            style = self._on_level(code & _LEVEL)
        return text, style + self._cursor(focused) if code & CURSOR else style

    def _on_level(self, level: int) -> Style:
        if not self.palette.colours:
            return self.palette.style(Token.TEXT)
        return Style(color=_BLACK if level >= _LIGHT_LEVEL else _WHITE, bgcolor=self._colours[level])

    def _cursor(self, focused: bool) -> Style:
        if not self.palette.colours:
            return Style(reverse=True)
        return Style(color=_BLACK, bgcolor=_WHITE if focused else _BLUR, bold=True)

    def legend(self, layout: HeatLayout, codes: Codes, described: str, width: int) -> list[Segment]:
        """What the colours and glyphs of these tiles mean, and the accelerator under the cursor in words."""
        style, spell, taken = self.palette.style, self.palette.glyphs.spell, len(described) + 2
        drawn, others = self._key(layout, codes, _WORDS)
        if _wide(drawn) + taken > width:
            drawn, others = self._key(layout, codes, _SHORT_WORDS)
        right = [*drawn, *others]
        while right and _wide(right) + taken > width:
            right.pop()  # the least important stands last
        words = Segment(spell(f" {printable(described)}"), style(Token.STRONG))
        shown = [Segment(spell(text), look) for part in right for text, look in part]
        room = width - sum(cell_len(segment.text) for segment in shown)
        return [*Segment.adjust_line_length([words], room, style(Token.TEXT)), *shown]

    def _key(self, layout: HeatLayout, codes: Codes, words: Mapping[int, str]) -> tuple[list[Part], list[Part]]:
        """Parts of the legend, the most important first: what is drawn, and the signs that only might be."""
        dim = self.palette.style(Token.DIM)
        ends = [f"{number(end, self.scale.unit)}" for end in (self.scale.low, self.scale.high)]
        begin, end = f"{self.scale.title} {ends[0]} ", f" {ends[1]}{self.scale.unit.value} "
        drawn: list[Part] = [[(begin, dim), *self._ramp[:LEVELS], (end, dim)]]
        if layout.density.merge > 1:
            how = "highest" if self.scale.worst_high else "mean"
            drawn.append([(f" {how} of {layout.density.merge} ", dim)])
        others: list[Part] = []
        for sign, word in words.items():
            glyph, look = self._plain(sign)
            part = [(" ", dim), (glyph, look if sign in _FLAGS else dim), (f" {word} ", dim)]
            (drawn if _is_drawn(codes, sign) else others).append(part)
        return drawn, others


def _wide(parts: Sequence[Part]) -> int:
    return sum(cell_len(text) for part in parts for text, _ in part)


def _joined(pieces: Sequence[Piece], width: int, ground: Style) -> list[Segment]:
    """Pieces at their places, blanks between them, exactly `width` cells."""
    segments, x = [], 0
    for at, cells, segment in pieces:
        if at > x:
            segments.append(Segment(" " * (at - x), ground))
        segments.append(segment)
        x = at + cells
    return [*segments, Segment(" " * (width - x), ground)] if x < width else segments
