"""This process by a name that no other ever has, and whether the process of such a name is gone."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

import psutil


def this_process() -> str:
    """host:pid:its start:random."""
    return f"{_host()}:{os.getpid()}:{_started(os.getpid())}:{secrets.token_hex(4)}"


def is_dead(name: str) -> bool:
    """Surely gone: of this boot of this host, and no process of this number began then. Of others, nobody knows."""
    host, _, rest = name.rpartition(":")[0].partition(":")
    number, _, started = rest.partition(":")
    if host != _host() or not number.isdecimal() or not started.isdecimal():
        return False
    return _started(int(number)) != int(started)


def _host() -> str:
    """Many hosts are called alike, and containers of one host count their processes each from 1."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{os.uname().nodename}/{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return os.uname().nodename


def _started(number: int) -> int:
    """When it began, in hundredths of a second; 0 where there is no such process.

    Since the boot where /proc tells (proc(5): starttime): a time of day is another as soon as the clock is set.
    """
    with suppress(OSError, IndexError, ValueError):  # there is no such process, or no /proc
        return int(Path(f"/proc/{number}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19])
    if Path("/proc/self").exists():
        return 0
    try:
        return round(psutil.Process(number).create_time() * 100)
    except psutil.NoSuchProcess:
        return 0
