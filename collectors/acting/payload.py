"""What is sent to a node on which something is to be done: the program of `collectors/hands`."""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path

from collectors.archive import slimmed
from collectors.bootstrap import bootstrap, command, headed

FOLDER = Path(__file__).parent.parent / "hands"

# a global NODE stands in the node's place
BOOTSTRAP = bootstrap("hands", 'from hands.main import main\nmain(digest.decode(), globals().get("NODE"))\n')
COMMAND = command(BOOTSTRAP)


@cache
def payload() -> bytes:
    """All that goes to the standard input before the first line."""
    sources = {_module(path): slimmed(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.py"))}
    return headed(zlib.compress(json.dumps(sources, separators=(",", ":")).encode(), 9))


def _module(path: Path) -> str:
    return "hands" if path.stem == "__init__" else f"hands.{path.stem}"
