"""An event loop whose time passes only in waiting, and then at once: an hour of back-off takes no time to test."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
EPOCH = 1_700_000_000.0  # wall time at the start


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, it moves the time on; what is ready comes first."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            return super().select(None)
        if not ready and timeout is not None:
            self.now += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


class VirtualClock:
    """ports.Clock of the running virtual loop. `jump` is a standstill: time that passed with nobody looking."""

    def __init__(self) -> None:
        self.jumped = 0.0

    def jump(self, seconds: float) -> None:
        self.jumped += seconds

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self.jumped

    def now(self) -> float:
        return EPOCH + self.monotonic()


def run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
