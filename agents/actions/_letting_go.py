"""How every monitor of a node is asked to let go of a driver for a while, and how long that is waited for.

The request is a symbolic link in /run that root makes (collectors/probe/letting_go.py reads it): nobody else can blind
the consoles by it, what it says stands in its own words, in sudo's log as well, and it lapses by itself.
"""

from __future__ import annotations

import re

from agents.actions import _programs
from watchfloor.change import Command, On, Place

LINK = "/run/watchfloor-let-go"
SECONDS = 150  # to wait for the probes and to reset; probes disregard what asks for more than 180 s
RULE = f"/usr/bin/ln ^-sfT watchfloor:[0-9]{{1,3}}:[A-Za-z0-9._@-]{{1,60}} {LINK}$"
DEVICES = "/dev/nvidia"
# a probe's longest wait in the driver takes 10 s (collectors/probe/nvidia_xid.py), and its next tick comes after that
AWAITED_SECONDS = 20
_NO_NAME = re.compile(r"[^A-Za-z0-9._@-]+")


def asked(node: str, who: str, seconds: int = SECONDS) -> Command:
    """With 0 seconds it is taken back."""
    text = f"watchfloor:{seconds}:{_NO_NAME.sub('-', who)[:60] or 'root'}"
    return Command(Place(On.NODE, node), ("ln", "-sfT", text, LINK), sudo=True)


def awaited(node: str) -> Command:
    """Until no probe holds the driver any more, as far as this user may see that: it ends well in any case."""
    return _programs.program(node, _programs.AWAIT, DEVICES, str(AWAITED_SECONDS), timeout_seconds=AWAITED_SECONDS + 10)
