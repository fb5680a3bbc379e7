"""The nearest moment that can be shown, of a session of which some bytes were altered or torn off."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from watchfloor.errors import SessionError
from watchfloor.session.reader import Session
from watchfloor.session.reel import Reel


def nearest(session: Session, at: float) -> tuple[Reel, str]:
    """A reel at the last whole moment up to `at`, else at the first after it, and what was in the way ("": nothing).

    It remembers nothing of the time before. Raises SessionError where no moment is whole.
    """
    at, trouble = max(at, session.begin), ""
    keys = session.keys
    number = bisect_right(keys, at)
    before = [at, *(key - 1e-6 for key in reversed(keys[1:number]))]
    for until in (*before, *keys[number:]):
        reel = Reel(session.head.specs)
        try:
            for moment in session.moments(until, until):
                reel.skip(moment)
        except SessionError as error:
            trouble = trouble or error.message
        if reel.at:
            return reel, trouble
    raise SessionError(trouble or f"{session.path} holds no moment", "it was killed before the first frame")


def stops_after(session: Session, at: float) -> Sequence[float]:
    """When the next moments are for which little has to be read."""
    stops = session.stops
    return stops[bisect_right(stops, at) :]
