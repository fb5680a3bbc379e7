"""Where each vendor's values come from: one text file a vendor, in this folder, found by itself.

    sampler tpu                               the module of collectors/probe that reads it
    accelerator.util | GetRuntimeMetric tpu…  metric | call, path or document

What Linux or the console itself says stands in `watchfloor/metrics.py`. Must not do: decide anything by a vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from watchfloor.metrics import Metric


@dataclass(frozen=True, slots=True)
class Vendor:
    """`name` is what the metric `vendor` says; `sources` maps "accelerator.util" to where the value comes from."""

    name: str
    sampler: str
    sources: Mapping[str, str]


@cache
def vendors() -> Mapping[str, Vendor]:
    """Every vendor by name. Raises ValueError for a file that is not as described above."""
    texts = {path.name: path.read_text("utf-8") for path in Path(__file__).parent.glob("*.txt")}
    return {name.removesuffix(".txt"): parse(name, texts[name]) for name in sorted(texts)}


def parse(name: str, text: str) -> Vendor:
    """One file. Raises ValueError, with its name and line."""
    sampler, sources = "", {}
    for number, whole in enumerate(text.splitlines(), 1):
        line = whole.partition("#")[0].strip()
        metric, bar, where = (part.strip() for part in line.partition("|"))
        if line.startswith("sampler "):
            sampler = line.split()[1]
        elif bar and metric and where:
            sources[metric] = where
        elif line:
            raise ValueError(f"{name}:{number}: neither `sampler NAME` nor `METRIC | SOURCE`: {line!r}")
    if not sampler:
        raise ValueError(f"{name}: no line `sampler NAME`")
    return Vendor(name.removesuffix(".txt"), sampler, sources)


def sources(metric: Metric) -> dict[str, str]:
    """Vendor, or "linux", "probe", "console" -> where this metric comes from."""
    path = f"{metric.scope.value}.{metric.name}"
    told = {vendor.name: vendor.sources[path] for vendor in vendors().values() if path in vendor.sources}
    return {**told, **metric.sources}
