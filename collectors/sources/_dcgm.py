"""dcgm-exporter's series: which metric each field is, and whose. The table is `dcgm.txt`.

Ratios come as 0 to 1, memory in MiB, energy in mJ. Blank values of DCGM are none. Where pods share a device the
exporter repeats each series for every pod: it counts once. Rows of MIG instances carry the UUID of their board.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from collectors.probe.pcie import normal
from collectors.sources._server import Series
from collectors.sources._told import NodeTold, Told
from watchfloor.model import Scope
from watchfloor.pci import slot

NODE_LABELS = ("Hostname", "instance")
_AT = Scope.ACCELERATOR
# dcgm_structs.h, DCGM_INT32_BLANK and DCGM_FP64_BLANK, and the fifteen after each: not found, not supported …
_BLANKS = (float(0x7FFFFFF0), 140737488355328.0)
_KINDS_OF_BLANK = 15
# DCGM_INT64_BLANK and the fifteen after it are all 2^63 as a float, a bit less with fewer digits; no value is as much
_BLANK_INT64 = 9.2e18


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    metric: str
    fields: tuple[str, ...]
    factor: float


@cache
def table() -> tuple[Line, ...]:
    lines = []
    for line in Path(__file__).with_name("dcgm.txt").read_text("utf-8").splitlines():
        metric, *rest = (part.strip() for part in line.partition("#")[0].split("|"))
        if rest:
            lines.append(Line(metric, tuple(rest[0].split(" + ")), float(rest[1])))
    return tuple(lines)


@cache
def fields() -> frozenset[str]:
    return frozenset(field for line in table() for field in line.fields)


class Devices:
    """The fields of a round, until all of them are there."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._values: dict[tuple[str, str], dict[str, float]] = {}  # (node, key) -> field -> value
        self._about: dict[tuple[str, str], dict[str, str]] = {}  # labels of all its series
        self._pods: dict[tuple[str, str], dict[str, None]] = {}  # in the order in which they were seen

    def take(self, field: str, series: Iterable[Series]) -> None:
        for one in series:
            labels, value = one.metric, float(one.value[1])
            node = node_of(labels, self._label)
            device = _key(labels)
            if node and device and not _is_blank(value):
                at = (node, device)
                self._values.setdefault(at, {})[field] = value
                self._about.setdefault(at, {}).update(labels)
                self._pods.setdefault(at, {}).update(dict.fromkeys(_pod(labels)))

    def finish(self, told: Told) -> None:
        """Add the rows."""
        for at, values in self._values.items():
            node, key = at
            of_node = told.setdefault(node, NodeTold())
            for line in table():
                known = line.metric in of_node.row(_AT, key)
                if not known and all(field in values for field in line.fields):
                    of_node.put(_AT, key, line.metric, line.factor * sum(values[field] for field in line.fields))
            for metric, text in self._texts(at).items():
                of_node.put_text(_AT, key, metric, text)
            index = self._about[at].get("gpu", "")
            if index.isdecimal() and not _instance(self._about[at]):
                of_node.put(_AT, key, "index", float(index))

    def _texts(self, at: tuple[str, str]) -> dict[str, str]:
        labels, instance = self._about[at], _instance(self._about[at])
        name, bus = f"gpu{labels.get('gpu', '?')}", labels.get("pci_bus_id", "")
        known = {
            "name": f"{name}/gi{instance}" if instance else name,
            "vendor": "NVIDIA",
            "model": labels.get("modelName", ""),
            "uuid": "" if instance else labels.get("UUID", ""),
            "driver": labels.get("DCGM_FI_DRIVER_VERSION", ""),
            "bus_id": normal(bus) if slot(bus) else "",
            "profile": labels.get("GPU_I_PROFILE", "") if instance else "",
        }
        told = {name: text for name, text in known.items() if text}
        # "" says something of these two: no job, no board above it
        return {**told, "job": ",".join(self._pods[at]), "partition_of": labels.get("UUID", "") if instance else ""}


def node_of(labels: Mapping[str, str], label: str) -> str:
    names = (label,) if label else NODE_LABELS
    return next((labels[name] for name in names if labels.get(name)), "")


def _key(labels: Mapping[str, str]) -> str:
    uuid, instance = labels.get("UUID") or labels.get("device", ""), _instance(labels)
    return f"{uuid}/gi{instance}" if uuid and instance else uuid


def _instance(labels: Mapping[str, str]) -> str:
    return labels.get("GPU_I_ID", "")


def _pod(labels: Mapping[str, str]) -> list[str]:
    """The pod that holds the device, none where there is none; without `exported_` it may be the exporter's own."""
    pod, space = labels.get("exported_pod", ""), labels.get("exported_namespace", "")
    if not pod and labels.get("container", "") and "exporter" not in labels["container"]:
        pod, space = labels.get("pod", ""), labels.get("namespace", "")
    return [f"pod:{space}/{pod}" if space else f"pod:{pod}"] if pod else []


def _is_blank(value: float) -> bool:
    return value >= _BLANK_INT64 or any(blank <= value <= blank + _KINDS_OF_BLANK for blank in _BLANKS)
