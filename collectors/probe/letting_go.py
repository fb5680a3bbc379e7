"""Whether every monitor of this node is asked to let go of the NVIDIA driver for a while, as a reset of a board needs.

The request is a symbolic link that root alone can put there: where it leads says who asks, and for how many seconds
from when it was made. A link is there whole or not at all, can be read whatever the umask was, and is never followed.
Nobody has to take it back: no request counts for longer than LONGEST_SECONDS.
"""

import time

from .cells import Paused

LONGEST_SECONDS = 180.0
_AHEAD_SECONDS = 1.0  # a file system's clock may be so far ahead; what is made later than now asks for nothing
_LONGEST_NAME = 80


def check(world) -> None:
    """Raises Paused while somebody asks. Costs one look at a name that isn't there."""
    try:
        text, made = world.let_go_request()
    except OSError:
        return
    words = told(text, made, world.now())
    if words:
        raise Paused(words)


def told(text: str, made: float, now: float) -> str:
    """Who asks, and until when, in UTC as the node's clock has it; "" where nothing is asked (any more).

    `text`: "watchfloor:SECONDS:WHO". `made`, `now`: wall clock, in seconds since the epoch.
    """
    mark, _, rest = text.partition(":")
    seconds, _, who = rest.partition(":")
    if mark != "watchfloor" or not seconds.isdecimal():
        return ""
    until = made + min(float(seconds), LONGEST_SECONDS)
    if not made - _AHEAD_SECONDS <= now < until:
        return ""
    shown = time.strftime("%H:%M:%S", time.gmtime(until))
    return "let go of for a reset that %s asked for, until %s UTC" % (who[:_LONGEST_NAME] or "root", shown)
