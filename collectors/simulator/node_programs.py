"""The programs of ours that a simulated node runs, by the command lines with which consoles start them.

Imported by the demo's servers alone, which are processes of their own: a console that only reads has no hands.
"""

from __future__ import annotations

from collectors import payload
from collectors.acting import payload as hands

PROBE, HANDS = "probe", "hands"
COMMANDS = {payload.COMMAND: PROBE, hands.COMMAND: HANDS}
BOOTSTRAPS = {PROBE: payload.BOOTSTRAP, HANDS: hands.BOOTSTRAP}
