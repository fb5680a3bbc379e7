"""What keeps a process of the simulation from starting a program of the machine that it runs on: Python's own audit.

A hook can't be taken away again, and children have it from their parent.
"""

from __future__ import annotations

import sys
from typing import Any

_STARTING = frozenset(
    {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "pty.spawn", "os.kill",
     "os.killpg", "signal.pthread_kill"}
)  # fmt: skip


class Refused(PermissionError):
    """Something on a simulated node was about to reach the machine."""


def refuse() -> None:
    """From now on, in this process and in those that it forks, no program is started and no process is signalled."""
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _STARTING:
        raise Refused(f"a simulated node starts no program and signals no process here: {event}{arguments!r:.200}")
