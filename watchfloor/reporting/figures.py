"""What a report is made of: figures, tables and sections. Every figure has its basis; what isn't known has a reason.

Frozen, pure. A number never stands for "not known".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """As JSON has them."""

    COUNT = "count"
    SHARE = "share"  # 0 to 1
    SECONDS = "seconds"
    ACCELERATOR_HOURS = "accelerator hours"
    KWH = "kWh"
    WATTS = "W"
    MONEY = "money"  # in the currency of the fleet file
    TIME = "time"  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its unit, or the reason why there is none."""

    value: float | None
    unit: Unit
    missing: str = ""

    @property
    def is_known(self) -> bool:
        return self.value is not None


def known(value: float, unit: Unit = Unit.COUNT) -> Figure:
    return Figure(value, unit)


def missing(why: str, unit: Unit) -> Figure:
    return Figure(None, unit, why)


def ratio(part: float, whole: float, unit: Unit, why: str) -> Figure:
    """`part / whole`; missing for this reason where the whole is nothing."""
    return known(part / whole, unit) if whole > 0 else missing(why, unit)


Cell = str | Figure


@dataclass(frozen=True, slots=True)
class Named:
    """A figure of its own. `basis`: from what it was reckoned."""

    key: str  # in JSON
    title: str
    figure: Figure
    basis: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    key: str  # in JSON
    title: str


@dataclass(frozen=True, slots=True)
class Table:
    """`empty`: what is said where it has no rows. All rows have as many cells as there are columns."""

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    basis: str = ""
    empty: str = "none"
    plotted: str = ""  # the column that is worth a plot, "" where none is


@dataclass(frozen=True, slots=True)
class Section:
    key: str
    title: str
    figures: Sequence[Named] = ()
    tables: Sequence[Table] = ()
    remarks: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Times in seconds since the epoch. `facts`: who made it, where, with which version."""

    since: float
    until: float
    made: float
    sections: Sequence[Section]
    facts: Mapping[str, str]


def counted(number: int, word: str) -> str:
    """`1 failure`, `2 failures`"""
    return f"{number:,} {word}{'s' if number != 1 else ''}"


def columns(told: str) -> tuple[Column, ...]:
    """From `key title, key title`."""
    pairs = (part.strip().partition(" ") for part in told.split(","))
    return tuple(Column(key, title or key) for key, _, title in pairs)
