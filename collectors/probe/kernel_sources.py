"""Where a node's kernel log can be read, the best first: the kernel, the journal, syslog's files, dmesg.

Each source has `read()` -> [(identity, seconds since the epoch, message, PCI address or "")], what is new, at most some
MOST lines; `overwritten`, how many lines were lost since somebody set it to 0; and `close()`.
"""

import json
import zlib

from . import kernel_prefix
from .cells import Absent

_JOURNAL_FIELDS = "MESSAGE,_BOOT_ID,_SOURCE_MONOTONIC_TIMESTAMP,__REALTIME_TIMESTAMP,_KERNEL_DEVICE"
_FILES = ("/var/log/kern.log", "/var/log/messages", "/var/log/syslog")
_DMESG_EVERY = 10  # reads


def opened(world):
    """The first source that lets itself be read. Raises Absent, with what each of them said."""
    missed, refused = [], []
    for name, make in _SOURCES:
        try:
            return make(world)
        except (OSError, ValueError) as error:
            told = refused if isinstance(error, PermissionError) else missed
            told.append("%s: %s" % (name, getattr(error, "strerror", None) or error))
    if not refused:
        raise Absent("no kernel log found (%s)" % "; ".join(missed))
    advice = "the groups adm and systemd-journal may read it, or sysctl kernel.dmesg_restrict=0"
    raise Absent("kernel log not permitted (%s): %s" % ("; ".join(refused), advice))


class Source:
    """What all have in common."""

    MOST = 5000  # lines a read: a flood costs no more than this each second
    overwritten = 0

    def close(self) -> None:
        pass


class KernelRing(Source):
    """/dev/kmsg. A line is known by the boot and its number in it."""

    def __init__(self, world) -> None:
        self._world = world
        self._ring = world.kmsg()
        self._boot = _boot_id(world)
        self._next = None  # number of the record that should come next

    def read(self) -> list:
        records, found = self._ring.records(self.MOST), []
        if not records:  # as most of the time: that costs nothing more
            return found
        booted_at, now = _booted_at(self._world), self._world.now()
        for record in records:
            try:
                number, since_boot, message, device = kernel_prefix.kmsg(record)
            except ValueError:  # no kernel writes such a record
                continue
            if self._next is not None and number > self._next:
                self.overwritten += number - self._next
            self._next = number + 1
            at = min(now, booted_at + since_boot)  # the kernel's clock and ours drift apart
            identity = "%s:%d" % (self._boot, number)
            for part in message.split("\\x0a"):  # one message of several lines
                found.append((identity, at, part, device))
                identity += "+"
        return found

    def close(self) -> None:
        self._ring.close()


class Journal(Source):
    """journalctl, as a program that goes on running."""

    def __init__(self, world) -> None:
        path = world.which("journalctl")
        if path is None:
            raise FileNotFoundError(2, "not installed")
        argv = [path, "--dmesg", "--output=json", "--output-fields=" + _JOURNAL_FIELDS, "--quiet", "--no-pager"]
        status, out, error = world.run([*argv, "--lines=1"], 10.0)
        if status != 0 or not out.strip():
            raise PermissionError(13, (error.strip().splitlines() or ["shows no line of the kernel"])[-1])
        self._lines = world.start([*argv, "--lines=%d" % self.MOST, "--follow"])

    def read(self) -> list:
        found = []
        while len(found) < self.MOST:
            line = self._lines.line(0.0)
            if not line:
                break
            try:
                found.append(journal_entry(line))
            except (ValueError, LookupError, TypeError):  # torn, or of a journal that is damaged
                continue
        return found

    def close(self) -> None:
        self._lines.close()


class SyslogFile(Source):
    """A file that the syslog daemon writes, whatever rotates it."""

    def __init__(self, world, path: str) -> None:
        self._world = world
        self._file = world.follow(path)
        self._name = path.rpartition("/")[2]

    def read(self) -> list:
        now = self._world.now()
        found = []
        for identity, line in self._file.lines():
            stamp, program, message = kernel_prefix.parse(line, now)
            if program == "kernel":
                found.append(("%s:%s" % (self._name, identity), min(now, stamp.seconds), message, ""))
        return found

    def close(self) -> None:
        self._file.close()


class Dmesg(Source):
    """The program dmesg, asked for everything now and then. A line is known by the boot and its time."""

    def __init__(self, world) -> None:
        self._world = world
        self._boot = _boot_id(world)
        self._last = -1.0
        self._reads = 0
        self._first = self._ask()

    def read(self) -> list:
        self._reads += 1
        if self._reads > 1 and self._reads % _DMESG_EVERY:
            return []
        text, self._first = self._first or self._ask(), ""
        booted_at, now, last, found = _booted_at(self._world), self._world.now(), self._last, []
        for line in text.splitlines():
            stamp, _, message = kernel_prefix.parse(line, now)
            if stamp.since == "boot" and stamp.seconds > last:
                self._last = max(self._last, stamp.seconds)
                identity = "%s:%.6f:%x" % (self._boot, stamp.seconds, zlib.crc32(message.encode()))
                found.append((identity, min(now, booted_at + stamp.seconds), message, ""))
        return found[-self.MOST :]

    def _ask(self) -> str:
        path = self._world.which("dmesg")
        if path is None:
            raise FileNotFoundError(2, "not installed")
        status, out, error = self._world.run([path, "-r"], 10.0)
        if status != 0:
            raise PermissionError(13, (error.strip().splitlines() or ["exit status %d" % status])[-1])
        return out


def journal_entry(line: str) -> tuple:
    """One line of journalctl --output=json."""
    entry = json.loads(line)
    message = entry.get("MESSAGE") or ""
    if isinstance(message, list):  # bytes that are no text
        message = bytes(message).decode("utf-8", "replace")
    number = dict(part.partition("=")[::2] for part in entry["__CURSOR"].split(";")).get("i", "")
    identity = "%s:j%s" % (entry.get("_BOOT_ID", ""), number)
    device = entry.get("_KERNEL_DEVICE", "")
    address = device[5:] if device.startswith("+pci:") else ""
    return identity, int(entry["__REALTIME_TIMESTAMP"]) / 1e6, message, address


def _boot_id(world) -> str:
    try:
        return world.read("/proc/sys/kernel/random/boot_id").strip()
    except OSError:
        return ""


def _booted_at(world) -> float:
    """Seconds since the epoch."""
    try:
        return world.now() - float(world.read("/proc/uptime", keep=True).split()[0])
    except OSError:
        return world.now() - world.monotonic()


_SOURCES = (
    ("/dev/kmsg", KernelRing),
    ("journalctl", Journal),
    *((path, lambda world, path=path: SyslogFile(world, path)) for path in _FILES),
    ("dmesg", Dmesg),
)
