"""`watchfloor replay NAME`: a recorded session in the same screens."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from watchfloor import lineagebook, wiring
from watchfloor.commands.output import need_terminal
from watchfloor.commands.sessions import Name, found
from watchfloor.commands.terminal import what_reviews
from watchfloor.errors import ConfigError
from watchfloor.places import lineage_place
from watchfloor.replayfeed import ReplayFeed
from watchfloor.session.player import Standing, speed_of
from watchfloor.session.seeking import Stretch, time_of
from watchfloor.systemclock import here


def replay(
    name: Name = "last",
    /,
    *,
    at: Annotated[str, Parameter(help="Where to begin: 14:03:20, 2026-11-28T14:03, +5m from its beginning, end.")] = "",
    speed: Annotated[float, Parameter(help="0.25, 0.5, 1, 2, 4, 8, 16, 32 or 64 times as fast as it was.")] = 1.0,
) -> int:
    """Watch a session again, as it was seen; one that is still being written, too. Nothing is connected to."""
    pace, file = speed_of(speed), found(name)
    need_terminal("`watchfloor sessions cast` prints what a terminal showed")
    feed = ReplayFeed(file, speed=pace)
    if at:
        feed.seek(_begin(at, feed.standing))
    with lineagebook.opened(lineage_place()) as book:
        return wiring.run_terminal(feed, file.name, read_only=True, replay=feed, lineage=book, **what_reviews())


def _begin(at: str, told: Standing) -> float:
    """Raises ConfigError."""
    try:
        return time_of(at, Stretch(told.begin, told.end, told.begin, here()))
    except ConfigError as error:
        raise ConfigError(error.message, error.advice, file="--at") from error
