"""`limits.yaml` -> what the interlocks hold to. A file that can't be read is an error, never a wider limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from agents.interlocks import Limits
from watchfloor.config import Item, load
from watchfloor.metrics import Unit

_SHARES = {"rack_share", "group_share", "healthy_share"}
_COUNTS = {"rack_nodes", "breaker_failures", "breaker_acts"}
LOWEST_HEALTHY_SHARE = 0.2  # whatever a file says, so much of the fleet stays
LONGEST_FRESH_SECONDS = 600.0


def read_limits(path: Path) -> Limits:
    """The usual ones where there is no file. Raises ConfigError."""
    if not path.exists():
        return Limits()
    names = {field.name.removesuffix("_seconds"): field.name for field in fields(Limits)}
    section = load(path).section(names)
    found: dict[str, Any] = {field: section.get(key, _reader(field)) for key, field in names.items()}
    return Limits(**{field: value for field, value in found.items() if value is not None})


def _reader(field: str) -> Callable[[Item], Any]:
    if field in _COUNTS:
        return lambda item: item.whole(1, 10_000)
    if field in _SHARES:
        return lambda item: _share(item, LOWEST_HEALTHY_SHARE if field == "healthy_share" else 0.0)
    longest = LONGEST_FRESH_SECONDS if "fresh" in field else 30 * 24 * 3600.0
    return lambda item: _seconds(item, longest)


def _share(item: Item, least: float) -> float:
    share = item.quantity(Unit.PERCENT) / 100
    if not least <= share <= 1:
        item.fail(f"{item.named} of {share:.0%}", f"from {least:.0%} to 100%")
    return share


def _seconds(item: Item, longest: float) -> float:
    seconds = item.quantity(Unit.SECONDS)
    if not 0 < seconds <= longest:
        item.fail(f"{item.named} of {seconds:g} s", f"above 0, at most {longest:g} s")
    return seconds
