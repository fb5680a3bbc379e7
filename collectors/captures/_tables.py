"""Tables drawn with bars, as text: `|`, `│` and `┃` between cells, whatever the lines between rows. Pure."""

from __future__ import annotations

import re

_BARS = re.compile(r"[|│┃]")
_BORDER = re.compile(r"[\s+\-|=:┏┓┗┛┡┩├┤┬┴┼╇╈─━┳┻╋└┘┌┐│┃╞╡╪╤╧═]+")


def row(line: str) -> list[str] | None:
    """The cells of a line; None where it is none of a table."""
    stripped = line.strip()
    if len(_BARS.findall(stripped)) < 2 or is_border(stripped):
        return None
    return [cell.strip() for cell in _BARS.split(stripped)[1:-1]]


def is_border(line: str) -> bool:
    """A line between the rows of a table."""
    return bool(line.strip()) and _BORDER.fullmatch(line) is not None
