"""A receiver that keeps what it hears, and lets a test wait for it."""

from __future__ import annotations

import asyncio

from tests.support.patience import PATIENCE_SECONDS


class Heard:
    """ports.StreamReceiver."""

    def __init__(self) -> None:
        self.out = b""
        self.err = b""
        self.over: asyncio.Future[tuple[Exception | None, int | None]] = asyncio.get_running_loop().create_future()
        self._more = asyncio.Event()

    def data(self, chunk: bytes) -> None:
        self.out += chunk
        self._more.set()

    def error_output(self, chunk: bytes) -> None:
        self.err += chunk

    def ended(self, error: Exception | None, exit_status: int | None) -> None:
        assert not self.over.done(), "ended twice"
        self.over.set_result((error, exit_status))
        self._more.set()

    async def until(self, text: bytes) -> None:
        """Wait for bytes of the standard output."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while text not in self.out:
                assert not self.over.done(), f"ended with {self.over.result()}, said {self.out!r} {self.err!r}"
                self._more.clear()
                await self._more.wait()
