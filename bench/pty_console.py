"""A console in a terminal of its own, with somebody at the keyboard: what benches of the screen measure with.

The terminal is a pseudo-terminal of 200 × 50; its output is read all the time, as a terminal would. A key's latency is
the time from its being written to the first byte that comes back. A frame of telemetry that happens to be painted in
that moment would pass for an answer, so keys are written only when the terminal has been quiet for a moment.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Sequence

ROWS, COLUMNS = 50, 200
TICKS = os.sysconf("SC_CLK_TCK")
QUIET_SECONDS = 0.008


class Console:
    """A child process under a pseudo-terminal."""

    def __init__(self, argv: Sequence[str], environment: dict[str, str] | None = None) -> None:
        self.started = time.perf_counter()
        self.written_bytes = 0
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it ends with its terminal, under nohup too
            settings = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
            os.execvpe(argv[0], list(argv), {**os.environ, **settings, **(environment or {})})
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def read(self, seconds: float) -> bytes:
        """What the console writes within `seconds`, at most one read; b"" where it wrote nothing or has ended."""
        if not select.select([self.terminal], [], [], max(0.0, seconds))[0]:
            return b""
        try:
            chunk = os.read(self.terminal, 1 << 20)
        except OSError:
            return b""
        self.written_bytes += len(chunk)
        return chunk

    def until(self, text: bytes, seconds: float) -> float:
        """Seconds from the start of the process until it has written `text`. Raises TimeoutError."""
        seen, deadline = b"", time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            seen = (seen + self.read(deadline - time.perf_counter()))[-1_000_000:]
            if text in seen:
                return time.perf_counter() - self.started
        raise TimeoutError(f"{text!r} did not appear within {seconds:g} s; the end of what did: {seen[-300:]!r}")

    def watch(self, seconds: float) -> None:
        """Read on for a while and press nothing."""
        deadline = time.perf_counter() + seconds
        while (left := deadline - time.perf_counter()) > 0:
            self.read(left)

    def press(self, key: bytes) -> float:
        """Seconds from this key to the first byte of the answer; NaN where none came within a second."""
        while self.read(QUIET_SECONDS):
            pass
        start = time.perf_counter()
        os.write(self.terminal, key)
        return time.perf_counter() - start if self.read(1.0) else float("nan")

    def cpu_seconds(self) -> float:
        """CPU time of the process and of the children that it has waited for."""
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mebibytes(self) -> float:
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

    def close(self) -> None:
        """End it, by its pid."""
        try:
            os.kill(self.pid, signal.SIGTERM)
            for _ in range(50):
                self.read(0.1)
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    return
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        finally:
            os.close(self.terminal)
