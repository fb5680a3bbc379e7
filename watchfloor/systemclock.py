"""ports.Clock of this machine, and its time zone."""

from __future__ import annotations

import time
from datetime import UTC, datetime, tzinfo


class SystemClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


def here() -> tzinfo:
    """Where this console is."""
    return datetime.now().astimezone().tzinfo or UTC
