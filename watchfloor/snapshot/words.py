"""One value as a person reads it in a line of text. Missing values become the short code of their reason.

Columns for a pipe have no blank within a value (`52°C`, `79.6G`), so that awk and cut find them; sentences and evidence
have one (`52 °C`, `79.6 GiB`), as every page of the terminal has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from unicodedata import east_asian_width

from watchfloor.frame import Cell
from watchfloor.metrics import Kind, Metric, Unit, throttle_reasons
from watchfloor.model import MISSING_LABELS, Missing, State

SHORT: dict[Missing, str] = {
    Missing.NOT_YET: "…",
    Missing.UNSUPPORTED: "n/s",
    Missing.NOT_PERMITTED: "n/p",
    Missing.TIMED_OUT: "t/o",
    Missing.FAILED: "fail",
    Missing.LOST: "lost",
    Missing.STALE: "stale",
}

_OLD = {Missing.STALE, Missing.TIMED_OUT, Missing.LOST}
_BINARY = "KMGTPE"
_DECIMAL = "kMGTPE"
_IN_WORDS = {Kind.FLAG, Kind.STATE, Kind.BITS}
_FIGURES_AND_UNIT = re.compile(r"(-?[\d.]+)([^\d.]*)")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def shown(metric: Metric, cell: Cell) -> str:
    """The value with its unit, or why there is none; a last known value (and every last known text) carries a `~`."""
    if cell.value is None:
        return SHORT.get(cell.missing, "…")
    if cell.missing is Missing.NO:
        return of_value(metric, cell.value)
    old = isinstance(cell.value, str) or cell.missing in (Missing.STALE, Missing.TIMED_OUT)
    return f"~{of_value(metric, cell.value)}" if old else SHORT[cell.missing]


def cells_wide(text: str) -> int:
    """How many cells of a terminal a text takes."""
    return len(text) + sum(east_asian_width(letter) in "WF" for letter in text) if not text.isascii() else len(text)


def legend(reasons: set[Missing]) -> str:
    """What the short codes of these reasons mean: one line, "" where there is nothing to explain."""
    coded = [reason for reason in sorted(reasons - {Missing.NO}) if SHORT[reason] != MISSING_LABELS[reason]]
    words = [f"{SHORT[reason]} {MISSING_LABELS[reason]}" for reason in coded]
    return "   ".join([*words, "~ last known"] if reasons & _OLD else words)


def of_value(metric: Metric, value: float | str) -> str:
    """A value that is there, with its unit."""
    if isinstance(value, str):
        return value
    match metric.kind:
        case Kind.FLAG:
            return "yes" if value else "no"
        case Kind.STATE:
            return State(int(value)).label
        case Kind.BITS:
            return "+".join(throttle_reasons(int(value)))
    return _number(metric.unit, value)


def in_prose(metric: Metric, value: float | str) -> str:
    """A value that is there, as sentences and pages spell it: `52 °C`, `79.6 GiB`, `12 s`."""
    text = of_value(metric, value)
    if isinstance(value, str) or metric.kind in _IN_WORDS:
        return text
    return _parted(text, binary=metric.unit is Unit.BYTES)


def duration_in_prose(seconds: float) -> str:
    """How long something goes on, as sentences and pages spell it: `30 s`, `5 m`."""
    return _parted(duration(seconds))


def _parted(text: str, binary: bool = False) -> str:
    """`79.6G` -> `79.6 GiB`, `12s` -> `12 s`."""
    parted = _FIGURES_AND_UNIT.fullmatch(text)
    if parted is None:
        return text
    figures, unit = parted.groups()
    if binary:
        unit = f"{unit}iB" if unit else "B"
    return f"{figures} {unit}".rstrip()


def _number(unit: Unit, value: float) -> str:
    word = _WORDS.get(unit)
    return word(value) if word else f"{value:.0f}{unit.value}"


def _rate(value: float) -> str:
    return f"{value:.2g}/s" if abs(value) < 10 else f"{scaled(value, 1000, _DECIMAL)}/s"


def scaled(value: float, base: int, letters: str) -> str:
    """Three figures and a letter: 79.6G, 512M, 0."""
    size = abs(value)
    if size < base:
        return f"{value:.0f}"
    power = min(int(math.log(size, base)), len(letters))
    power += power < len(letters) and round(size / base**power) >= base
    short = value / base**power
    return f"{short:.3g}{letters[power - 1]}" if abs(short) < 1000 else f"{short:.0f}{letters[power - 1]}"


def duration(seconds: float) -> str:
    """12ms, 0.3s, 12s, 5m, 7h, 3d."""
    size = abs(seconds)
    if 0 < size < 0.0995:
        return f"{seconds * 1000:.2g}ms"
    if size < 10:
        return f"{seconds:.2g}s"
    if size < 2 * _MINUTE:
        return f"{seconds:.0f}s"
    if size < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f}m"
    return f"{seconds / _HOUR:.0f}h" if size < 2 * _DAY else f"{seconds / _DAY:.0f}d"


_WORDS: dict[Unit, Callable[[float], str]] = {
    Unit.BYTES: lambda value: scaled(value, 1024, _BINARY),
    Unit.BYTES_PER_SECOND: lambda value: f"{scaled(value, 1000, _DECIMAL)}B/s",
    Unit.JOULES: lambda value: f"{scaled(value, 1000, _DECIMAL)}J",
    Unit.SECONDS: duration,
    Unit.PER_SECOND: _rate,
    Unit.COUNT: lambda value: f"{value:.0f}",
    Unit.NONE: lambda value: f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}",
}
