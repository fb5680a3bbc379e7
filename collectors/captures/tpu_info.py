"""What `tpu-info` printed: its tables, drawn in bars or in box characters, and the output of --version.

Its rows are matched with chips by their order, as the tool itself does: a chip is /dev/vfio/0 in one table and 8 in
another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from collectors.captures import Capture, Refused
from collectors.captures._tables import is_border, row
from collectors.probe.cells import UNSUPPORTED, Missing
from watchfloor.report import Software

MATCHES = "tpu-info: its tables, or --version"

_SIGNS = ("TPU Chips", "TPU Process Info", "TPU Runtime Utilization", "TensorCore Utilization", "tpu-info version")
_LIBTPU = re.compile(r"libtpu version:\s*(\S+)", re.IGNORECASE)
_KIND = re.compile(r"accelerator type:\s*(\S+)", re.IGNORECASE)
_TOOL = re.compile(r"tpu-info version:\s*(\S+)", re.IGNORECASE)
_GIB = 2**30

Table = list[dict[str, str]]


def matches(name: str, head: str) -> bool:
    return any(sign in head for sign in _SIGNS)


def read(name: str, text: str) -> Capture:
    tables = parse(text)
    libtpu, kind = _LIBTPU.search(text), _KIND.search(text)
    stack = [Software("runtime", "libtpu", libtpu.group(1), where="tpu-info")] if libtpu else []
    rows = _chips(tables, kind.group(1) if kind else "")
    if not rows and not stack:
        raise Refused("tpu-info: neither a chip nor a version is in it")
    if libtpu:
        for cells in rows.values():
            cells["runtime"] = f"libtpu {libtpu.group(1)}"
    passed_over = [title for title in tables if "Latency" in title or "TCP" in title]
    notes = (f"no metric holds: {', '.join(passed_over)}",) if passed_over else ()
    tool = _TOOL.search(text)
    return Capture(f"tpu-info {tool.group(1) if tool else ''}".strip(), {"accelerator": rows}, (), tuple(stack), notes)


def parse(text: str) -> dict[str, Table]:
    """Title -> rows, each by its headers."""
    tables: dict[str, Table] = {}
    title, headers = "", []
    for line in text.splitlines():
        cells = row(line)
        if cells is None:
            if line.strip() and not is_border(line):
                title, headers = line.strip(), []
        elif not headers:
            headers = cells
            tables[title] = []
        else:
            tables[title].append(dict(zip(headers, cells, strict=False)))
    return tables


def _chips(tables: Mapping[str, Table], kind: str) -> dict[str, dict[str, Any]]:
    chips = tables.get("TPU Chips", [])
    known = [_known(cells, kind) for cells in chips or tables.get("TPU Process Info", [])]
    used = [_usage(cells) for cells in tables.get("TPU Runtime Utilization", [])]
    active = [_percent(cells.get("TensorCore Utilization", "")) for cells in tables.get("TensorCore Utilization", [])]
    count = len(known) or len(used) or len(active)
    rows = {}
    for index in range(count):
        cells: dict[str, Any] = {"name": f"tpu{index}", "vendor": "Google", "index": index, "partition_of": ""}
        cells.update(known[index] if known else _model(kind))
        cells.update(_joined(_share(used, index, count)))
        cells.update(_joined([{"tensor_active": value} for value in _share(active, index, count)]))
        rows[f"tpu{index}"] = cells
    return rows


def _share(values: list[Any], index: int, count: int) -> list[Any]:
    """The rows of a chip: one, or one for each of its cores."""
    each, left = divmod(len(values), count)
    return [] if left else values[index * each : (index + 1) * each]


def _known(cells: Mapping[str, str], kind: str) -> dict[str, Any]:
    pid = cells.get("PID", "")
    model = cells.get("Type", "").removesuffix(" chip")
    found: dict[str, Any] = {"model": model} if model else _model(kind)
    found["processes"] = 1 if pid.isdigit() else 0 if pid in ("", "None") else UNSUPPORTED
    if cells.get("Process Name"):
        found["command"] = cells["Process Name"]
    return found


def _model(kind: str) -> dict[str, Any]:
    return {"model": f"TPU {kind}"} if kind else {}


def _usage(cells: Mapping[str, str]) -> dict[str, Any]:
    """A row of the table of utilisation, whose headers have changed."""
    by_name = {name.lower(): value for name, value in cells.items()}
    memory = next((value for name, value in by_name.items() if name.startswith("hbm usage")), "")
    used, bar, total = memory.partition(" / ")
    return {
        "util": _percent(by_name.get("duty cycle", "")),
        "mem_used": _bytes(used),
        "mem_total": _bytes(total if bar else memory),
    }


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the cores of a chip: memory is added up, shares are averaged."""
    found: dict[str, Any] = {}
    for name in parts[0] if parts else ():
        values = [part[name] for part in parts]
        unknown = [value for value in values if isinstance(value, Missing)]
        total = 0 if unknown else sum(values)
        found[name] = unknown[0] if unknown else total if name.startswith("mem") else round(total / len(values), 2)
    return found


def _percent(text: str) -> float | Missing:
    try:
        return float(text.rstrip("% "))
    except ValueError:
        return Missing(UNSUPPORTED.code, text)


def _bytes(text: str) -> int | Missing:
    """Of "18.45 GiB"."""
    try:
        return int(float(text.replace("GiB", "").strip()) * _GIB)
    except ValueError:
        return Missing(UNSUPPORTED.code, text.strip())
