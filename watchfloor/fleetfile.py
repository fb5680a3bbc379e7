"""`fleet.yaml` -> an Inventory: sites, racks, groups, nodes, their labels, ssh options and power budgets.

The keys are those of `schemas/fleet.schema.json`; a test holds the two together. See docs/inventory.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path

from watchfloor import hosts
from watchfloor.config import Item, Section, load, whole
from watchfloor.fleetsource import read_source
from watchfloor.inventory import Inventory, Place
from watchfloor.jobs.config import Pricing, read_jobs, read_prices
from watchfloor.jobs.model import JobSourceSpec
from watchfloor.metrics import Unit
from watchfloor.model import MetricsSource, NodeSpec, SshOptions
from watchfloor.units import nearest
from watchfloor.xidlist import USUAL, sources

FLEET_KEYS = ("name", "ssh", "source", "checks", "jobs", "prices", "power_budget", "sites", "groups", "nodes")
CHECK_KEYS = ("xid-source",)
SITE_KEYS = ("ssh", "source", "power_budget", "labels", "racks", "nodes")
RACK_KEYS = ("ssh", "source", "power_budget", "labels", "nodes")
GROUP_KEYS = ("ssh", "source", "power_budget", "accelerators", "versions", "labels", "nodes")
NODE_KEYS = ("host", "local", "ssh", "source", "power_budget", "accelerators", "versions", "labels")
SSH_KEYS = (
    "user",
    "port",
    "identity_files",
    "proxy_jump",
    "config_files",
    "known_hosts_files",
    "connect_timeout",
)


def read(path: Path) -> Inventory:
    """Raises ConfigError with file, line and column."""
    root = load(path).section(FLEET_KEYS)
    reader = _Reader(path.parent, root)
    reader.sites(root)
    reader.listed(root)
    reader.groups(root)
    reader.particulars(root)
    if not reader.specs:
        root.item.fail("no node in it", "name some under sites: or nodes:")
    return Inventory(
        name=root.get("name", Item.text) or path.stem,
        specs=tuple(reader.specs.values()),
        sites=tuple(reader.found_sites),
        racks=tuple(reader.found_racks),
        groups=tuple(reader.found_groups),
        power_budget_watts=root.get("power_budget", _watts),
        jobs=root.get("jobs", reader.jobs) or (),
        prices=root.get("prices", read_prices) or Pricing(),
    )


def merged(base: SshOptions, over: SshOptions) -> SshOptions:
    """`base`, with what `over` says otherwise."""
    said = {f.name: getattr(over, f.name) for f in fields(SshOptions) if getattr(over, f.name) != f.default}
    return replace(base, **said)


class _Reader:
    """Nodes come from the sites first; groups and `nodes:` then say more of them.

    A file without sites may introduce its nodes there; beside sites, a name that none of them has is a slip.
    """

    def __init__(self, folder: Path, root: Section) -> None:
        self.folder = folder
        self.specs: dict[str, NodeSpec] = {}
        self.found_sites: list[Place] = []
        self.found_racks: list[Place] = []
        self.found_groups: list[Place] = []
        self._everywhere = NodeSpec(
            "", ssh=self._ssh(root), source=self._source(root, None), xid_source=_xid_source(root)
        )
        self._has_sites = "sites" in root.entries

    def sites(self, root: Section) -> None:
        for site, item in _entries(root, "sites"):
            section = item.section(SITE_KEYS)
            ssh = merged(self._everywhere.ssh, self._ssh(section))
            source = self._source(section, self._everywhere.source)
            base = replace(self._everywhere, site=site, labels=_labels(section), ssh=ssh, source=source)
            before = len(self.specs)
            self._add(section, base)
            for rack, rack_item in _entries(section, "racks"):
                self._rack(rack, rack_item, base)
            if site:
                self.found_sites.append(_place(site, "", list(self.specs)[before:], section))

    def _rack(self, rack: str, item: Item, base: NodeSpec) -> None:
        section = item.section(RACK_KEYS) if item.is_mapping else Section(item, {"nodes": item})
        labels, ssh = {**base.labels, **_labels(section)}, merged(base.ssh, self._ssh(section))
        source = self._source(section, base.source)
        place = _place(rack, base.site, [], section)
        here = replace(base, rack=rack, labels=labels, ssh=ssh, source=source)
        names = self._add(section, replace(here, rack_budget_watts=place.power_budget_watts))
        if rack:
            self.found_racks.append(replace(place, nodes=tuple(names)))

    def _add(self, section: Section, base: NodeSpec) -> list[str]:
        names = section.get("nodes", _names) or []
        for name, item in names:
            if name in self.specs:
                item.fail(f"the node {name!r} is there twice")
            self.specs[name] = replace(base, name=name, host=name)
        return [name for name, _ in names]

    def groups(self, root: Section) -> None:
        for group, item in _entries(root, "groups"):
            section = item.section(GROUP_KEYS) if item.is_mapping else Section(item, {"nodes": item})
            names = section.get("nodes", _names) or []
            for name, said in names:
                self._join(self._known(name, said), group, section)
            self.found_groups.append(_place(group, "", [name for name, _ in names], section))

    def _known(self, name: str, said: Item) -> NodeSpec:
        """The node so far. A new one where that may be."""
        if name not in self.specs and self._has_sites:
            guess = nearest(name, list(self.specs))
            said.fail(f"no site has a node {name!r}", f"did you mean {guess}?" if guess else "add it to a site")
        return self.specs.get(name) or replace(self._everywhere, name=name, host=name)

    def _join(self, old: NodeSpec, group: str, section: Section) -> None:
        labels, ssh = {**old.labels, **_labels(section)}, merged(old.ssh, self._ssh(section))
        source = self._source(section, old.source)
        joined = replace(old, group=old.group or group, labels=labels, ssh=ssh, source=source)
        ought = {"accelerators": _accelerators(section, old), "versions": {**old.versions, **_versions(section)}}
        self.specs[old.name] = replace(joined, **ought)

    def jobs(self, item: Item) -> tuple[JobSourceSpec, ...]:
        return read_jobs(item, self.folder, self.specs, self._everywhere.ssh)

    def listed(self, root: Section) -> None:
        """`nodes:` as a pattern or a list of them: nodes without a rack."""
        item = root.entries.get("nodes")
        if item is not None and not item.is_mapping:
            self._add(root, self._everywhere)

    def particulars(self, root: Section) -> None:
        """`nodes:` as a mapping from pattern to what is particular to these nodes."""
        item = root.entries.get("nodes")
        entries = item.entries() if item is not None and item.is_mapping else {}
        for pattern, about in entries.items():
            section = about.section(NODE_KEYS)
            names = _expanded(pattern, about)
            if "host" in section.entries and len(names) > 1:
                section.entries["host"].fail(f"one host for the {len(names)} nodes of {pattern}")
            for name in names:
                self._particular(self._known(name, about), section)

    def _particular(self, old: NodeSpec, section: Section) -> None:
        self.specs[old.name] = replace(
            old,
            host=section.get("host", _host) or old.host,
            local=section.get("local", Item.flag) or False,
            labels={**old.labels, **_labels(section)},
            ssh=merged(old.ssh, self._ssh(section)),
            source=self._source(section, old.source),
            power_budget_watts=section.get("power_budget", _watts),
            accelerators=_accelerators(section, old),
            versions={**old.versions, **_versions(section)},
        )

    def _source(self, section: Section, outer: MetricsSource | None) -> MetricsSource | None:
        """What the section says; the outer one where it says nothing."""
        item = section.entries.get("source")
        return read_source(item, self.folder) if item is not None else outer

    def _ssh(self, section: Section) -> SshOptions:
        return section.get("ssh", lambda item: read_ssh(item, self.folder)) or SshOptions()


def read_ssh(item: Item, folder: Path) -> SshOptions:
    """The ssh options of a section; relative file names count from `folder`."""
    section = item.section(SSH_KEYS)

    def paths(of: Item) -> tuple[str, ...]:
        return tuple(str(folder / Path(entry.text()).expanduser()) for entry in of.items())

    said = {
        "user": section.get("user", Item.text),
        "port": section.get("port", whole(1, 65535)),
        "proxy_jump": section.get("proxy_jump", Item.text),
        "identity_files": section.get("identity_files", paths),
        "config_files": section.get("config_files", paths),
        "known_hosts_files": section.get("known_hosts_files", paths),
        "connect_timeout_seconds": section.get("connect_timeout", _wait),
    }
    return SshOptions(**{name: value for name, value in said.items() if value is not None})


def _wait(item: Item) -> float:
    seconds = item.quantity(Unit.SECONDS)
    if not seconds > 0:
        item.fail(f"{item.named} of {seconds:g} s: nothing answers at once", "more than 0 s")
    return seconds


def _xid_source(root: Section) -> str:
    """Whose word counts for what an XID asks for."""
    checks = root.get("checks", lambda item: item.section(CHECK_KEYS))
    return (checks.get("xid-source", _known_source) if checks else None) or USUAL


def _known_source(item: Item) -> str:
    name = item.text()
    if name not in sources():
        guess = nearest(name, list(sources()))
        item.fail(
            f"nobody called {name!r} says what XIDs ask for",
            f"did you mean {guess}?" if guess else f"known are {', '.join(sources())}",
        )
    return name


def _entries(section: Section, key: str) -> Iterable[tuple[str, Item]]:
    return (section.get(key, Item.entries) or {}).items()


def _names(item: Item) -> list[tuple[str, Item]]:
    """Every name of a pattern, or of a list of patterns, with the place where it was said."""
    return [(name, entry) for entry in item.items() for name in _expanded(entry.text(), entry)]


def _expanded(pattern: str, item: Item) -> list[str]:
    try:
        return hosts.names(pattern)
    except ValueError as error:
        item.fail(str(error))


def _host(item: Item) -> str:
    """A host name or an address."""
    try:
        found = hosts.targets(item.text(), most=1)
    except ValueError as error:
        item.fail(str(error))
    if len(found) != 1 or found[0].user or found[0].port:
        item.fail(f"{item.named} should be one host name", "user and port belong under ssh:")
    return found[0].host


def _accelerators(section: Section, old: NodeSpec) -> int | None:
    """How many a node ought to have, as the section says; as it was said before, where it says nothing."""
    told = section.get("accelerators", whole(0, 1024))
    return old.accelerators if told is None else told


def _versions(section: Section) -> Mapping[str, tuple[str, ...]]:
    """Name of a piece of software -> the versions that are right."""
    return {name: tuple(one.text() for one in item.items()) for name, item in _entries(section, "versions")}


def _watts(item: Item) -> float:
    return item.quantity(Unit.WATTS)


def _labels(section: Section) -> Mapping[str, str]:
    return {name: item.text() for name, item in _entries(section, "labels")}


def _place(name: str, site: str, nodes: list[str], section: Section) -> Place:
    return Place(name, site, tuple(nodes), section.get("power_budget", _watts))
