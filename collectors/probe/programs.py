"""Running the vendors' own programs on the node: bounded in time and output, in a process group of their own.

Must not do: know any program. The simulator replaces `World.run` and `World.start`, which lead here.
"""

import os
import select
import signal
import subprocess
import threading
import time

from .world import PROGRAM_FOLDERS

MOST_OUTPUT = 8 << 20  # bytes: what says more is no telemetry


class Children:
    """What was started and still runs: ended with the probe."""

    def __init__(self) -> None:
        self._running = {}  # pid -> Popen
        self._lock = threading.Lock()

    def run(self, argv: "list[str]", timeout_seconds: float) -> "tuple[int, str, str]":
        """Exit status, standard output and error. Raises OSError; TimeoutError where it was ended for taking long."""
        process = self._spawn(argv)
        try:
            out, error = process.communicate(timeout=timeout_seconds)
        except subprocess.TimeoutExpired as late:
            raise TimeoutError("%s gave no answer within %g s" % (argv[0], timeout_seconds)) from late
        finally:
            self._end(process)
        if len(out) > MOST_OUTPUT:
            raise OSError("%s wrote %d bytes" % (argv[0], len(out)))
        return process.returncode, out.decode("utf-8", "replace"), error.decode("utf-8", "replace")

    def start(self, argv: "list[str]") -> "Lines":
        """A program that goes on writing lines. Raises OSError."""
        return Lines(self._spawn(argv), self._end)

    def close(self) -> None:
        """End all of them, at once."""
        with self._lock:
            running = list(self._running.values())
        for process in running:
            self._end(process)

    def _spawn(self, argv: "list[str]") -> subprocess.Popen:
        process = subprocess.Popen(
            argv,
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, LC_ALL="C", PATH=os.pathsep.join([os.environ.get("PATH", ""), *PROGRAM_FOLDERS])),
            start_new_session=True,
        )
        with self._lock:
            self._running[process.pid] = process
        return process

    def _end(self, process: subprocess.Popen) -> None:
        with self._lock:
            self._running.pop(process.pid, None)
        if process.poll() is None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except OSError:  # it has just ended
                pass
            try:
                process.wait(1.0)
            except subprocess.TimeoutExpired:  # it hangs in the kernel: nothing more can be done from here
                pass
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


class Lines:
    """The standard output of a running program, line by line."""

    def __init__(self, process: subprocess.Popen, end) -> None:
        self._process = process
        self._end = end
        self._rest = b""
        os.set_blocking(process.stderr.fileno(), False)

    def line(self, timeout_seconds: float) -> str:
        """The next line that isn't blank, without its end; "" where none came in time.

        Raises EOFError, with the program's last words, where it has ended; OSError where a line has no end.
        """
        until = time.monotonic() + timeout_seconds
        while b"\n" not in self._rest:
            if not self._more(until):
                return ""
        line, self._rest = self._rest.split(b"\n", 1)
        text = line.decode("utf-8", "replace").strip()
        return text or self.line(until - time.monotonic())

    def _more(self, until: float) -> bool:
        out = self._process.stdout.fileno()
        if not select.select([out], [], [], max(0.0, until - time.monotonic()))[0]:
            return False
        chunk = os.read(out, 1 << 16)
        if not chunk:
            raise EOFError(self._last_words())
        self._rest += chunk
        if len(self._rest) > MOST_OUTPUT:
            raise OSError("a line of %d bytes has no end" % len(self._rest))
        return True

    def _last_words(self) -> str:
        words = (self._process.stderr.read() or b"").decode("utf-8", "replace").strip()
        return words.splitlines()[-1] if words else "it ended by itself"

    def close(self) -> None:
        self._end(self._process)
