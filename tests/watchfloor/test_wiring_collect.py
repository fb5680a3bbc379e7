"""One picture of a fleet, taken when all is known or the time is over."""

from __future__ import annotations

import asyncio
import threading

import pytest

from watchfloor import wiring
from watchfloor.model import NodeSpec, Phase


class Standstill:
    """A transport whose start holds up the event loop, as the import of a large package does, then hangs."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def start(self, *_: object) -> None:
        threading.Event().wait(self._seconds)  # holds up the loop
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass


def test_what_held_up_the_loop_until_the_time_was_over_is_not_told_as_it_was_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    standstill = Standstill(0.3)
    monkeypatch.setattr(wiring.Transports, "for_node", lambda transports, spec: standstill)
    frame = asyncio.run(wiring.collect([NodeSpec("n0", "n0")], 0.1))
    assert frame.statuses[0].phase is Phase.CONNECTING
