"""Which playbooks there are: those that watchfloor comes with, and this user's own, which replace them by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from watchfloor import playbookfile
from watchfloor.errors import ConfigError
from watchfloor.places import playbooks_folder, shipped_playbooks
from watchfloor.playbook import Playbook
from watchfloor.units import nearest


@dataclass(frozen=True, slots=True)
class Shelf:
    """`broken`: by file, why it can't be used. `own`: names of those that are the user's."""

    playbooks: Mapping[str, Playbook]
    broken: Mapping[str, ConfigError]
    own: frozenset[str] = frozenset()

    def get(self, name: str) -> Playbook | None:
        """A playbook by its name, or the file of that path. Raises ConfigError where it is broken."""
        if name.endswith((".yaml", ".yml")):
            return playbookfile.read(Path(name))
        for file, error in self.broken.items():
            if Path(file).stem == name:
                raise error
        return self.playbooks.get(name)

    def guess(self, name: str) -> str:
        return nearest(name, list(self.playbooks))


def shelf(shipped: Path | None = None, own: Path | None = None) -> Shelf:
    """Every playbook of both folders. A broken file hides the shipped one of its name: nobody meant that one."""
    found: dict[str, Playbook] = {}
    broken: dict[str, ConfigError] = {}
    mine: set[str] = set()
    theirs, ours = shipped or shipped_playbooks(), own or playbooks_folder()
    for folder in (theirs, ours):
        for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
            found.pop(path.stem, None)
            try:
                found[path.stem] = _named(path)
            except ConfigError as error:
                broken[str(path)] = error
            if folder == ours:
                mine.add(path.stem)
    return Shelf(found, broken, frozenset(mine))


def _named(path: Path) -> Playbook:
    playbook = playbookfile.read(path)
    if playbook.name != path.stem:
        raise ConfigError(
            f"the playbook {playbook.name!r} is in a file called {path.name}",
            f"call the file {playbook.name}.yaml, so that it is found by its name",
            file=str(path),
            line=1,
        )
    return playbook
