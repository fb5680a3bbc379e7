"""How long a test waits for what takes moments on a machine with nothing else to do: until something surely hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE_SECONDS = 100.0  # pytest's own limit for a test is above it


async def until(true: Callable[[], object]) -> None:
    """Wait for what other processes bring about, which have no event for this one."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
