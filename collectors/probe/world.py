"""The one door from the probe to its node: files, time, names, the driver's library.

Samplers reach the node through a World and nothing else, so that the simulator can put another world behind them
by subclassing. Every method raises OSError as the kernel does; nothing here interprets what it reads.
"""

import errno
import os
import stat
import time
from types import ModuleType

_READ_SIZE = 1 << 16
# A kept file that gives less than this at once has been read to its end: the kernel stops short of a page only where
# the next record doesn't fit in it, and no record of these files is as long as half a page.
_SURELY_ALL = 2048
_KEPT_OPEN = 512  # descriptors: far below the usual limit of 1,024
LET_GO = "/run/watchfloor-let-go"
# besides PATH, which is short in a session without a login shell
PROGRAM_FOLDERS = (
    "/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/opt/rocm/bin", "/opt/aws/neuron/bin",
    "/opt/habanalabs/bin",
)  # fmt: skip


class World:
    """The real node. A simulated one overrides the methods; their signatures are the contract."""

    def __init__(self) -> None:
        self._open = {}  # path -> descriptor, for `read(path, keep=True)`
        self._users = {}  # uid -> name
        self._pci = []  # PciDevices, read once
        self._tells_sockets = None  # whether the kernel does; not yet known
        self._children = None  # programs.Children, once one is started
        self._let_go = os.environ.get("WATCHFLOOR_LET_GO", LET_GO)

    # -- files

    def read(self, path: str, keep: bool = False) -> str:
        """The whole text of a small file. `keep`: leave it open and read it in place the next time (/proc, /sys)."""
        return self.read_bytes(path, keep).decode("utf-8", "replace")

    def read_bytes(self, path: str, keep: bool = False) -> bytes:
        """As `read`, of a file that isn't text."""
        return self._reread(path) if keep else _read_once(path)

    def read_or_blank(self, path: str) -> str:
        """As `read`; "" for what isn't there, or may not be read."""
        try:
            return self.read(path)
        except OSError:
            return ""

    def first_page(self, path: str) -> str:
        """The first 4 KiB: /proc/cpuinfo of a large machine takes 20 ms to write in full."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, 4096, 0).decode("utf-8", "replace")
        finally:
            os.close(descriptor)

    def read_start(self, path: str, most: int) -> bytes:
        """At most so many bytes from the start: of files that others fill."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _read_start(descriptor, most)
        finally:
            os.close(descriptor)

    def read_plain(self, path: str, most: int, uid: int) -> str:
        """The start of a regular file in a place where anybody may have put anything, if the user `uid` may read it.

        Raises OSError, also of a link, a pipe or a device, none of which is opened, and of what is not `uid`'s and not
        everybody's: whoever may read more must not be led to tell it.
        """
        _check_plain(os.stat(path, follow_symlinks=False), path, uid)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            _check_plain(os.fstat(descriptor), path, uid)  # of what was opened: another file may stand there by now
            return _read_start(descriptor, most).decode("utf-8", "replace")
        finally:
            os.close(descriptor)

    def _reread(self, path: str) -> bytes:
        descriptor = self._open.get(path)
        if descriptor is None:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            if len(self._open) >= _KEPT_OPEN:
                os.close(self._open.pop(next(iter(self._open))))
            self._open[path] = descriptor
        try:
            start = os.pread(descriptor, 2 * _SURELY_ALL, 0)
            return start if len(start) < _SURELY_ALL else _read_all(descriptor, start)
        except OSError:  # the device went away, or came back as another one: the next read opens it anew
            os.close(self._open.pop(path))
            raise

    def listdir(self, path: str) -> "list[str]":
        """Names in a folder, in no order."""
        return os.listdir(path)

    def readlink(self, path: str) -> str:
        return os.readlink(path)

    def let_go_request(self) -> "tuple[str, float]":
        """What the link says by which monitors are asked to let go of a driver, and when it was made (wall clock).

        Raises OSError, also of what is no link, and of what is neither root's nor this user's, who can end us anyway.
        """
        status = os.lstat(self._let_go)
        if status.st_uid not in (0, os.getuid()):
            raise PermissionError(errno.EPERM, "made by another user", self._let_go)
        return os.readlink(self._let_go), status.st_mtime

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def owner(self, path: str) -> int:
        """The uid that owns a file (of /proc/PID: who runs it)."""
        return os.stat(path).st_uid

    def statvfs(self, path: str) -> os.statvfs_result:
        return os.statvfs(path)

    # -- time

    def now(self) -> float:
        """Wall clock, seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds; only differences mean anything."""
        return time.monotonic()

    def thread_cpu(self) -> float:
        """Seconds of CPU that the calling thread has used."""
        return time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)

    # -- names

    def hostname(self) -> str:
        return os.uname().nodename

    def uname(self) -> os.uname_result:
        return os.uname()

    def user_of(self, uid: int) -> str:
        """Login name, or the number where there is none. May ask the network (LDAP) the first time."""
        name = self._users.get(uid)
        if name is None:
            name = self._users[uid] = _login_name(uid)
        return name

    def user(self) -> str:
        """Whom the probe runs as."""
        return self.user_of(os.getuid())

    def cpus(self) -> int:
        """Logical processors."""
        return os.cpu_count() or 1

    def page_size(self) -> int:
        """Bytes of a page of memory: what /proc/PID/stat counts in."""
        return os.sysconf("SC_PAGE_SIZE")

    # -- hardware

    def pci(self) -> list:
        """Every pci.PciDevice; read again only where devices came or went."""
        from . import pci  # noqa: PLC0415 - a simulated world has its own

        self._pci = pci.devices(self, self._pci)
        return self._pci

    # -- logs

    def kmsg(self):
        """The kernel's log (logs.Kmsg). Raises OSError."""
        from . import logs  # noqa: PLC0415 - a simulated world has its own

        return logs.Kmsg()

    def follow(self, path: str):
        """A text file that grows (logs.LogFile). Raises OSError."""
        from . import logs  # noqa: PLC0415 - few nodes need it

        return logs.LogFile(path)

    # -- programs and sockets

    def which(self, program: str) -> "str | None":
        """The path of a program, None where it isn't installed."""
        for folder in (*os.environ.get("PATH", "").split(os.pathsep), *PROGRAM_FOLDERS):
            path = os.path.join(folder, program)
            if folder and os.access(path, os.X_OK):
                return path
        return None

    def run(self, argv: "list[str]", timeout_seconds: float) -> "tuple[int, str, str]":
        """Exit status, standard output and error of a program. Raises OSError, TimeoutError among them."""
        return self._programs().run(argv, timeout_seconds)

    def start(self, argv: "list[str]"):
        """A program that writes lines for as long as it runs (programs.Lines). Raises OSError."""
        return self._programs().start(argv)

    def _programs(self):
        if self._children is None:
            from .leaving import ends_with_the_probe  # noqa: PLC0415 - most nodes need no program
            from .programs import Children  # noqa: PLC0415

            self._children = Children()
            ends_with_the_probe(self._children)
        return self._children

    def connect(self, port: int, timeout_seconds: float, host: str = "127.0.0.1"):
        """A connected TCP socket to a port of the node itself, or of a container on it. Raises OSError."""
        import socket  # noqa: PLC0415 - most nodes have nothing to connect to

        return socket.create_connection((host, port), timeout_seconds)

    def listening_sockets(self) -> "list[tuple[int, bytes]]":
        """Of the node's own network, as listening.asked gives them. Raises OSError."""
        from . import listening  # noqa: PLC0415 - a simulated world has none

        if self._tells_sockets is None:
            self._tells_sockets = listening.answers(self)
        if not self._tells_sockets:
            raise OSError(errno.EPROTONOSUPPORT, os.strerror(errno.EPROTONOSUPPORT))
        return listening.asked()

    # -- libraries

    def nvml(self) -> ModuleType:
        """The pynvml module. Raises ImportError, or OSError where the driver's library can't be loaded."""
        import ctypes  # noqa: PLC0415 - most of what it costs to find out that there is no driver

        ctypes.CDLL("libnvidia-ml.so.1")
        import pynvml  # noqa: PLC0415 - 8,000 lines: only where there is a driver, on a thread that wants it

        return pynvml

    def psutil(self) -> ModuleType:
        """The psutil module, for kernels without /proc. Raises ImportError."""
        import site  # noqa: PLC0415 - the probe starts without site-packages

        site.main()
        import psutil  # noqa: PLC0415

        return psutil


def _login_name(uid: int) -> str:
    import pwd  # noqa: PLC0415 - not on every platform

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _read_once(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _read_all(descriptor, os.pread(descriptor, _READ_SIZE, 0))
    finally:
        os.close(descriptor)


def _read_start(descriptor: int, most: int) -> bytes:
    chunks, size = [], 0
    while size < most:
        chunk = os.pread(descriptor, min(_READ_SIZE, most - size), size)
        if not chunk:
            break
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def _check_plain(status: os.stat_result, path: str, uid: int) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", path)
    if status.st_uid != uid and not status.st_mode & stat.S_IROTH:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def _read_all(descriptor: int, start: bytes) -> bytes:
    chunks, size = [start], 0
    while chunks[-1]:  # a short read is not the end: /proc hands over whole records, as many as fit in a page
        size += len(chunks[-1])
        chunks.append(os.pread(descriptor, _READ_SIZE, size))
    return b"".join(chunks)
