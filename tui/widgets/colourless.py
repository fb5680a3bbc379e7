"""What NO_COLOR asks for (no-color.org): no colour at all. Textual's own way makes greys of all colours.

What tells things apart then is bold, dim, reverse and underline, which the theme "mono" brings, and signs.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter


class Colourless(LineFilter):
    """Leaves text, attributes and what a click does."""

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str]) -> Sequence[LineFilter]:
        """This filter where NO_COLOR is set and not empty, none otherwise; and what NO_COLOR says is taken out, for
        Textual would make greys where it is empty, too.
        """
        return [cls()] if environment.pop("NO_COLOR", "") else []

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(text, None if style is None else _plain(style), control) for text, style, control in segments]


@lru_cache(1024)
def _plain(style: Style) -> Style:
    plain = style.without_color
    return plain + Style.from_meta(style.meta) if style.meta else plain
