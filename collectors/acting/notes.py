"""What the console keeps on its own disk of the deeds that it sends: that one was, to which boot of a node, its result.

A node whose disks are of memory forgets with a reboot what it was asked to do, the reboot among it: then this says that
it was asked. Of requests over HTTP nobody else remembers anything.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from collectors.hands import folder
from collectors.hands.shelf import Shelf
from watchfloor.errors import HandsError

_MANY = 100_000
Result = TypeVar("Result")


class Notes:
    """One folder, for every console of this user. Everything raises HandsError where it can't be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shelf: Shelf | None = None

    async def begin(self, operation: str, intent: dict[str, Any]) -> int | None:
        """The descriptor of the lock, to be closed when the deed is over; None where it was begun before."""
        return await self._on_disk(lambda shelf: shelf.begin(operation, intent))

    async def recall(self, operation: str) -> tuple[str, dict[str, Any] | None, dict[str, Any] | None]:
        """State (collectors.hands.shelf), intent, result."""
        return await self._on_disk(lambda shelf: shelf.recall(operation))

    async def finish(self, operation: str, result: dict[str, Any]) -> None:
        await self._on_disk(lambda shelf: shelf.finish(operation, result))

    async def withdraw(self, operation: str) -> None:
        await self._on_disk(lambda shelf: shelf.withdraw(operation))

    async def acknowledge(self, operation: str) -> None:
        await self._on_disk(lambda shelf: shelf.acknowledge(operation))

    async def boot_of(self, operation: str) -> str | None:
        """The boot of the node to which it was sent; None where it never was from here."""
        intent = (await self.recall(operation))[1]
        return None if intent is None else str(intent.get("boot", ""))

    async def sent_to(self, operation: str, boot: str) -> None:
        """It is about to be sent: noted before the first byte."""
        lock = await self.begin(operation, {"boot": boot})
        if lock is not None:
            os.close(lock)

    async def _on_disk(self, work: Callable[[Shelf], Result]) -> Result:
        def done() -> Result:
            if self._shelf is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._shelf = Shelf(folder.opened(str(self._path), True), _MANY)
            return work(self._shelf)

        try:
            return await asyncio.to_thread(done)
        except (OSError, json.JSONDecodeError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise HandsError(
                f"{self._path}: what is sent can't be noted: {words}",
                "nothing is done without that: see that the folder is yours alone (mode 0700) and the disk has room",
            ) from error
