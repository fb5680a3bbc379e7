"""Where a replay stands: at which recorded time, how fast, paused or not. Pure: the clock's seconds come in.

Recorded times are console time in seconds since the epoch; `clock` is any clock that only goes forth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from watchfloor.errors import ConfigError
from watchfloor.session.chapters import Chapter

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


@dataclass(frozen=True, slots=True)
class Player:
    """It stood at `since` when the clock said `clock`, and goes on from there unless it is paused."""

    since: float
    clock: float
    speed: float = 1.0
    paused: bool = False

    def at(self, clock: float) -> float:
        return self.since if self.paused else self.since + max(0.0, clock - self.clock) * self.speed

    def placed(self, at: float, clock: float) -> Player:
        """It stands there now."""
        return replace(self, since=at, clock=clock)

    def halted(self, clock: float, paused: bool = True) -> Player:
        return replace(self.placed(self.at(clock), clock), paused=paused)

    def faster(self, steps: int, clock: float) -> Player:
        """So many speeds up, or down; the fastest and the slowest stay."""
        place = SPEEDS.index(self.speed) + steps
        return self.at_speed(SPEEDS[min(max(place, 0), len(SPEEDS) - 1)], clock)

    def at_speed(self, speed: float, clock: float) -> Player:
        return replace(self.placed(self.at(clock), clock), speed=speed)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person is told of a replay. `whole`: charts and counters reach as far back as those of a live console."""

    begin: float
    end: float
    at: float
    speed: float
    paused: bool
    chapters: Sequence[Chapter] = ()
    trouble: str = ""  # what of the file can't be shown
    searching: bool = False  # older chapters are still being looked for
    whole: bool = False


def speed_of(number: float | str) -> float:
    """One of SPEEDS. Raises ConfigError."""
    try:
        speed = float(str(number).rstrip("x×"))
    except ValueError:
        speed = 0.0
    if speed not in SPEEDS:
        raise ConfigError(f"{number} is no speed", f"one of {', '.join(f'{one:g}' for one in SPEEDS)}")
    return speed
