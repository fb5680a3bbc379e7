"""Hands for tests: a node behind a real sshd with a folder of its own for what it keeps, and hands that reach it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from collectors.acting.hands import FleetHands, Places
from collectors.acting.http import Endpoint
from collectors.acting.node import Waits
from collectors.transports.local import LocalTransport
from collectors.transports.ssh import SshTransport
from tests.support.sshd import Host, Lab
from watchfloor.change import Command, On, Place
from watchfloor.jobs.model import JobSourceSpec
from watchfloor.ports import Clock, Transport
from watchfloor.systemclock import SystemClock

WAITS = Waits(greeting=60.0, begin=30.0, patience=60.0)


@dataclass
class Bench:
    """One node, and consoles that act on it. `environment`: "NAME=value …", of whatever runs there."""

    lab: Lab
    path: Path
    waits: Waits = WAITS
    environment: str = ""
    clock: Clock = field(default_factory=SystemClock)
    host: Host = field(init=False)
    opened: list[FleetHands] = field(default_factory=list)
    transports: list[Transport] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept.mkdir(mode=0o700)
        self.host = self.lab.host("node", extra=f"SetEnv WATCHFLOOR_HANDS={self.kept} {self.environment}")
        self.lab.configure(f"Host node\n  Port {self.host.port}")

    @property
    def kept(self) -> Path:
        """What the node keeps."""
        return self.path / "kept"

    def files(self, kind: str) -> list[Path]:
        return sorted(self.kept.glob(f"*.{kind}"))

    def processes(self, detached: bool) -> list[int]:
        """The hands on the node that talk to consoles, or those that carry something out."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                ours = str(self.kept).encode() in (path / "environ").read_bytes()
                hands = ours and b"hands.main" in (path / "cmdline").read_bytes()
                if hands and (str((path / "fd/0").readlink()) == "/dev/null") is detached:
                    found.append(int(path.name))
        return found

    def hands(self, notes: str = "notes", sources: list[JobSourceSpec] | None = None,
              endpoints: Mapping[str, Endpoint] | None = None) -> FleetHands:  # fmt: skip
        """A console's; those with the same notes are consoles of one user on one machine."""
        ssh, local = SshTransport(), LocalTransport()
        self.transports += [ssh, local]
        places = Places([self.lab.spec("node")], sources or [], endpoints or {})
        made = FleetHands(places, lambda spec: local if spec.local else ssh, self.clock, self.path / notes, self.waits)
        self.opened.append(made)
        return made

    async def close(self) -> None:
        await asyncio.gather(*(hands.close() for hands in self.opened))
        await asyncio.gather(*(transport.close() for transport in self.transports))


def command(*argv: str, timeout: float = 60.0, stdin: str = "", sudo: bool = False, on: On = On.NODE,
            name: str = "node") -> Command:  # fmt: skip
    return Command(Place(on, name), argv, sudo, timeout, stdin)


def python(program: str, *argv: str, timeout: float = 60.0, stdin: str = "") -> Command:
    return command(sys.executable, "-c", program, *argv, timeout=timeout, stdin=stdin)
