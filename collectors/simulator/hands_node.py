"""The node that the hands of a console find when they run on a simulated one: as collectors.hands.node.Node.

Must not do: start a program. What it carries out, it has the simulated tools do.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from collectors.simulator import shell
from collectors.simulator.world import SimulatedWorld


class HandsNode:
    """`kept`: where it keeps what it was told to do, and what came of it."""

    def __init__(self, world: SimulatedWorld, kept: Path) -> None:
        self._world = world
        self.environ: Mapping[str, str] = {"WATCHFLOOR_HANDS": str(kept), "PATH": "/usr/bin:/bin"}

    def boot(self) -> str:
        return self._world.read("/proc/sys/kernel/random/boot_id").strip()

    def host(self) -> str:
        return self._world.hostname()

    def user(self) -> str:
        return self._world.user()

    def carry(
        self, argv: Sequence[str], stdin: str, timeout_seconds: float, environment: Mapping[str, str]
    ) -> dict[str, Any]:
        """Every simulated tool ends at once."""
        began = time.monotonic()
        ended = shell.run(self._world.present(), argv)
        if ended.exit == shell.NOT_FOUND:
            text = f"{argv[0]} can't be started: No such file or directory"
            return {"exit": ended.exit, "out": "", "err": text, "seconds": 0.0, "note": "", "refused": text,
                    "transient": False}  # fmt: skip
        seconds = round(time.monotonic() - began, 3)
        return {"exit": ended.exit, "out": ended.out, "err": ended.err, "seconds": seconds, "note": ""}
