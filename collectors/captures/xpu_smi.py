"""What xpu-smi printed of Intel GPUs: `discovery -j` (the list, or one device) and the CSV of `dump`."""

from __future__ import annotations

import re
from typing import Any

from collectors.captures import Capture, Refused
from collectors.probe import xpu_smi
from collectors.probe.cells import Missing
from watchfloor.report import Software

MATCHES = "xpu-smi: discovery as JSON, or dump as CSV with its header"

_JSON = re.compile(r'"device_(list|id|name)"')
_DUMP = re.compile(r"\s*Timestamp,\s*DeviceId,")


def matches(name: str, head: str) -> bool:
    start = head.lstrip()
    return bool(_DUMP.match(head)) or (start[:1] in "{[" and len(set(_JSON.findall(head))) > 1 and "pci" in head)


def read(name: str, text: str) -> Capture:
    try:
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


def _stack(rows: list[dict[str, Any]]) -> list[Software]:
    drivers = {row["driver"] for row in rows if not isinstance(row.get("driver", Missing(0)), Missing)}
    return [Software("driver", "intel-gpu", driver, where="xpu-smi") for driver in sorted(drivers)]
