"""A command that is run once: what ends it before anybody waits for its end is told by who started it, only there."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from collectors.oneshot import run_once
from watchfloor.errors import ConnectError, StreamError
from watchfloor.model import NodeSpec, Problem
from watchfloor.ports import Channel, StreamReceiver
from watchfloor.systemclock import SystemClock


class _Broken:
    """The connection breaks while the program is being started."""

    async def start(self, node: NodeSpec, command: str, receiver: StreamReceiver) -> Channel:
        receiver.ended(StreamError(Problem.CLOSED, "closed"), None)
        raise ConnectError(Problem.REFUSED, "no program can be started")

    async def close(self) -> None: ...


async def test_an_end_before_the_start_is_told_once() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    with pytest.raises(ConnectError):
        await run_once(_Broken(), NodeSpec("n1"), "true", SystemClock(), 1.0, 100)
    gc.collect()
    assert told == []
