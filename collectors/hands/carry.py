"""One command, carried out: without a shell, in a session of its own, within its time, its output within bounds.

When its time is over, the group and all that came of it are told to end, and two seconds later are made to. A program
that runs as root by sudo can't be ended by who isn't root: then it is told that it still runs.
"""

import errno
import os
import selectors
import signal
import subprocess
import tempfile
import time

from .outputs import Output

GRACE_SECONDS = 2.0
_LOOK_SECONDS = 0.05
_CHUNK = 1 << 16
_PIPE_BYTES = 4096  # what the system lets a pipe hold at the least, however many there are
_SET_CHILD_SUBREAPER = 36  # of prctl
_NOT_STARTED = {errno.ENOENT: 127, errno.ENOTDIR: 127, errno.EACCES: 126, errno.EPERM: 126}  # as shells have it


def carry(argv, stdin, timeout_seconds, environment):
    """What came of it: exit (None where nobody can say), out, err, seconds, note; `refused` where it didn't begin."""
    _adopt()
    began = time.monotonic()
    try:
        with _given(stdin.encode("utf-8")) as given:
            process = subprocess.Popen(
                argv, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd="/",
                start_new_session=True, bufsize=0,
            )  # fmt: skip
    except (OSError, ValueError) as error:
        return _refused(argv, error)
    running = _Running(process)
    note = running.within(timeout_seconds)
    return {
        "exit": None if note else process.returncode,
        "out": running.out.text(),
        "err": running.err.text(),
        "seconds": round(time.monotonic() - began, 3),
        "note": note,
    }


def _given(data):
    """A file of what the command reads. A pipe takes this much without anybody reading; more lies in a file."""
    if not data:
        return open(os.devnull, "rb")
    if len(data) > _PIPE_BYTES:
        file = tempfile.TemporaryFile()
        file.write(data)
        file.seek(0)
        return file
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    return os.fdopen(reader, "rb")


def _refused(argv, error):
    words = getattr(error, "strerror", None) or str(error)
    number = getattr(error, "errno", None) or 0
    status, transient = _NOT_STARTED.get(number, 126), number in (errno.EAGAIN, errno.ENOMEM)
    text = "%s can't be started: %s" % (argv[0], words)
    return {"exit": status, "out": "", "err": text, "seconds": 0.0, "note": "", "refused": text, "transient": transient}


class _Running:
    def __init__(self, process):
        self.out = Output()
        self.err = Output()
        self._process = process
        self._pipes = selectors.DefaultSelector()
        self._pipes.register(process.stdout, selectors.EVENT_READ, self.out)
        self._pipes.register(process.stderr, selectors.EVENT_READ, self.err)

    def within(self, seconds):
        """Wait for its end; "" or why nobody knows how it ended."""
        if self._ended(time.monotonic() + seconds):
            code = self._process.returncode
            return "" if code >= 0 else "signal %d ended it" % -code
        for number in (signal.SIGTERM, signal.SIGKILL):
            left = self._signal(number)
            self._ended(time.monotonic() + GRACE_SECONDS)
        if left and self._process.poll() is None:
            return "out of time after %.3g s; it runs as another user and can't be ended: process %d goes on" % (
                seconds, self._process.pid)  # fmt: skip
        return "out of time after %.3g s: it was ended" % seconds

    def _ended(self, until):
        """Read until it has ended and its pipes are empty. Others that hold them open are not waited for."""
        while True:
            now = time.monotonic()
            if now >= until:
                return False
            ended = self._process.poll() is not None
            heard = self._read(min(_LOOK_SECONDS, until - now))
            if ended and not heard:
                return True

    def _read(self, seconds):
        """Whether anything came."""
        if not self._pipes.get_map():
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:  # it goes on, and whoever asked looks again
                pass
            return False
        heard = False
        for key, _ in self._pipes.select(seconds):
            chunk = os.read(key.fd, _CHUNK)
            if chunk:
                heard = True
                key.data.feed(chunk)
            else:
                self._pipes.unregister(key.fileobj)
        return heard

    def _signal(self, number):
        """To the group, and to those of its children that have left it. Whether one of them may not be told."""
        refused = False
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:  # all of the group have ended
            pass
        except PermissionError:
            refused = True
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, number)
            except ProcessLookupError:  # it has ended since it was listed
                pass
            except PermissionError:
                refused = True
        return refused


def _adopt():
    """Orphans of the command become ours, so that they are found. Where that can't be had, the group must do."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):  # a Python without ctypes, a libc without prctl
        pass


def descendants(root):
    """Children of a process, and theirs."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            parent = _parent(name)
            children.setdefault(parent, []).append(int(name))
    found, waiting = [], [root]
    while waiting:
        its = children.get(waiting.pop(), ())
        found += its
        waiting += its
    return found


def _parent(pid):
    try:
        with open("/proc/%s/stat" % pid, "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0
