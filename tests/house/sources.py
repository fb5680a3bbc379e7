"""What the house is made of: the files that convention tests read."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from tests.support.parts import ROOT

ROOMS = ("watchfloor", "collectors", "agents", "playbooks", "tui")
_TEXT = {".py", ".md", ".toml", ".txt", ".in", ".yaml", ".yml", ".json", ".sh", ".tcss", ".lark", ".c", ""}


@cache
def files() -> tuple[Path, ...]:
    """Every text file of the project, whether committed yet or not; never what is ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        found = (ROOT / line for line in done.stdout.splitlines())
    else:  # an unpacked source archive
        found = (path for folder in (*ROOMS, "tests", "bench", "docs") for path in (ROOT / folder).rglob("*"))
    return tuple(sorted(path for path in found if path.is_file() and path.suffix in _TEXT))


def texts(*rooms: str) -> Iterator[tuple[Path, str]]:
    """Python files of these folders, as they are written."""
    for path in files():
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in rooms:
            yield path, path.read_text("utf-8")


def modules(*rooms: str, saying: Sequence[str] = ()) -> Iterator[tuple[Path, ast.Module]]:
    """Python files of these folders, parsed. `saying`: those alone in which one of these words stands, for whoever
    looks for a name only: to parse all takes seconds.
    """
    for path, text in texts(*rooms):
        if not saying or any(word in text for word in saying):
            yield path, ast.parse(text, str(path))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))
