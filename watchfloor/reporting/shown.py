"""A figure as a person reads it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, tzinfo

from watchfloor.reporting.figures import Cell, Figure, Report, Unit
from watchfloor.snapshot.plan import printable
from watchfloor.snapshot.words import duration_in_prose

UNKNOWN = "–"  # a figure that isn't known; its reason stands beside or below


def shown(cell: Cell, zone: tzinfo) -> str:
    """Without its reason where it isn't known. No control character of a text gets through."""
    if isinstance(cell, str):
        return printable(cell)
    return UNKNOWN if cell.value is None else _known(cell, cell.value, zone)


def _known(figure: Figure, value: float, zone: tzinfo) -> str:
    if figure.unit is Unit.TIME:
        return datetime.fromtimestamp(value, zone).strftime("%b %d %H:%M")
    return _WORDS[figure.unit](value)


def _kwh(value: float) -> str:
    return f"{value:,.1f} kWh" if abs(value) < 10_000 else f"{value / 1000:,.1f} MWh"


def share(value: float) -> str:
    """As many nines as there are: 99.98 %. 100 % is all of it, and 0 % nothing."""
    percent = 100 * value
    text = f"{percent:.2f}"
    if text == "100.00":
        text = "100" if percent == 100 else "99.99"
    elif text == "0.00":
        text = "0" if percent == 0 else "0.01"
    return f"{text} %"


_WORDS: Mapping[Unit, Callable[[float], str]] = {
    Unit.SHARE: share,
    Unit.SECONDS: duration_in_prose,
    Unit.COUNT: lambda value: f"{value:,.0f}",
    Unit.MONEY: lambda value: f"{value:,.2f}",
    Unit.KWH: _kwh,
    Unit.WATTS: lambda value: f"{value:,.0f} W",
    Unit.ACCELERATOR_HOURS: lambda value: f"{value:,.1f} h",
}


def reasons(rows: Iterable[Sequence[Cell]]) -> list[str]:
    """Why figures of a table aren't known: each reason once, in the order in which they come."""
    return list(
        dict.fromkeys(cell.missing for row in rows for cell in row if isinstance(cell, Figure) and cell.missing)
    )


def noted(cell: Cell, why: Sequence[str], zone: tzinfo) -> str:
    """As `shown`; behind what isn't known stands the letter of its reason."""
    letter = _letter(why.index(cell.missing)) if isinstance(cell, Figure) and cell.missing in why else ""
    return shown(cell, zone) + letter


def notes(why: Sequence[str]) -> list[str]:
    """What the letters mean."""
    return [f"{UNKNOWN}{_letter(number)} {printable(reason)}" for number, reason in enumerate(why)]


def _letter(number: int) -> str:
    return chr(ord("a") + number) if number < 26 else f"({number})"


def heading(report: Report, zone: tzinfo) -> str:
    """`Nov 22 2026 10:00 to Nov 29 2026 10:00 (7 d)`"""
    since, until = (datetime.fromtimestamp(at, zone).strftime("%b %d %Y %H:%M") for at in (report.since, report.until))
    return f"{since} to {until} ({duration_in_prose(report.until - report.since)})"


def made(report: Report, zone: tzinfo) -> str:
    facts = ", ".join(f"{name} {printable(value)}" for name, value in report.facts.items() if value)
    return f"made {datetime.fromtimestamp(report.made, zone):%b %d %Y %H:%M %Z}: {facts}"
