"""Details of a report, decoded when a page shows them. One that isn't what the protocol says shows as nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from watchfloor.errors import StreamError
from watchfloor.report import Detail, Filesystem, Process, Workload, decode_detail


@lru_cache(maxsize=16)  # the same bytes come with every frame until the probe sends new ones
def _decoded(name: str, raw: bytes) -> Sequence[Detail]:
    try:
        return decode_detail(name, raw)
    except StreamError:
        return ()


def processes(details: Mapping[str, bytes]) -> Sequence[Process]:
    """Those that hold an accelerator first, then by processor time."""
    found = [entry for entry in _decoded("processes", details.get("processes", b"[]")) if isinstance(entry, Process)]
    return sorted(found, key=lambda process: (not process.accelerator, process.accelerator, -process.cpu_percent))


def workloads(details: Mapping[str, bytes]) -> Mapping[int, Workload]:
    """What processes belong to, by pid."""
    found = _decoded("workloads", details.get("workloads", b"[]"))
    return {entry.pid: entry for entry in found if isinstance(entry, Workload)}


def filesystems(details: Mapping[str, bytes]) -> Sequence[Filesystem]:
    raw = details.get("filesystems", b"[]")
    return [entry for entry in _decoded("filesystems", raw) if isinstance(entry, Filesystem)]
