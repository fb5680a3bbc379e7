"""Joins playbooks to the actions and planners that there are: for commands that show them, and consoles that act.

Must not do: act.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from agents.action import Action, actions
from agents.playbookcheck import troubles
from playbooks import planners as planner_room
from watchfloor.change import Value
from watchfloor.errors import ConfigError
from watchfloor.playbook import Matter, Planner, Playbook, Wish
from watchfloor.playbookshelf import Shelf, shelf


def planners() -> dict[str, Planner]:
    """Every planner there is, by the name of its module."""
    names = sorted(found.name for found in iter_modules(planner_room.__path__) if not found.name.startswith("_"))
    return {name: import_module(f"playbooks.planners.{name}") for name in names}  # pyright: ignore[reportReturnType]


def wishes(playbook: Playbook, matter: Matter) -> Sequence[Wish]:
    """What its planner wants, with its own options over the usual ones. Raises ConfigError."""
    planner = planners().get(playbook.planner)
    if planner is None:
        raise ConfigError(f"there is no planner {playbook.planner}", file=playbook.file)
    options = MappingProxyType({**planner.OPTIONS, **playbook.options})
    return planner.plan(Matter(matter.frame, matter.targets, options, matter.done))


def wrong_with(playbook: Playbook, among: Shelf, known: Mapping[str, Action] | None = None) -> list[ConfigError]:
    """What it names and there isn't."""
    names = set(among.playbooks)
    return list(troubles(playbook, actions() if known is None else known, planners(), names))


def names() -> list[str]:
    return list(shelf().playbooks)


def find(name: str, known: Mapping[str, Action]) -> Playbook | None:
    """A playbook by its name or file; None where there is none of that name. Raises ConfigError where it is broken."""
    found = shelf()
    playbook = found.get(name)
    if playbook is not None:
        for error in wrong_with(playbook, found, known):
            raise error
    return playbook


def with_options(playbook: Playbook, given: Mapping[str, Value]) -> Playbook:
    """With options of its planner as somebody gave them. Raises ConfigError where it has none of that name."""
    known = planners()[playbook.planner].OPTIONS if playbook.planner else {}
    for name in given:
        if name not in known:
            about = f"known are {', '.join(known)}" if known else "its file says all; actions take parameters"
            raise ConfigError(f"{playbook.name} has no option {name}", about, file="--set")
    return replace(playbook, options={**playbook.options, **given})


def usable(known: Mapping[str, Action] | None = None) -> dict[str, Playbook]:
    """Every playbook by its name. Raises ConfigError where one of them is broken: what nobody meant is not begun."""
    found, known = shelf(), actions() if known is None else known
    for error in found.broken.values():
        raise error
    for playbook in found.playbooks.values():
        for error in wrong_with(playbook, found, known):
            raise error
    return dict(found.playbooks)
