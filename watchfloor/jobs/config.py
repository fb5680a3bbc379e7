"""`jobs:` and `prices:` of a fleet file: which schedulers tell of jobs, and what an hour of an accelerator costs.

The keys are those of `schemas/fleet.schema.json`. A secret is named by a file or a variable, never written down here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from watchfloor import hosts
from watchfloor.config import Item, Section
from watchfloor.jobs.model import JobSourceSpec
from watchfloor.metrics import Unit
from watchfloor.model import NodeSpec, SshOptions
from watchfloor.units import nearest

# kind of source -> the keys that it knows besides kind, period and timeout
KINDS: Mapping[str, tuple[str, ...]] = {
    "slurm": ("via", "bin", "conf", "cluster"),
    "kubernetes": ("kubeconfig", "context", "namespace", "selector", "user_label"),
    "ray": ("address", "token_file", "token_env", "ca_file"),
}
_COMMON = ("kind", "period", "timeout")
_FILES = ("kubeconfig", "token_file", "ca_file")
PRICE_KEYS = ("accelerator_hour", "models")
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Pricing:
    """In whatever currency the fleet file is written in."""

    accelerator_hour: float | None = None
    by_model: Mapping[str, float] = field(default_factory=dict)  # part of a model's name -> price

    def of(self, model: str) -> float:
        """An hour of this model: of the first name that it contains, else the usual; NaN where none is known."""
        words = model.casefold()
        usual = math.nan if self.accelerator_hour is None else self.accelerator_hour
        return next((price for name, price in self.by_model.items() if name.casefold() in words), usual)


@dataclass(frozen=True, slots=True)
class Work:
    """Who tells of jobs, what they cost, and where their lineage is kept (a file or postgresql://…, None: nowhere)."""

    sources: tuple[JobSourceSpec, ...] = ()
    pricing: Pricing = field(default_factory=Pricing)
    lineage: str | None = None


NO_WORK = Work()
_NUMBERED = ("slurm", "ray")  # kinds that give their jobs numbers, which those of another cluster have, too


def told_apart(sources: Sequence[JobSourceSpec]) -> tuple[JobSourceSpec, ...]:
    """These sources; where several would number their jobs alike, each puts its name into the ids."""
    kinds = Counter(spec.kind for spec in sources)
    several = {kind for kind in _NUMBERED if kinds[kind] > 1}
    return tuple(replace(spec, cluster=spec.name) if spec.kind in several else spec for spec in sources)


def read_jobs(item: Item, folder: Path, nodes: Mapping[str, NodeSpec], ssh: SshOptions) -> tuple[JobSourceSpec, ...]:
    """Sources by their names; one that is called as its kind needs no `kind:`. Raises ConfigError."""
    return tuple(_source(name, entry, folder, nodes, ssh) for name, entry in item.entries().items())


def _source(name: str, item: Item, folder: Path, nodes: Mapping[str, NodeSpec], ssh: SshOptions) -> JobSourceSpec:
    every = {key for keys in KINDS.values() for key in keys}
    kind_item = item.entries().get("kind")
    kind = kind_item.text() if kind_item is not None else name
    if kind not in KINDS:
        guess = nearest(kind, list(KINDS))
        advice = f"did you mean {guess}?" if guess else f"one of {', '.join(KINDS)}, as in kind: slurm"
        (kind_item or item).fail(f"{kind!r} is no kind of source of jobs", advice)
    section = item.section((*_COMMON, *(key for key in every if key in KINDS[kind])))
    via = section.get("via", lambda of: _via(of, nodes, ssh))
    if kind == "slurm" and via is None:
        item.fail(f"{item.named} doesn't say where squeue runs", "via: a host as ssh takes it, or local")
    options = {key: _text(section, key, folder) for key in KINDS[kind] if key != "via" and key in section.entries}
    usual = JobSourceSpec(name, kind, via, options)
    return replace(
        usual,
        period_seconds=section.get("period", _seconds(0.5)) or usual.period_seconds,
        timeout_seconds=section.get("timeout", _seconds(0.1)) or usual.timeout_seconds,
    )


def host(text: str, nodes: Mapping[str, NodeSpec], ssh: SshOptions) -> NodeSpec:
    """Where commands run: a node of the fleet, `local`, or a host as ssh takes it. Raises ValueError."""
    if text in nodes:
        return nodes[text]
    if text == LOCAL:
        return NodeSpec(LOCAL, local=True)
    found = hosts.targets(text, 1)
    if len(found) != 1:
        raise ValueError(f"{text!r} is not one host")
    target = found[0]
    user, port = target.user or ssh.user, target.port or ssh.port
    given = {f: getattr(ssh, f) for f in SshOptions.__dataclass_fields__}
    return NodeSpec(target.name, target.host, ssh=SshOptions(**given | {"user": user, "port": port}))


def _via(item: Item, nodes: Mapping[str, NodeSpec], ssh: SshOptions) -> NodeSpec:
    try:
        return host(item.text(), nodes, ssh)
    except ValueError as error:
        item.fail(f"{item.named}: {error}", "as ssh takes it: login1, ops@login1:2222, or local")


def _text(section: Section, key: str, folder: Path) -> str:
    text = section.require(key, Item.text)
    return str(folder / Path(text).expanduser()) if key in _FILES else text


def _seconds(least: float) -> Callable[[Item], float]:
    def read(item: Item) -> float:
        seconds = item.quantity(Unit.SECONDS)
        if seconds < least:
            item.fail(f"{item.named} of {seconds:g} s", f"at least {least:g} s")
        return seconds

    return read


def read_prices(item: Item) -> Pricing:
    """Raises ConfigError."""
    section = item.section(PRICE_KEYS)
    models = section.get("models", lambda of: {name: _price(entry) for name, entry in of.entries().items()})
    return Pricing(section.get("accelerator_hour", _price), models or {})


def _price(item: Item) -> float:
    price = item.number()
    if price < 0:
        item.fail(f"{item.named} is below 0", "a price an hour, such as 2.10")
    return price
