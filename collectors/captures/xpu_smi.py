"""What xpu-smi printed of Intel GPUs: `discovery -j` (the list, or one device), the CSV of `dump`, `topology -m`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from collectors.captures import Capture, Refused
from collectors.probe import xpu_smi
from collectors.probe.cells import Missing
from watchfloor.report import Software

MATCHES = "xpu-smi: discovery as JSON, dump as CSV with its header, or topology -m"

_JSON = re.compile(r'"device_(list|id|name)"')
_DUMP = re.compile(r"\s*Timestamp,\s*DeviceId,")
_TOPOLOGY = re.compile(r'\s*\{\s*"topo_list"|\s*GPU \d+/\d+ .*CPU Affinity')


def matches(name: str, head: str) -> bool:
    start = head.lstrip()
    return bool(_DUMP.match(head) or _TOPOLOGY.match(head)) or (
        start[:1] in "{[" and len(set(_JSON.findall(head))) > 1 and "pci" in head
    )


def read(name: str, text: str) -> Capture:
    try:
        if _TOPOLOGY.match(text):
            return Capture("xpu-smi topology", {"link": dict(_links(xpu_smi.parse_topology(text)))})
        if _DUMP.match(text):
            rows = [{"index": device, **cells} for device, cells in xpu_smi.parse_dump(text).items()]
            return Capture("xpu-smi dump", {"accelerator": _named(rows)})
        rows = xpu_smi.parse_discovery(text)
    except ValueError as error:
        raise Refused(f"xpu-smi: {error}") from error
    return Capture("xpu-smi discovery", {"accelerator": _named(rows)}, stack=tuple(_stack(rows)))


def _named(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By uuid where it is told, else by index."""
    named = {}
    for row in rows:
        key = row.get("uuid")
        found = key if isinstance(key, str) else f"intel:{row['index']}"
        named[found] = {"name": f"xpu{row['index']}", "vendor": "Intel", **row}
    return named


def _links(lanes: Mapping[xpu_smi.Joint, int | Missing]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Those that work: the tool says nothing of others."""
    for joint, width in lanes.items():
        name = f"xpu{joint.device}/{joint.tile}-xpu{joint.peer}/{joint.peer_tile}"
        yield name, {"name": name, "kind": "xelink", "peer": f"xpu{joint.peer}", "up": 1, "width": width}


def _stack(rows: list[dict[str, Any]]) -> list[Software]:
    drivers = {row["driver"] for row in rows if not isinstance(row.get("driver", Missing(0)), Missing)}
    return [Software("driver", "intel-gpu", driver, where="xpu-smi") for driver in sorted(drivers)]
