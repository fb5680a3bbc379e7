"""What libtpu's monitoring library said, saved as JSON: {"libtpu": version, "metrics": {name: data}, or a list}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from collectors.captures import Capture, Refused
from collectors.probe import tpu_sdk_text
from watchfloor.report import Software

MATCHES = "libtpu.sdk.tpumonitoring: its metrics as JSON"

_LISTED = {"duty_cycle_pct": "util", "tensorcore_util": "tensor_active", "hbm_capacity_total": "mem_total",
           "hbm_capacity_usage": "mem_used"}  # fmt: skip


def matches(name: str, head: str) -> bool:
    return head.lstrip().startswith("{") and '"libtpu"' in head and '"metrics"' in head


def read(name: str, text: str) -> Capture:
    try:
        root = json.loads(text)
        told = _by_name(root["metrics"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"libtpu's metrics: no such JSON: {error}") from error
    version = str(root.get("libtpu") or "")
    stack = (Software("runtime", "libtpu", version, where="libtpu.sdk.tpumonitoring"),) if version else ()
    silent = sum(not data for data in told.values())
    notes = (f"{silent} of {len(told)} metrics without data: no program used the chips",) if silent else ()
    cells = {"accelerator": _chips(told), "link": _links(told.get("ici_link_health", []))}
    return Capture(f"libtpu.sdk.tpumonitoring {version}".strip(), cells, (), stack, notes)


def _by_name(metrics: Any) -> dict[str, list[str]]:
    if isinstance(metrics, dict):
        return {name: data for name, data in metrics.items() if isinstance(data, list)}
    return {metric["name"]: metric.get("data") or [] for metric in metrics}


def _chips(told: Mapping[str, list[str]]) -> dict[str, dict[str, Any]]:
    """By the order of the data: the library names no devices but in its scores of throttling."""
    rows: dict[str, dict[str, Any]] = {}

    def cells(index: int) -> dict[str, Any]:
        start = {"name": f"tpu{index}", "vendor": "Google", "index": index, "partition_of": ""}
        return rows.setdefault(f"tpu{index}", start)

    for name, metric in _LISTED.items():
        for index, value in enumerate(tpu_sdk_text.percentages(told.get(name, []))):
            cells(index)[metric] = int(value) if metric.startswith("mem") else value
    for index, (_, share) in enumerate(sorted(tpu_sdk_text.throttled(told.get("tpu_throttle_score", [])).items())):
        cells(index)["throttled"] = share
    return rows


def _links(data: list[str]) -> dict[str, dict[str, Any]]:
    return {
        f"ici:tray{link.tray}.chip{link.chip}:{link.number}": {
            "name": f"tray{link.tray}.chip{link.chip}/ici{link.number}",
            "kind": "ici",
            "accelerator": "",
            "up": int(link.health < tpu_sdk_text.UNUSABLE),
            "ici.health": link.health,
        }
        for link in tpu_sdk_text.links(data)
    }
