"""When to try a node again: soon at first, then ever later, never all at once. Pure.

Where trying again can't help by itself (a host key, a password, a missing python3) or would do harm (a flood), the
first wait is the longest one already; a person who has mended it asks for a reconnect.
"""

from __future__ import annotations

import random

from watchfloor.model import Problem

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0
STABLE_SECONDS = 60.0  # a conversation that lasted this long starts the count anew
JITTER = 0.5  # of the wait, at random, is left out: nodes that fell together don't come back together

PATIENT = frozenset({
    Problem.HOST_KEY_UNKNOWN, Problem.HOST_KEY_CHANGED, Problem.AUTHENTICATION, Problem.NO_PYTHON, Problem.VERSION,
    Problem.GARBAGE, Problem.FLOOD,
})  # fmt: skip


class Backoff:
    """The waits of one node."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.failures = 0

    def next_seconds(self, problem: Problem, lasted_seconds: float = 0.0) -> float:
        """How long to wait after a failure; `lasted_seconds` is how long the conversation lived before it."""
        if lasted_seconds >= STABLE_SECONDS:
            self.failures = 0
        self.failures += 1
        whole = LONGEST_SECONDS if problem in PATIENT else min(LONGEST_SECONDS, FIRST_SECONDS * 2.0**self.failures)
        return max(FIRST_SECONDS, whole * (1 - JITTER * self._rng.random()))

    def reset(self) -> None:
        self.failures = 0
