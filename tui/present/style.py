"""What things look like: tokens, and the palettes that turn a token into a rich Style.

Present functions say *what* a piece of text is (`Token`); a palette says how it looks in this terminal. A colour never
stands alone: states have a glyph, load has a number, a bar or a digit beside it.

Load colours (how busy) are kept apart from health colours (how well): full load is good, and never red.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rich.color import Color
from rich.style import Style

from watchfloor.model import State

LEVELS = 10


class Token(StrEnum):
    """The role of a piece of text."""

    TEXT = "text"
    STRONG = "strong"  # a name, the value that a line is about
    DIM = "dim"  # missing values, units, help
    STALE = "stale"  # a last known value that is no longer current
    HEADER = "header"  # column titles
    TITLE = "title"  # title of a panel or a group
    RULE = "rule"  # lines and frames between things
    BAR = "bar"  # the top and bottom bars of a page
    ACCENT = "accent"  # keys, the sort arrow, the badge
    MATCH = "match"  # what a filter or a search found
    MARK = "mark"  # a marked row
    CURSOR = "cursor"  # the row or accelerator that keys act on, in the focused widget
    CURSOR_BLUR = "cursor_blur"  # the same, while another widget has the focus
    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    CRITICAL = "critical"
    LOAD_0 = "load_0"
    LOAD_1 = "load_1"
    LOAD_2 = "load_2"
    LOAD_3 = "load_3"
    LOAD_4 = "load_4"
    LOAD_5 = "load_5"
    LOAD_6 = "load_6"
    LOAD_7 = "load_7"
    LOAD_8 = "load_8"
    LOAD_9 = "load_9"
    HEAT_0 = "heat_0"
    HEAT_1 = "heat_1"
    HEAT_2 = "heat_2"
    HEAT_3 = "heat_3"
    HEAT_4 = "heat_4"
    HEAT_5 = "heat_5"
    HEAT_6 = "heat_6"
    HEAT_7 = "heat_7"
    HEAT_8 = "heat_8"
    HEAT_9 = "heat_9"


LOAD: Sequence[Token] = tuple(Token(f"load_{level}") for level in range(LEVELS))
HEAT: Sequence[Token] = tuple(Token(f"heat_{level}") for level in range(LEVELS))

STATE_TOKENS: Mapping[State, Token] = {
    State.OK: Token.OK,
    State.UNKNOWN: Token.UNKNOWN,
    State.WARNING: Token.WARNING,
    State.CRITICAL: Token.CRITICAL,
}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters that carry meaning. Each is one cell wide."""

    states: Mapping[State, str]
    missing: str  # a cell of the heat map without a value
    stale: str  # ... whose value is old; also the mark behind a stale value
    left_out: str  # a cell of the heat map that a filter leaves out
    mark: str  # a marked row
    ascending: str
    descending: str
    ellipsis: str
    tile: str  # one accelerator in one cell
    half: str  # two accelerators in one cell: upper in the foreground, lower in the background
    steps: str  # eight heights of a bar in one cell, lowest first
    shades: str  # ten levels where colours can't tell them apart
    rule: str
    bar: str  # the filled part of a gauge: a whole cell, half a cell
    braille: bool  # braille dots, and every other character, may be drawn

    def spell(self, text: str) -> str:
        """The text in characters that the terminal has."""
        if self.braille or text.isascii():
            return text
        return text.translate(_IN_ASCII).encode("ascii", "replace").decode()


# what stands for the characters outside ASCII that our own words use
_IN_ASCII = str.maketrans(
    {"…": ">", "·": ".", "×": "x", "—": "-", "–": "-", "°": "", "∑": "S", "│": "|", "├": "+", "└": "`", "→": ">"}
)

UNICODE = Glyphs(
    {State.OK: "●", State.UNKNOWN: "?", State.WARNING: "▲", State.CRITICAL: "✖"},
    "░", "~", "·", "◆", "▲", "▼", "…", "■", "▀", "▁▂▃▄▅▆▇█", "·▁▂▃▄▅▆▇██", "─", "━╸", True,
)  # fmt: skip
ASCII = Glyphs(
    {State.OK: "o", State.UNKNOWN: "?", State.WARNING: "!", State.CRITICAL: "X"},
    ".", "~", " ", "*", "^", "v", ">", "", "", "_.-:=+*#", "0123456789", "-", "=-", False,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Palette:
    """How every token looks. `colours` is False where levels must be told apart by characters alone."""

    name: str
    styles: Mapping[Token, Style]
    glyphs: Glyphs = UNICODE
    colours: bool = True

    def style(self, token: Token) -> Style:
        return self.styles[token]

    def glyph(self, state: State) -> str:
        return self.glyphs.states[state]

    @staticmethod
    def from_environment(env: Mapping[str, str]) -> Palette:
        """NO_COLOR, WATCHFLOOR_THEME (default, colorblind, mono) and WATCHFLOOR_ASCII, and the locale's encoding.

        Ask before Textual's App is made: it takes NO_COLOR out of os.environ. An unknown theme is the default one.
        """
        name = "mono" if env.get("NO_COLOR") else env.get("WATCHFLOOR_THEME", "default")
        return palette(name if name in THEMES else "default", ascii_only=_wants_ascii(env))


def palette(name: str, *, ascii_only: bool = False) -> Palette:
    """The theme of this name. Raises KeyError; the names are `THEMES`."""
    return Palette(name, THEMES[name], ASCII if ascii_only else UNICODE, name != "mono")


def _wants_ascii(env: Mapping[str, str]) -> bool:
    if "WATCHFLOOR_ASCII" in env:
        return env["WATCHFLOOR_ASCII"] not in ("", "0")
    # POSIX: the first one that is set and not empty decides
    locale = next((env[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if env.get(name)), "")
    try:
        return codecs.lookup(locale.partition(".")[2].partition("@")[0] or "ascii").name != "utf-8"
    except LookupError:
        return False


def _ink(colour: int | None = None, on: int | None = None, **attributes: bool) -> Style:
    """A style from numbers of the 256-colour table."""
    return Style(
        color=None if colour is None else Color.from_ansi(colour),
        bgcolor=None if on is None else Color.from_ansi(on),
        **attributes,  # pyright: ignore[reportArgumentType]  (bold, dim, reverse, underline)
    )


def _scale(tokens: Sequence[Token], colours: str) -> dict[Token, Style]:
    """A style for each level. The 256-colour table has no even ramp; rich rounds these where a terminal needs it."""
    return {token: Style(color=colour) for token, colour in zip(tokens, colours.split(), strict=True)}


_DEFAULT: dict[Token, Style] = {
    Token.TEXT: _ink(252),
    Token.STRONG: _ink(255, bold=True),
    Token.DIM: _ink(242),
    Token.STALE: _ink(245, italic=True),
    Token.HEADER: _ink(109),
    Token.TITLE: _ink(152, bold=True),
    Token.RULE: _ink(238),
    Token.BAR: _ink(252, 235),
    Token.ACCENT: _ink(80),
    Token.MATCH: _ink(222),
    Token.MARK: _ink(177, bold=True),
    Token.CURSOR: _ink(255, 24),
    Token.CURSOR_BLUR: _ink(None, 236),
    Token.OK: _ink(65),
    Token.UNKNOWN: _ink(244),
    Token.WARNING: _ink(214, bold=True),
    Token.CRITICAL: _ink(203, bold=True),
    **_scale(LOAD, "#262f38 #1d3d4c #164d61 #186278 #1f788e #2a8ea0 #40a4b0 #5cbbbd #79ccc9 #96dcd4"),
    **_scale(HEAT, "#2a2833 #3a2c52 #4a3170 #603988 #77429c #9050aa #a762b7 #be78c2 #d594cf #ecb3dc"),
}

# from blue to yellow by lightness, as the cividis map (doi:10.1371/journal.pone.0199239), but of steps that the
# 256-colour table has and without that map's grey middle: grey is what is missing
_BLUE_TO_YELLOW = "#00005f #000087 #0000af #005f87 #005faf #5f87af #af875f #afaf5f #d7d75f #ffff5f"

# blue and orange differ for every common kind of colour blindness
_COLORBLIND: dict[Token, Style] = {
    **_DEFAULT,
    Token.OK: _ink(75),
    Token.WARNING: _ink(221, bold=True),
    Token.CRITICAL: _ink(202, bold=True),
    **_scale(LOAD, _BLUE_TO_YELLOW),
    **_scale(HEAT, _BLUE_TO_YELLOW),
}

_PLAIN = _ink()
_MONO: dict[Token, Style] = {
    **dict.fromkeys(Token, _PLAIN),
    Token.STRONG: _ink(bold=True),
    Token.DIM: _ink(dim=True),
    Token.STALE: _ink(dim=True, italic=True),
    Token.HEADER: _ink(underline=True),
    Token.TITLE: _ink(bold=True),
    Token.RULE: _ink(dim=True),
    Token.BAR: _ink(reverse=True),
    Token.ACCENT: _ink(bold=True),
    Token.MATCH: _ink(underline=True),
    Token.MARK: _ink(bold=True),
    Token.CURSOR: _ink(reverse=True),
    Token.CURSOR_BLUR: _ink(underline=True),
    Token.WARNING: _ink(bold=True),
    Token.CRITICAL: _ink(bold=True, reverse=True),
}

THEMES: Mapping[str, Mapping[Token, Style]] = {"default": _DEFAULT, "colorblind": _COLORBLIND, "mono": _MONO}

DEFAULT = palette("default")
