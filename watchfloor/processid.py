"""This process by a name that no other ever has, and whether the process of such a name is gone."""

from __future__ import annotations

import os
import secrets

import psutil


def this_process() -> str:
    """host:pid:time of its start:random."""
    return f"{os.uname().nodename}:{os.getpid()}:{_started(os.getpid())}:{secrets.token_hex(4)}"


def is_dead(name: str) -> bool:
    """Surely gone: of this host, and no process of this number began at that time. Of other hosts, nobody knows."""
    host, _, rest = name.rpartition(":")[0].partition(":")
    number, _, started = rest.partition(":")
    if host != os.uname().nodename or not number.isdecimal() or not started.isdecimal():
        return False
    return _started(int(number)) != int(started)


def _started(number: int) -> int:
    """Hundredths of a second since the epoch; 0 where there is no such process."""
    try:
        return round(psutil.Process(number).create_time() * 100)
    except psutil.NoSuchProcess:
        return 0
