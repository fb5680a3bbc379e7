"""How often a controller is asked: never more than a fiftieth of its time, and less often while it gives no answer.

slurmctld answers these questions under the locks with which it schedules: what is asked too often slows the cluster
for everybody. Pure.
"""

from __future__ import annotations

import random

SHORTEST_SECONDS = 5.0
LONGEST_SECONDS = 300.0
SHARE = 0.02  # of the time, spent inside questions
JITTER = 0.1  # of a pause, at random, comes on top: consoles don't ask in step

NODES_EVERY_SECONDS = 30.0
STEPS_EVERY_SECONDS = 60.0
QUEUES_EVERY_SECONDS = 300.0
ACCOUNTS_EVERY_SECONDS = 60.0
NO_ACCOUNTS_SECONDS = 600.0  # where the accounting gave no answer
_DOUBLINGS = 3  # up to 40 s: a controller that is back is seen within a minute


def period(took_seconds: float, least_seconds: float) -> float:
    """Seconds between two rounds of questions, where the last one took that long."""
    return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, least_seconds, took_seconds / SHARE))


def after_failure(failures: int, took_seconds: float, least_seconds: float) -> float:
    """The same after so many failures in a row, 1 or more; `took_seconds` is what they cost a controller that is there.

    One that is gone is no busier for being asked.
    """
    patience = max(SHORTEST_SECONDS, least_seconds) * 2.0 ** min(failures - 1, _DOUBLINGS)
    return min(LONGEST_SECONDS, max(period(took_seconds, least_seconds), patience))


def jittered(seconds: float, rng: random.Random) -> float:
    return seconds * (1 + JITTER * rng.random())
