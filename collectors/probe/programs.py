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
_ENDING_SECONDS = 1.0  # for what is just being started when the probe ends, and for each that is ended
_MOST_WORDS = 4096  # bytes of standard error of a program that goes on


class Children:
    """What was started and still runs: ended with the probe."""

    def __init__(self) -> None:
        self._running = {}  # pid -> Popen
        self._stuck = {}  # program -> Popen of the last one that could not be ended
        self._starting = 0
        self._closed = False
        self._change = threading.Condition()

    def run(self, argv: "list[str]", timeout_seconds: float) -> "tuple[int, str, str]":
        """Exit status, standard output and error. Raises OSError; TimeoutError where it was ended for taking long.

        One that even then hangs in the kernel is not started again beside itself: on a hung driver, they would be
        thousands in a day.
        """
        stuck = self._stuck.get(argv[0])
        if stuck is not None and stuck.poll() is None:
            raise TimeoutError("%s hangs in the kernel, as process %d" % (argv[0], stuck.pid))
        process, until = self._spawn(argv), time.monotonic() + timeout_seconds
        try:
            out, error = _said(process, until)
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired as late:
            raise TimeoutError("%s gave no answer within %g s" % (argv[0], timeout_seconds)) from late
        finally:
            self._end(process)
        return process.returncode, out.decode("utf-8", "replace"), error.decode("utf-8", "replace")

    def start(self, argv: "list[str]") -> "Lines":
        """A program that goes on writing lines. Raises OSError."""
        return Lines(self._spawn(argv), self._end)

    def close(self) -> None:
        """End all of them, at once, and start no other: a sampler asks again when its program was ended."""
        with self._change:
            self._closed = True
            self._change.wait_for(lambda: not self._starting, _ENDING_SECONDS)
            running = list(self._running.values())
        for process in running:
            self._end(process)

    def _spawn(self, argv: "list[str]") -> subprocess.Popen:
        with self._change:
            if self._closed:
                raise OSError("%s is not started: the probe ends" % argv[0])
            self._starting += 1
        try:
            process = _started(argv)
            with self._change:
                self._running[process.pid] = process
            return process
        finally:
            with self._change:
                self._starting -= 1
                self._change.notify_all()

    def _end(self, process: subprocess.Popen) -> None:
        with self._change:
            self._running.pop(process.pid, None)
        if process.poll() is None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except OSError:  # it has just ended
                pass
            try:
                process.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:  # it hangs in the kernel: nothing more can be done from here
                if isinstance(process.args, list):
                    self._stuck[process.args[0]] = process
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _started(argv: "list[str]") -> subprocess.Popen:
    return subprocess.Popen(
        argv,
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ, LC_ALL="C", PATH=os.pathsep.join([os.environ.get("PATH", ""), *PROGRAM_FOLDERS])),
        start_new_session=True,
    )


def _said(process: subprocess.Popen, until: float) -> "tuple[bytes, bytes]":
    """All that it writes, until it closes both pipes. Raises TimeoutExpired, and OSError for what has no end."""
    pipes = _pipes(process)
    said, size, open_ones = {pipe: [] for pipe in pipes}, 0, list(pipes)
    while open_ones:
        left = until - time.monotonic()
        ready = select.select(open_ones, [], [], max(0.0, left))[0]
        if not ready or left < 0:
            raise subprocess.TimeoutExpired(process.args, 0)
        for pipe in ready:
            chunk = os.read(pipe, 1 << 16)
            said[pipe].append(chunk)
            size += len(chunk)
            if not chunk:
                open_ones.remove(pipe)
        if size > MOST_OUTPUT:
            raise OSError("it wrote more than %d bytes" % MOST_OUTPUT)
    return b"".join(said[pipes[0]]), b"".join(said[pipes[1]])


def _pipes(process: subprocess.Popen) -> "list[int]":
    """Descriptors of its standard output and error."""
    return [pipe.fileno() for pipe in (process.stdout, process.stderr) if pipe is not None]


class Lines:
    """The standard output of a running program, line by line."""

    def __init__(self, process: subprocess.Popen, end) -> None:
        self._process = process
        self._end = end
        self._rest = b""
        self._words = b""  # the last ones of its standard error
        self._out, _ = self._pipes = _pipes(process)

    def line(self, timeout_seconds: float) -> str:
        """The next line that isn't blank, without its end; "" where none came in time.

        Raises EOFError, with the program's last words, where it has ended; OSError where a line has no end.
        """
        until, text = time.monotonic() + timeout_seconds, ""
        while not text:
            while b"\n" not in self._rest:
                if not self._more(until):
                    return ""
            line, self._rest = self._rest.split(b"\n", 1)
            text = line.decode("utf-8", "replace").strip()
            if time.monotonic() > until:
                break
        return text

    def _more(self, until: float) -> bool:
        """Take what it has written. False where there is nothing more in time."""
        ready = select.select(self._pipes, [], [], max(0.0, until - time.monotonic()))[0]
        for pipe in ready[::-1]:  # its standard error first: where nobody reads that, it stops once the pipe is full
            chunk = os.read(pipe, 1 << 16)
            if pipe == self._out and not chunk:
                raise EOFError(self._last_words())
            if pipe == self._out:
                self._rest += chunk
            elif chunk:
                self._words = (self._words + chunk)[-_MOST_WORDS:]
            else:
                self._pipes.remove(pipe)
        if len(self._rest) > MOST_OUTPUT:
            raise OSError("a line of %d bytes has no end" % len(self._rest))
        return self._out in ready or (bool(ready) and time.monotonic() < until)

    def _last_words(self) -> str:
        words = self._words.decode("utf-8", "replace").strip()
        return words.splitlines()[-1] if words else "it ended by itself"

    def close(self) -> None:
        self._end(self._process)
