"""What the readers of AMD's outputs have in common: keys, and what is of no use on a live node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from collectors.captures import Capture, Refused
from collectors.probe import amd_smi
from collectors.probe.cells import UNSUPPORTED, Missing
from watchfloor.report import Software

Rows = dict[str, dict[str, Any]]
_GIVEN = ("name", "index", "vendor")  # of every board, whatever its output says
_GIGABIT = 125_000_000  # bytes
_XGMI_WEIGHT = 15  # of a link that leads straight to its peer; that of PCIe is 20 and more


def capture(tool: str, entries: Iterable[Mapping[str, Any]], notes: tuple[str, ...] = ()) -> Capture:
    """Of entries as amd-smi prints them in JSON, whatever the command was."""
    boards: Rows = {}
    links: Rows = {}
    stack: list[Software] = []
    for entry in entries:
        cells = {**amd_smi.cells(dict(entry)), **_counted(entry)}
        index = entry.get("gpu", entry.get("gpu_id"))
        key = key_of(cells, f"gpu{index}")
        boards.setdefault(key, {}).update(cells, name=f"gpu{index}", index=index, vendor="AMD")
        links.update(links_of(key, f"gpu{index}", entry))
        stack.extend(_firmware(key, entry))
    if not any(map(_says_something, boards.values())) and not links and not stack:
        raise Refused(f"{tool}: of its GPUs it tells nothing that is in the vocabulary")
    cells_by_scope = {"accelerator": boards, "link": links}
    return Capture(tool, {scope: rows for scope, rows in cells_by_scope.items() if rows}, (), tuple(stack), notes)


def _says_something(row: Mapping[str, Any]) -> bool:
    return any(not isinstance(value, Missing) for name, value in row.items() if name not in _GIVEN)


def key_of(cells: Mapping[str, Any], name: str) -> str:
    """As the probe names a board: by its uuid, else by its place; by its number where neither is told."""
    if isinstance(cells.get("uuid"), str):
        return cells["uuid"]
    address = cells.get("bus_id")
    return f"amd:{address}" if isinstance(address, str) else name


def xgmi_link(board: str, name: str, number: int, peer: str, **more: Any) -> dict[str, dict[str, Any]]:
    """One row."""
    row = {"name": f"{name}/xgmi{number}", "kind": "xgmi", "medium": "XGMI", "accelerator": board, "peer": peer}
    return {f"xgmi:{board}:{number}": {**row, **more}}


def links_of(key: str, name: str, entry: Mapping[str, Any]) -> Rows:
    """XGMI links, of the entries of `amd-smi xgmi` and `amd-smi topology`."""
    metrics = entry.get("link_metrics")
    if isinstance(metrics, dict):
        return _measured(key, name, metrics)
    found: Rows = {}
    for link in entry.get("links", ()):
        if not isinstance(link, dict) or link.get("gpu") == entry.get("gpu") or not _is_direct(link):
            continue
        up = {"ENABLED": 1, "DISABLED": 0}.get(str(link.get("link_status")), UNSUPPORTED)
        found.update(xgmi_link(key, name, len(found), str(link.get("bdf", "")).lower(), up=up))
    return found


def _is_direct(link: Mapping[str, Any]) -> bool:
    return link.get("link_type") == "XGMI" or ("link_type" not in link and link.get("weight") == _XGMI_WEIGHT)


def _measured(key: str, name: str, metrics: Mapping[str, Any]) -> Rows:
    """What went over a link is told as a sum, which says nothing of its rate."""
    speed = amd_smi.number(metrics.get("max_bandwidth"))
    one_way = speed if isinstance(speed, Missing) else int(speed * _GIGABIT)
    found: Rows = {}
    for link in metrics.get("links", ()):
        if link.get("bdf") not in (None, "N/A") and not isinstance(amd_smi.number(link.get("read")), Missing):
            found.update(xgmi_link(key, name, len(found), str(link["bdf"]).lower(), speed=one_way, up=1))
    return found


def _counted(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Processes and bad pages, each a list, or a sentence where there is none."""
    found: dict[str, Any] = {}
    processes = entry.get("process_list", entry.get("process_info"))
    if isinstance(processes, (list, dict, str)):
        found["processes"] = len(pids(processes))
    pages = entry.get("retired")
    if isinstance(pages, (list, str)):
        found["pages_retired"] = len([page for page in pages if isinstance(page, dict)])
    return found


def pids(processes: list[Any] | dict[str, Any] | str) -> set[int]:
    """Of a process list; each of its members may be wrapped in "process_info", or be a sentence."""
    members = processes if isinstance(processes, list) else [processes]
    inner = [member.get("process_info", member) if isinstance(member, dict) else member for member in members]
    return {int(member["pid"]) for member in inner if isinstance(member, dict) and str(member.get("pid")).isdigit()}


def _firmware(key: str, entry: Mapping[str, Any]) -> list[Software]:
    listed = entry.get("fw_list", ())
    blocks = listed.values() if isinstance(listed, dict) else listed
    found = []
    for block in blocks:
        name, version = block.get("fw_id", block.get("fw_name")), block.get("fw_version")
        if name and version not in (None, "N/A", ""):
            found.append(Software("firmware", str(name).lower(), str(version), key, "amd-smi firmware"))
    return found
