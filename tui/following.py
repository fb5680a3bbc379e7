"""Looks at the ledger, or at what a session holds of it, again and again, and tells where that has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tui.base import Desk


class Following:
    """`desk.ledger` is the newest picture; `changed` is called when it is another one."""

    def __init__(self, desk: Desk, changed: Callable[[], None]) -> None:
        self._desk, self._changed = desk, changed
        self._looking: asyncio.Task[None] | None = None

    def look(self) -> None:
        """One look at a time, off this loop: a file on a server that hangs keeps nobody waiting."""
        if self._desk.follower is not None and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self.look_once())

    async def look_once(self) -> None:
        ledger = self._desk.follower
        if ledger is None:
            return
        picture = await asyncio.to_thread(ledger.look)
        if picture is not self._desk.ledger and ledger is self._desk.follower:
            self._desk.ledger = picture
            self._changed()
