"""What the console sends to start a probe on a node: a command, an archive, and lines of settings.

The command is constant and short; the archive follows on its standard input and runs from memory. Nothing is
installed or left behind on the node. Must not do: run any of it.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache

from collectors.archive import archive
from collectors.bootstrap import bootstrap, command, headed

# a global WORLD replaces the node
BOOTSTRAP = bootstrap(
    "probe",
    """from probe.main import main
samplers = [name for name in sorted(sources) if "class Sampler:" in sources[name]]
main(globals().get("WORLD"), samplers, digest.decode())
""",
)
COMMAND = command(BOOTSTRAP)  # the world asks for site-packages when it needs them


@cache
def payload() -> bytes:
    """All that goes to the standard input before the first settings line: header and archive."""
    return headed(archive())


@cache
def digest() -> str:
    """SHA-256 (hex) of the archive: what the probe's hello answers with."""
    return hashlib.sha256(archive()).hexdigest()


def __getattr__(name: str) -> str:
    if name == "DIGEST":  # computed when it is first asked for: a command that needs no probe doesn't build one
        return digest()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def settings_line(period_seconds: float, delay_seconds: float, full_every: int) -> bytes:
    """How often to report; the first regular tick comes `delay_seconds` after the line is read."""
    return _line({"t": "settings", "period": period_seconds, "delay": delay_seconds, "full_every": full_every})


def ping_line(ping: int) -> bytes:
    """Ask for a pong with this id and the node's wall clock."""
    return _line({"t": "ping", "id": ping})


def full_line() -> bytes:
    """Ask for a full report at the next tick."""
    return _line({"t": "full"})


def _line(message: dict[str, object]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
