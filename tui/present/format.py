"""Values as people read them: numbers with units, ages, flags, and a missing value's reason.

Widths are in terminal cells. A missing value is never a number: it is its reason, or its last value, dim and marked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from rich.cells import cell_len, set_cell_size

from tui.present.style import STATE_TOKENS, UNICODE, Glyphs, Token
from watchfloor.frame import Cell
from watchfloor.metrics import RECOVERY_ACTIONS, THROTTLE_REASONS, Kind, Metric, Unit, throttle_reasons
from watchfloor.model import Missing, Scope, State

Align = Literal["left", "right", "center"]
Text = tuple[str, Token]

# what a narrow column says instead of Missing.label
SHORT_REASONS: Mapping[Missing, str] = {
    Missing.NO: "",
    Missing.NOT_YET: "...",
    Missing.UNSUPPORTED: "n/s",
    Missing.NOT_PERMITTED: "n/p",
    Missing.TIMED_OUT: "t/o",
    Missing.FAILED: "err",
    Missing.LOST: "lost",
    Missing.STALE: "old",
}

# reasons under which the last value is worth showing: it was true once, and may be so again
_KEEP_LAST = frozenset({Missing.TIMED_OUT, Missing.STALE, Missing.FAILED, Missing.LOST})

# a throttle reason in a narrow column; the full words are watchfloor.metrics.THROTTLE_REASONS
_SHORT_THROTTLE: Mapping[int, str] = {
    0x1: "idle", 0x2: "app", 0x4: "power", 0x8: "hw-slow", 0x10: "sync",
    0x20: "sw-therm", 0x40: "hw-therm", 0x80: "brake", 0x100: "display",
}  # fmt: skip
_NOTHING = "-"  # known, and there is nothing: no throttling, no user
_THROTTLE_FAULTS = 0x8 | 0x20 | 0x40 | 0x80
_THROTTLE_IDLE = 0x1 | 0x2 | 0x100

_BINARY = ("", "K", "M", "G", "T", "P", "E")  # powers of 1,024: memory
_DECIMAL = ("", "k", "M", "G", "T", "P", "E")  # powers of 1,000: rates, energy, counts


def legend() -> Sequence[tuple[str, str]]:
    """Short reason -> what it means, for the help page."""
    return [(short, reason.label) for reason, short in SHORT_REASONS.items() if short]


def fit(text: str, width: int, align: Align = "left", ellipsis: str = "…") -> str:
    """The text in exactly `width` cells, cut with an ellipsis where it is longer; wide characters count as two."""
    if not text.isprintable():
        text = printable(text)
    length = cell_len(text)
    if length > width:
        cut = set_cell_size(text, max(0, width - len(ellipsis))) + ellipsis
        return set_cell_size(cut, width)
    room = width - length
    if align == "right":
        return " " * room + text
    left = room // 2 if align == "center" else 0
    return " " * left + text + " " * (room - left)


def shortened(text: str, width: int, ellipsis: str = "…") -> str:
    """An id in `width` cells at most: where it is longer, its middle is left out, for ids differ at their ends."""
    text = printable(text)
    if cell_len(text) <= width:
        return text
    room = max(0, width - len(ellipsis))
    head = set_cell_size(text, (room + 1) // 2).rstrip()
    tail = set_cell_size(text[::-1], room // 2).rstrip()[::-1]
    return f"{head}{ellipsis}{tail}"


def printable(text: str) -> str:
    """The text without control and format characters: what a node says must not act on the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def number(value: float, unit: Unit) -> str:
    """A value without its unit, as a column shows it: `97`, `79.6G`, `1.2G`, `3 s`."""
    match unit:
        case Unit.BYTES:
            return _prefixed(value, 1024.0, _BINARY)
        case Unit.BYTES_PER_SECOND | Unit.JOULES:
            return _prefixed(value, 1000.0, _DECIMAL)
        case Unit.SECONDS:
            return age(value)
        case Unit.COUNT:
            return f"{value:.0f}" if abs(value) < 100_000 else _prefixed(value, 1000.0, _DECIMAL)
        case Unit.NONE:
            return f"{value:.0f}" if value == int(value) else f"{value:.2f}"
    return _rate(value) if unit is Unit.PER_SECOND else f"{value:.0f}"


def _rate(value: float) -> str:
    return f"{value:.1f}" if abs(value) < 9.95 else _prefixed(value, 1000.0, _DECIMAL)


def quantity(value: float, unit: Unit) -> str:
    """A value with its unit: `97 %`, `79.6 GiB`, `1.2 GB/s`, `64 °C`, `701 W`."""
    text = number(value, unit)
    if unit in (Unit.SECONDS, Unit.NONE, Unit.COUNT):
        return text
    prefix = text[-1] if text[-1].isalpha() else ""
    if unit is Unit.BYTES and prefix:
        prefix += "i"
    return f"{text.rstrip(prefix[:1])} {prefix}{unit.value}" if prefix else f"{text} {unit.value}"


def age(seconds: float) -> str:
    """A stretch of time in one unit, rounded down: `0.4 s`, `3 s`, `2 m`, `5 h`, `12 d`."""
    sign, seconds = ("-", -seconds) if seconds <= -0.0005 else ("", abs(seconds))
    if seconds < 0.0995:
        return f"{sign}{seconds * 1000:.0f} ms"
    if seconds < 0.95:
        return f"{sign}{seconds:.1f} s"
    for limit, size, unit in ((60, 1, "s"), (3600, 60, "m"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{sign}{max(1, int(seconds / size))} {unit}"
    return f"{sign}{int(seconds / 86400)} d"


def brief_time(seconds: float) -> str:
    """How long something took, in three figures at most: `12 ms`, `340 ms`, `1.9 s`, `25 s`, `3 m`."""
    if abs(seconds) < 0.0095:
        return f"{seconds * 1000:.1f} ms"
    if abs(seconds) < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if abs(seconds) < 9.95 else age(seconds)


def value(cell: Cell, metric: Metric, width: int = 0, glyphs: Glyphs = UNICODE) -> Text:
    """A cell of a table. `width` 0 means no limit; within a limit, words shorten before they are cut."""
    if cell.missing is not Missing.NO:
        return _missing(cell, metric, width, glyphs)
    assert cell.value is not None, "a value that is not missing is there (watchfloor.frame.View.cell)"
    return _known(cell.value, metric, width, glyphs)


def exact(cell: Cell, metric: Metric, glyphs: Glyphs = UNICODE) -> Text:
    """A value with its unit and every word in full, for a page that has the room: `timed out, last 97 %`."""
    if cell.missing is Missing.NO and cell.value is not None:
        return _full(cell.value, metric, glyphs)
    if cell.value is None or cell.missing not in _KEEP_LAST:
        return cell.missing.label, Token.DIM
    return f"{cell.missing.label}, last {_full(cell.value, metric, glyphs)[0]}", Token.STALE


def reason(missing: Missing, width: int = 0) -> str:
    """Why a value is missing, short where the words don't fit."""
    return missing.label if width == 0 or len(missing.label) <= width else SHORT_REASONS[missing]


def meter(fraction: float, width: int, glyphs: Glyphs = UNICODE) -> str:
    """A horizontal gauge, exactly `width` cells, for a fraction of 0 to 1 (cut to that range)."""
    halves = round(min(1.0, max(0.0, fraction)) * width * 2)
    whole, half = divmod(halves, 2)
    return (glyphs.bar[0] * whole + glyphs.bar[1] * half).ljust(width)


def _missing(cell: Cell, metric: Metric, width: int, glyphs: Glyphs) -> Text:
    if cell.value is None or cell.value == "" or cell.missing not in _KEEP_LAST:
        return reason(cell.missing, width), Token.DIM
    shown, _ = _known(cell.value, metric, max(0, width - 1), glyphs)
    # an old text (a name, a model) stays true; an old number gets a mark that doesn't rest on colour
    return shown if metric.kind is Kind.TEXT or shown == _NOTHING else shown + glyphs.stale, Token.STALE


def _known(known: float | str, metric: Metric, width: int, glyphs: Glyphs) -> Text:
    if isinstance(known, str):
        return (known, Token.TEXT) if known else (_NOTHING, Token.DIM)
    match metric.kind:
        case Kind.STATE:
            return _state(State(int(known)), width, glyphs)
        case Kind.FLAG:
            return ("yes", Token.TEXT) if known else ("no", Token.DIM)
        case Kind.BITS:
            return _throttle(int(known), width)
    if metric.name == "recovery":
        return _recovery(int(known))
    text = brief_time(known) if _is_latency(metric) else number(known, metric.unit)
    return text, Token.TEXT if known else Token.DIM


def _is_latency(metric: Metric) -> bool:
    """How long a request or an execution takes, rather than how old or how far off something is."""
    return metric.unit is Unit.SECONDS and (metric.scope is Scope.SERVICE or metric.name == "exec_latency")


def _full(known: float | str, metric: Metric, glyphs: Glyphs) -> Text:
    if isinstance(known, float) and metric.kind is Kind.BITS:
        return ", ".join(throttle_reasons(int(known))) or "none", _throttle_token(int(known))
    if isinstance(known, float) and metric.kind in (Kind.GAUGE, Kind.COUNTER) and metric.name != "recovery":
        return brief_time(known) if _is_latency(metric) else quantity(known, metric.unit), Token.TEXT
    return _known(known, metric, 0, glyphs)


def _state(state: State, width: int, glyphs: Glyphs) -> Text:
    glyph = glyphs.states[state]
    words = f"{glyph} {state.label}"
    return words if width == 0 or len(words) <= width else glyph, STATE_TOKENS[state]


def _throttle(mask: int, width: int) -> Text:
    if not mask:
        return _NOTHING, Token.DIM
    unknown = mask & ~sum(THROTTLE_REASONS)
    words = [word for bit, word in _SHORT_THROTTLE.items() if mask & bit] + ([hex(unknown)] if unknown else [])
    # the worst is said first, so that it is the last to be cut
    words.sort(key=lambda word: word in ("idle", "app", "display"))
    text = " ".join(words)
    if width and len(text) > width and len(words) > 1:
        text = f"{words[0]}+{len(words) - 1}"
    return text, _throttle_token(mask)


def _throttle_token(mask: int) -> Token:
    if mask & _THROTTLE_FAULTS:
        return Token.WARNING
    return Token.TEXT if mask & ~_THROTTLE_IDLE else Token.DIM


def _recovery(code: int) -> Text:
    if code == 0:
        return _NOTHING, Token.DIM
    return RECOVERY_ACTIONS.get(code, str(code)), Token.WARNING


def _prefixed(value: float, base: float, prefixes: Sequence[str]) -> str:
    """Three significant digits and a prefix: `79.6G`, `512M`, `1.20T`."""
    index = 0
    while abs(value) >= 999.5 and index < len(prefixes) - 1:
        value /= base
        index += 1
    digits = 0 if index == 0 or abs(value) >= 99.95 else 1
    return f"{value:.{digits}f}{prefixes[index]}"
