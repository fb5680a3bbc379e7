"""What the console sends to start a probe on a node: a command, an archive, and lines of settings.

The command is constant and short; the archive follows on its standard input and runs from memory. Nothing is
installed or left behind on the node. Must not do: run any of it.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache

from collectors.archive import archive

# Runs on the node under whatever python3 is there, so even its syntax is old. No quote ', no ! and no backslash: it
# travels within single quotes through the login shell of the node, which may be csh. A global WORLD replaces the node.
BOOTSTRAP = """
import os, sys, json, zlib
def fault(text):
    os.write(1, (json.dumps({"t": "fault", "text": text}) + chr(10)).encode())
    os._exit(1)
def take(size):
    parts = []
    while size:
        part = os.read(0, size)
        if not part:
            os._exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
if sys.version_info < (3, 6):
    fault("python3 of this node is %d.%d; the probe needs 3.6 or newer" % sys.version_info[:2])
try:
    from _sha2 import sha256
except ImportError:
    try:
        from _sha256 import sha256
    except ImportError:
        from hashlib import sha256
header = b""
while not header.endswith(b"%c" % 10):
    header += take(1)
size, digest = header.split()
archive = take(int(size))
if not sha256(archive).hexdigest() == digest.decode():
    fault("the archive of the probe was damaged on its way")
sources = json.loads(zlib.decompress(archive).decode())
import importlib.machinery
class Archive:
    def find_spec(self, name, path=None, target=None):
        if name in sources:
            return importlib.machinery.ModuleSpec(name, self, is_package=name == "probe")
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        name = module.__name__
        exec(compile(sources[name], name, "exec", 0, True, 2), module.__dict__)
sys.dont_write_bytecode = True
sys.meta_path.insert(0, Archive())
from probe.main import main
samplers = [name for name in sorted(sources) if "class Sampler:" in sources[name]]
main(globals().get("WORLD"), samplers, digest.decode())
"""

# -I: nothing of the user's environment; -B: no .pyc; -S: no site-packages (the world asks for them when it needs them)
COMMAND = f"exec python3 -IBSu -c 'exec({json.dumps(BOOTSTRAP)})'"


@cache
def payload() -> bytes:
    """All that goes to the standard input before the first settings line: header and archive."""
    return f"{len(archive())} {digest()}\n".encode() + archive()


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
