"""Nodes -> the text of a fleet file that reads back as the same nodes: every text in quotes, one node a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import groupby

from watchfloor import hosts
from watchfloor.errors import ConfigError
from watchfloor.jobs.model import JobSourceSpec
from watchfloor.model import NodeSpec, SshOptions


def fleet_text(specs: Sequence[NodeSpec], sources: Sequence[JobSourceSpec] = ()) -> str:
    """`sources` of jobs are asked on nodes of the file.

    Raises ConfigError for a node name that a fleet file can't hold (one with a port in it)."""
    for spec in specs:
        _require_plain(spec.name)
    lines = ["sites:"]
    for site, of_site in _by(specs, "site"):
        lines += [f"  {_quoted(site)}:", "    racks:"]
        lines += [f"      {_quoted(rack)}: {_quoted(_rack(of_rack))}" for rack, of_rack in _by(of_site, "rack")]
    groups = [(group, _names(members)) for group, members in _by(specs, "group") if group]
    if groups:
        lines += ["groups:", *(f"  {_quoted(group)}: {_quoted(names)}" for group, names in groups)]
    lines += ["nodes:", *(f"  {_quoted(spec.name)}: {_quoted(_particulars(spec))}" for spec in specs)]
    if sources:
        lines += ["jobs:", *(f"  {_quoted(source.name)}: {_quoted(_source(source))}" for source in sources)]
    return "\n".join(lines) + "\n"


def _source(source: JobSourceSpec) -> object:
    via = {"via": source.via.name} if source.via is not None else {}
    return {"kind": source.kind, **via, **source.options}


def _require_plain(name: str) -> None:
    try:
        plain = hosts.names(name) == [name]
    except ValueError:
        plain = False
    if not plain:
        raise ConfigError(f"the node name {name!r} can't stand in a fleet file", "use letters, digits, - _ and .")


def _by(specs: Iterable[NodeSpec], attribute: str) -> list[tuple[str, list[NodeSpec]]]:
    """Nodes by site, rack or group, each in the order of its first node."""

    def value(spec: NodeSpec) -> str:
        return getattr(spec, attribute)

    first = {name: at for at, name in reversed(list(enumerate(map(value, specs))))}
    ordered = sorted(specs, key=lambda spec: first[value(spec)])
    return [(name, list(members)) for name, members in groupby(ordered, value)]


def _names(specs: Iterable[NodeSpec]) -> list[str]:
    return [spec.name for spec in specs]


def _rack(specs: Sequence[NodeSpec]) -> object:
    """Its nodes; with its budget, where it has one."""
    budget = specs[0].rack_budget_watts
    if budget is None:
        return _names(specs)
    return {"power_budget": _watts(budget), "nodes": _names(specs)}


def _watts(watts: float) -> str:
    return f"{watts:.15g}W"


def _particulars(spec: NodeSpec) -> dict[str, object]:
    said: dict[str, object] = {"host": spec.host} if spec.host not in ("", spec.name) else {}
    if spec.local:
        said["local"] = True
    if spec.labels:
        said["labels"] = dict(spec.labels)
    if spec.power_budget_watts is not None:
        said["power_budget"] = _watts(spec.power_budget_watts)
    if spec.accelerators is not None:
        said["accelerators"] = spec.accelerators
    if spec.versions:
        said["versions"] = {name: list(versions) for name, versions in spec.versions.items()}
    ssh = _ssh(spec.ssh)
    return {**said, "ssh": ssh} if ssh else said


def _ssh(options: SshOptions) -> dict[str, object]:
    said = {f.name: getattr(options, f.name) for f in fields(SshOptions)}
    changed = {f.name: said[f.name] for f in fields(SshOptions) if said[f.name] != f.default}
    timeout = changed.pop("connect_timeout_seconds", None)
    lists: dict[str, object] = {
        name: list(value) if isinstance(value, tuple) else value for name, value in changed.items()
    }
    return {**lists, "connect_timeout": f"{timeout:.15g}s"} if timeout is not None else lists


def _quoted(value: object) -> str:
    """JSON, which is YAML with every text in quotes."""
    return json.dumps(value, ensure_ascii=False)
