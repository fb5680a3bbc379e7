"""Rules that are lines of thresholds.toml: a counter that grew by more than so much within so long."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from watchfloor.checks._tools import thresholds
from watchfloor.config import Item
from watchfloor.metrics import Unit
from watchfloor.model import State

_KEYS = ("code", "metric", "above", "within", "state", "kinds")


@dataclass(frozen=True, slots=True)
class Growth:
    """`kinds` of links; none: whatever tells the metric."""

    code: str
    metric: str
    above: float
    seconds: float
    state: State
    kinds: frozenset[str] = frozenset()

    @property
    def span(self) -> str:
        """`the last hour`, `the last minute`."""
        for seconds, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
            if self.seconds % seconds == 0:
                times = int(self.seconds / seconds)
                return word if times == 1 else f"{times} {word}s"
        return f"{self.seconds:g} s"


@cache
def growths(section: str) -> tuple[Growth, ...]:
    """Raises ConfigError."""
    return tuple(_growth(item) for item in thresholds()[section]["rules"].items())


def _growth(item: Item) -> Growth:
    section = item.section(_KEYS)
    kinds = section.get("kinds", lambda of: frozenset(one.text() for one in of.items())) or frozenset()
    return Growth(
        section.require("code", Item.text),
        section.require("metric", Item.text),
        section.require("above", Item.number),
        section.require("within", lambda of: of.quantity(Unit.SECONDS)),
        State[section.require("state", Item.text).upper()],
        kinds,
    )
