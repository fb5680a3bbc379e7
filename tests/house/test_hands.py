"""A console that only reads holds no code that acts, and sends none: one module alone loads the hands."""

from __future__ import annotations

import ast
import json
import zlib
from pathlib import Path

from collectors.archive import archive
from tests.house.sources import ROOMS, modules, shown
from tests.support.parts import ROOT

_ACTING = ("collectors.acting", "collectors.hands")
_JOINT = "watchfloor/acting.py"  # which a read-only console never imports: tests/house/test_one_road.py
# the demo's nodes take the hands as real ones do, in processes of their own
_NODES = "collectors/simulator/node_programs.py"


def _named(tree: ast.Module, path: Path) -> set[str]:
    """Modules that are imported, wherever in the file, and texts that could name one."""
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            found.add(node.value)
    return found


def test_the_hands_are_loaded_by_one_module() -> None:
    users = {
        shown(path)
        for path, tree in modules(*ROOMS, saying=["acting", "hands"])
        if not shown(path).startswith(("collectors/acting/", "collectors/hands/"))
        and any(name.startswith(_ACTING) for name in _named(tree, path))
    }
    assert users <= {_JOINT, _NODES}


def test_what_runs_on_nodes_is_loaded_by_who_acts_alone_and_loads_nothing_of_ours() -> None:
    for path, tree in modules("collectors"):
        named = {name for name in _named(tree, path) if name.startswith(("collectors", "watchfloor", "agents"))}
        if shown(path).startswith("collectors/hands/"):
            assert all(name.startswith("collectors.hands") for name in named), shown(path)


def test_the_probe_that_every_node_gets_brings_no_hands() -> None:
    sent = json.loads(zlib.decompress(archive()))
    assert not [name for name in sent if "hands" in name]
