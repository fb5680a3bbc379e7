"""The inventory: which nodes there are, and how they stand in sites, racks and groups.

It comes from host patterns of the command line, from a fleet file, or is the local machine alone.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from os import environ
from pathlib import Path

from watchfloor import hosts
from watchfloor.errors import ConfigError
from watchfloor.fleettext import fleet_text
from watchfloor.jobs.config import Pricing
from watchfloor.jobs.model import JobSourceSpec
from watchfloor.model import NodeSpec, SshOptions
from watchfloor.units import nearest

__all__ = ["Inventory", "Place", "fleet_text", "from_arguments", "ssh_config_hosts"]


@dataclass(frozen=True, slots=True)
class Place:
    """A site, a rack (its `site` is named) or a group, with its nodes and the power that it may draw in all."""

    name: str
    site: str = ""
    nodes: tuple[str, ...] = ()
    power_budget_watts: float | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every node by a unique name, and the places that they stand in."""

    specs: tuple[NodeSpec, ...]
    name: str = ""
    sites: tuple[Place, ...] = ()
    racks: tuple[Place, ...] = ()
    groups: tuple[Place, ...] = ()
    power_budget_watts: float | None = None
    jobs: tuple[JobSourceSpec, ...] = ()  # schedulers that tell of jobs
    prices: Pricing = field(default_factory=Pricing)

    def place(self, name: str) -> Place | None:
        """The group, rack or site of this name, None where there is none."""
        return next((place for place in (*self.groups, *self.racks, *self.sites) if place.name == name), None)


def from_arguments(
    arguments: Sequence[str], fleet_file: Path | None = None, ssh: SshOptions | None = None
) -> Inventory:
    """The inventory that a command line asks for. Raises ConfigError.

    An argument is a host pattern, `@name` of a group, rack or site of the fleet file, or `all` of it; a host that the
    fleet file knows keeps what is said of it there. Without arguments: the whole fleet file, else this machine. What
    `ssh` says goes before the file.
    """
    from watchfloor.fleetfile import merged, read  # noqa: PLC0415 - it imports this module

    path = fleet_file or usual_fleet_file()
    fleet = read(path) if path else None
    if not arguments:
        chosen = fleet or local_machine()
    else:
        specs = tuple(_chosen(arguments, fleet))
        chosen = _part(fleet, specs) if fleet else Inventory(specs)
    if ssh is None:
        return chosen
    return replace(chosen, specs=tuple(replace(spec, ssh=merged(spec.ssh, ssh)) for spec in chosen.specs))


def _part(fleet: Inventory, specs: tuple[NodeSpec, ...]) -> Inventory:
    """The fleet with these nodes alone. A budget goes with the whole of its place, so a part has none."""
    names = {spec.name for spec in specs}

    def cut(places: tuple[Place, ...]) -> tuple[Place, ...]:
        kept = ((place, tuple(name for name in place.nodes if name in names)) for place in places)
        return tuple(
            place if nodes == place.nodes else replace(place, nodes=nodes, power_budget_watts=None)
            for place, nodes in kept
            if nodes
        )

    whole = names >= {spec.name for spec in fleet.specs}
    budget = fleet.power_budget_watts if whole else None
    racks = cut(fleet.racks)
    kept = {name: rack.power_budget_watts for rack in racks for name in rack.nodes}
    members = tuple(replace(spec, rack_budget_watts=kept.get(spec.name)) for spec in specs)
    places = (cut(fleet.sites), racks, cut(fleet.groups))
    return Inventory(members, fleet.name, *places, budget, fleet.jobs, fleet.prices)


def usual_fleet_file() -> Path | None:
    """`fleet.yaml` here, or in the user's configuration folder; None where there is neither."""
    settings = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    usual = (Path("fleet.yaml"), settings / "watchfloor" / "fleet.yaml")
    return next((path for path in usual if path.is_file()), None)


def local_machine() -> Inventory:
    """This machine alone, read without SSH."""
    name = socket.gethostname() or "localhost"
    return Inventory((NodeSpec(name, local=True),), name=name)


def _chosen(arguments: Sequence[str], fleet: Inventory | None) -> Iterator[NodeSpec]:
    known = {spec.name: spec for spec in fleet.specs} if fleet else {}
    seen: set[str] = set()
    for argument in arguments:
        for spec in _of_argument(argument, fleet, known, hosts.MOST_NAMES - len(seen)):
            if spec.name in seen:
                raise ConfigError(f"the node {spec.name!r} is named twice", "name it once", file="host argument")
            seen.add(spec.name)
            yield spec


def _of_argument(argument: str, fleet: Inventory | None, known: dict[str, NodeSpec], most: int) -> list[NodeSpec]:
    if argument.startswith("@") or argument == "all":
        return [known[name] for name in _of_place(argument, fleet)]
    try:
        targets = hosts.targets(argument, most)
    except ValueError as error:
        raise ConfigError(str(error), "as in node[01-16], gpu@lab7, host:2222", file="host argument") from error
    return [_spec(target, known.get(target.host)) for target in targets]


def _of_place(argument: str, fleet: Inventory | None) -> Sequence[str]:
    if fleet is None:
        advice = "name one with --fleet, or put fleet.yaml here or into ~/.config/watchfloor"
        raise ConfigError(f"{argument} needs a fleet file", advice, file="host argument")
    if argument == "all":
        return [spec.name for spec in fleet.specs]
    place = fleet.place(argument[1:])
    if place is None:
        every = [place.name for place in (*fleet.groups, *fleet.racks, *fleet.sites)]
        guess = nearest(argument[1:], every)
        advice = f"did you mean @{guess}?" if guess else f"known are {', '.join(every) or 'none'}"
        raise ConfigError(f"{argument} is no group, rack or site of the fleet file", advice, file="host argument")
    return place.nodes


def _spec(target: hosts.Target, known: NodeSpec | None) -> NodeSpec:
    """What the fleet file says of a host, unless the argument says otherwise."""
    if known is None:
        return NodeSpec(target.name, target.host, ssh=SshOptions(user=target.user, port=target.port))
    if target.user is None and target.port is None:
        return known
    ssh = replace(known.ssh, user=target.user or known.ssh.user, port=target.port or known.ssh.port)
    return replace(known, ssh=ssh)


def ssh_config_hosts(path: Path | None = None) -> list[str]:
    """The concrete host aliases of an ssh configuration (default ~/.ssh/config) and what it includes, in order.

    A file that can't be read holds none: this only serves completion and listing.
    """
    start = path or Path.home() / ".ssh" / "config"
    return list(dict.fromkeys(_aliases(start, start.parent, set())))


def _aliases(path: Path, folder: Path, seen: set[Path]) -> Iterator[str]:
    if path in seen:
        return
    seen.add(path)
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        keyword, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        words = [word.strip('"') for word in rest.split()]
        if keyword.lower() == "host":
            yield from (word for word in words if not set(word) & set("*?!"))
        elif keyword.lower() == "include":
            for included in (file for word in words for file in _included(folder, word)):
                yield from _aliases(included, folder, seen)


def _included(folder: Path, word: str) -> list[Path]:
    """The files of a pattern; a relative one counts from ~/.ssh, as in ssh."""
    path = folder / Path(word).expanduser()
    return sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
