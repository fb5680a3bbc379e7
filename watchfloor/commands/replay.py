"""`watchfloor replay FILE`: a recorded session in the same screens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from watchfloor.commands.output import need_terminal


def replay(
    file: Annotated[Path, Parameter(help="A session, as --record keeps it; one that is still being written, too.")],
    *,
    at: Annotated[str, Parameter(help="Where to begin: 14:03:20, 2026-11-28T14:03, +5m from its beginning, end.")] = "",
    speed: Annotated[float, Parameter(help="0.25, 0.5, 1, 2, 4, 8, 16, 32 or 64 times as fast as it was.")] = 1.0,
) -> int:
    """Watch a session again, as it was seen. Nothing is connected to, and no key acts."""
    from watchfloor import wiring  # noqa: PLC0415 - every command imports this module for its signature
    from watchfloor.errors import ConfigError  # noqa: PLC0415
    from watchfloor.lineagebook import here  # noqa: PLC0415
    from watchfloor.replayfeed import ReplayFeed  # noqa: PLC0415
    from watchfloor.session.player import speed_of  # noqa: PLC0415
    from watchfloor.session.seeking import Stretch, time_of  # noqa: PLC0415

    pace = speed_of(speed)
    need_terminal("`watchfloor snapshot` prints a live fleet without one")
    feed = ReplayFeed(file, speed=pace)
    if at:
        told = feed.standing
        try:
            feed.seek(time_of(at, Stretch(told.begin, told.end, told.begin, here())))
        except ConfigError as error:
            raise ConfigError(error.message, error.advice, file="--at") from error
    return wiring.run_terminal(feed, file.name, read_only=True, replay=feed)
