"""What is found without a list being edited (samplers, checks, pages, scenarios …) is what registered.txt expects."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

from tests.support.golden import same_as_golden
from watchfloor.playbookshelf import shelf
from watchfloor.vendors import vendors

_FOLDERS = {
    "checks": "watchfloor.checks",
    "pages": "tui.screens",
    "actions": "agents.actions",
    "planners": "playbooks.planners",
    "sources": "collectors.sources",
    "scenarios": "collectors.simulator.scenarios",
    "captures": "collectors.captures",
}


def _modules(package: str) -> list[str]:
    folder = import_module(package).__path__
    return sorted(found.name for found in pkgutil.iter_modules(folder) if not found.name.startswith("_"))


def _samplers() -> list[str]:
    """Modules of the probe that hold a class `Sampler`."""
    probe = "collectors.probe"
    return [name for name in _modules(probe) if hasattr(import_module(f"{probe}.{name}"), "Sampler")]


def test_what_is_discovered_is_what_is_expected() -> None:
    found = {"samplers": _samplers(), "vendors": list(vendors())} | {
        kind: _modules(package) for kind, package in _FOLDERS.items()
    }
    found["playbooks"] = sorted(shelf(own=Path("nowhere")).playbooks)
    text = "".join(f"{kind}: {', '.join(names) or '-'}\n" for kind, names in found.items())
    same_as_golden(Path(__file__).parent / "registered.txt", text)
