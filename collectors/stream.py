"""Bytes of a node's stream into lines, within bounds. Pure: no I/O, no clock of its own.

A node that says more than it may must cost the console nothing but its own row: a line has a largest length, the
stream has a budget that refills with time, and of the standard error only the end is kept.
"""

from __future__ import annotations

from watchfloor.errors import StreamError
from watchfloor.model import Problem

MAX_LINE_BYTES = 8 * 2**20  # a full report of 4,096 subjects fits many times over
BURST_BYTES = 16 * 2**20
BYTES_PER_SECOND = 4 * 2**20
ERROR_TAIL_BYTES = 4096
_FLOOD_ADVICE = "see what `ssh HOST command` prints there: a login shell, ForceCommand, a library that complains"


class Budget:
    """A token bucket: `burst` bytes at once, refilled at `rate` bytes a second."""

    def __init__(self, burst: int = BURST_BYTES, rate: int = BYTES_PER_SECOND) -> None:
        self._burst = float(burst)
        self._rate = rate
        self._left = float(burst)
        self._at: float | None = None

    def charge(self, size: int, now: float) -> None:
        """`now` is monotonic, in seconds. Raises StreamError (FLOOD) when the bucket is empty."""
        if self._at is not None:
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        self._left -= size
        if self._left < 0:
            raise StreamError(
                Problem.FLOOD,
                f"more than {self._burst / 2**20:.0f} MiB at once or {self._rate / 2**20:.0f} MiB a second",
                _FLOOD_ADVICE,
            )


class LineStream:
    """Assembles lines from chunks that are cut anywhere."""

    def __init__(self, budget: Budget | None = None, max_line: int = MAX_LINE_BYTES) -> None:
        self._budget = budget or Budget()
        self._max_line = max_line
        self._parts: list[bytes] = []
        self._held = 0

    @property
    def unfinished(self) -> int:
        """Bytes of the line that has begun and not ended."""
        return self._held

    @property
    def rest(self) -> bytes:
        """The line that has begun and not ended."""
        return b"".join(self._parts)

    def feed(self, chunk: bytes, now: float) -> list[bytes]:
        """The lines that this chunk completes, without their ends. Raises StreamError (FLOOD)."""
        self._budget.charge(len(chunk), now)
        *lines, rest = chunk.split(b"\n")
        if lines and self._parts:
            self._parts.append(lines[0])
            lines[0] = b"".join(self._parts)
        if lines:
            self._parts.clear()
            self._held = 0
        if rest:
            self._hold(rest)
        return lines

    def _hold(self, rest: bytes) -> None:
        self._parts.append(rest)
        self._held += len(rest)
        if self._held > self._max_line:
            held, self._held = self._held, 0
            self._parts.clear()
            raise StreamError(Problem.FLOOD, f"a line of more than {held / 2**20:.0f} MiB", _FLOOD_ADVICE)


class ErrorTail:
    """The end of what a program says beside the protocol, for the message when it fails."""

    def __init__(self, limit: int = ERROR_TAIL_BYTES) -> None:
        self._limit = limit
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        self._tail = (self._tail + chunk[-self._limit :])[-self._limit :]

    @property
    def text(self) -> str:
        return self._tail.decode("utf-8", "replace").strip()

    @property
    def last_line(self) -> str:
        """The line that most often says why: the last one that isn't empty. Control characters are taken out."""
        lines = self.text.splitlines()
        return "".join(c for c in lines[-1] if c.isprintable())[:200] if lines else ""
