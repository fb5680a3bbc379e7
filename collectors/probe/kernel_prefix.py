"""How logs mark their lines: /dev/kmsg, dmesg in all its formats, journals, syslog files. Pure.

A line becomes (time, message), where the time is a Stamp: seconds since boot or since the epoch.
"""

import calendar
import re
import time

_SINCE_BOOT = re.compile(r"\[ *(\d+\.\d+)\] ?")  # [  206.764307]
_CALENDAR = re.compile(r"\[(\w{3}) (\w{3}) +(\d+) (\d\d:\d\d:\d\d) (\d{4})\] ?")  # [Sun Feb 23 16:24:18 2025]
_MANAGER = re.compile(r"\[(\w{3}) +(\d+) (\d{4}) (\d\d:\d\d:\d\d)\] ?")  # [Feb 27 2025 15:10:02]
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:?\d\d)? ?"
)  # 2025-01-21T04:41:44,285060+00:00
_SYSLOG = re.compile(r"([A-Z][a-z]{2}) +(\d+) (\d\d):(\d\d):(\d\d) ")  # Feb 23 16:24:18 host kernel: …
_DECODED = re.compile(r"\w+ *:\w+ *: ")  # kern  :warn  :
_LEVEL = re.compile(r"<\d+>")
_PROGRAM = re.compile(r"(?:[^\s:\[\]]+ )?([^\s:\[\]]+)(?:\[\d+\])?: ")  # "host kernel: ", "systemd[1]: "
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_KMSG = re.compile(r"(\d+),(\d+),(\d+),[^;]*;")


class Stamp:
    """When a line was written: `since` "boot" or "epoch" (seconds), or "" where the line doesn't tell."""

    __slots__ = ("seconds", "since")

    def __init__(self, seconds: float = 0.0, since: str = "") -> None:
        self.seconds = seconds
        self.since = since


def kmsg(record: str) -> "tuple[int, float, str, str]":
    """(number, seconds since boot, message, PCI address or "") of a record of /dev/kmsg. Raises ValueError."""
    found = _KMSG.match(record)
    if found is None:
        raise ValueError("no record of /dev/kmsg: %r" % record[:60])
    message, *dictionary = record[found.end() :].rstrip("\n").split("\n")
    return int(found.group(2)), int(found.group(3)) / 1e6, message, _device(dictionary)


def _device(dictionary: "list[str]") -> str:
    for line in dictionary:  # " SUBSYSTEM=pci", " DEVICE=+pci:0000:05:00.0"
        name, _, value = line.strip().partition("=")
        if name == "DEVICE" and value.startswith("+pci:"):
            return value[5:]
    return ""


def parse(line: str, now: float) -> "tuple[Stamp, str, str]":
    """(when, program, message) of any line but a record of /dev/kmsg; the program is "" where only the kernel writes.

    `now` (seconds since the epoch) tells the year where the line has none.
    """
    line = line.lstrip()
    line = line[_end(_LEVEL, line) :]
    line = line[_end(_DECODED, line) :]
    stamp, end, many_write = _stamp(line, now)
    message = line[end:]
    found = _PROGRAM.match(message) if many_write else None
    if found is None:
        return stamp, "", message
    message = message[found.end() :]
    return stamp, found.group(1), message[_end(_SINCE_BOOT, message) :]  # syslog keeps the kernel's own stamp


def _end(pattern, line: str) -> int:
    found = pattern.match(line)
    return found.end() if found else 0


def _stamp(line: str, now: float) -> "tuple[Stamp, int, bool]":
    """When, where the rest begins, and whether it is a log of many programs, who are named next."""
    found = _SINCE_BOOT.match(line)
    if found:
        return Stamp(float(found.group(1)), "boot"), found.end(), False
    for pattern, read in _CALENDARS:
        found = pattern.match(line)
        if found:
            return _dated(pattern, read, found, now)
    return Stamp(), 0, False


def _dated(pattern, read, found, now: float) -> "tuple[Stamp, int, bool]":
    try:
        seconds = read(found.groups(), now)
    except (KeyError, ValueError, OverflowError):  # it looks like a date, and is none
        return Stamp(), 0, False
    many_write = pattern is _SYSLOG or (pattern is _ISO and "," not in found.group())  # dmesg alone writes a comma
    return Stamp(seconds, "epoch"), found.end(), many_write


def _iso(parts: tuple, now: float) -> float:
    year, month, day, hour, minute, second = (int(part) for part in parts[:6])
    fraction = float("0." + parts[6]) if parts[6] else 0.0
    zone = parts[7]
    if zone is None:
        return time.mktime((year, month, day, hour, minute, second, 0, 0, -1)) + fraction
    return calendar.timegm((year, month, day, hour, minute, second)) - _offset(zone) + fraction


def _offset(zone: str) -> int:
    """Seconds east of Greenwich, of "+02:00"."""
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return (-60 if zone[0] == "-" else 60) * minutes


def _calendar(parts: tuple, now: float) -> float:
    _, month, day, clock, year = parts
    return _local(int(year), month, day, clock)


def _manager(parts: tuple, now: float) -> float:
    month, day, year, clock = parts
    return _local(int(year), month, day, clock)


def _syslog(parts: tuple, now: float) -> float:
    """The newest year in which that moment isn't to come: clocks may differ by a day."""
    month, day = parts[:2]
    clock = ":".join(parts[2:])
    year = time.localtime(now).tm_year
    at = _local(year, month, day, clock)
    return at if at < now + 86400 else _local(year - 1, month, day, clock)


def _local(year: int, month: str, day: str, clock: str) -> float:
    hour, minute, second = (int(part) for part in clock.split(":"))
    return time.mktime((year, _MONTHS[month], int(day), hour, minute, second, 0, 0, -1))


_CALENDARS = ((_CALENDAR, _calendar), (_MANAGER, _manager), (_ISO, _iso), (_SYSLOG, _syslog))
