"""Connects take turns: so many at once, then so many a second. Must not do: decide whom to connect to."""

from __future__ import annotations

import asyncio

from watchfloor.ports import Clock


class Pace:
    """A queue of turns, first come first served: `burst` at once, then `per_second`.

    It holds back the start alone. A turn isn't given back, so that a node that hangs in its connect takes nobody
    else's.
    """

    def __init__(self, per_second: float, burst: int, clock: Clock) -> None:
        self._gap = 1.0 / per_second
        self._burst = burst
        self._clock = clock
        self._next = float("-inf")  # monotonic time of the next turn, were there no burst

    def wait_seconds(self) -> float:
        """Takes a turn, and says how long it is until then (0 for now)."""
        now = self._clock.monotonic()
        self._next = max(self._next + self._gap, now - (self._burst - 1) * self._gap)
        return max(0.0, self._next - now)

    async def turn(self) -> None:
        seconds = self.wait_seconds()
        if seconds > 0:
            await asyncio.sleep(seconds)
