"""What amd-smi prints for people: indented blocks a GPU, and the tables of topology and processes."""

from __future__ import annotations

import re
from typing import Any

from collectors.captures import Capture, Refused, _amd

MATCHES = "amd-smi without --json: metric, static, list, firmware, process, topology"

_GPU = re.compile(r"^GPU: (\d+)\s*$", re.M)
_TABLE = re.compile(r"^(ACCESS|WEIGHT|HOPS|LINK TYPE|NUMA BW|CACHE COHERENCY|ATOMICS|DMA|BI-DIRECTIONAL) TABLE:", re.M)
_PROCESS_HEAD = re.compile(r"^gpu\s+name\s+pid\b", re.M)
_LISTENING = "EVENT LISTENING:"
_CUT = "[output truncated]"
_XGMI_WEIGHT = "15"


def matches(name: str, head: str) -> bool:
    is_indented = _GPU.search(head) is not None and re.search(r"^ {4}[A-Z_]+:", head, re.M) is not None
    return is_indented or bool(_TABLE.search(head) or _PROCESS_HEAD.search(head)) or head.startswith(_LISTENING)


def read(name: str, text: str) -> Capture:
    notes = ("it was cut off by whoever saved it",) if _CUT in text else ()
    if text.startswith(_LISTENING):
        raise Refused("amd-smi event: it was stopped before it heard of anything")
    if _TABLE.search(text):
        return _topology(text, notes)
    if _PROCESS_HEAD.search(text):
        return _processes(text)
    return _amd.capture("amd-smi", blocks(text), notes)


def blocks(text: str) -> list[dict[str, Any]]:
    """An entry a GPU, as in the JSON: keys in lower case, a block as a dictionary."""
    found: list[dict[str, Any]] = []
    levels: list[tuple[int, dict[str, Any]]] = []
    for line in text.splitlines():
        key, colon, value = line.strip().partition(":")
        indent = len(line) - len(line.lstrip())
        if not colon:
            continue
        if indent == 0:
            index = value.strip()
            if key == "GPU" and index.isdigit():
                found.append({"gpu": int(index)})
                levels = [(0, found[-1])]
            else:
                levels = []  # of a processor
            continue
        while levels and levels[-1][0] >= indent:
            levels.pop()
        if levels:
            _put(levels, indent, key.lower().replace(" ", "_"), value.strip())
    return found


def _put(levels: list[tuple[int, dict[str, Any]]], indent: int, key: str, value: str) -> None:
    inside = levels[-1][1]
    if value:
        inside[key] = int(value) if value.isdigit() else value
        return
    block: dict[str, Any] = {}
    if key == "process_info":  # one a process, all of the same name
        inside.setdefault("process_list", []).append(block)
    else:
        inside[key] = block
    levels.append((indent, block))


def _topology(text: str, notes: tuple[str, ...]) -> Capture:
    """Which boards are joined straight by XGMI: by the type of link where that table is there, else by weight."""
    tables = dict(_tables(text))
    types, weights = tables.get("LINK TYPE", {}), tables.get("WEIGHT", {})
    if not types and not weights:
        raise Refused("amd-smi topology: neither the table of weights nor that of link types is in it")
    boards: _amd.Rows = {}
    links: _amd.Rows = {}
    for index, (address, row) in enumerate((types or weights).items()):
        key, name = f"amd:{address}", f"gpu{index}"
        boards[key] = {"name": name, "index": index, "bus_id": address, "vendor": "AMD"}
        peers = [peer for peer, cell in row.items() if cell == ("XGMI" if types else _XGMI_WEIGHT)]
        for number, peer in enumerate(peers):
            links.update(_amd.xgmi_link(key, name, number, peer))
    return Capture("amd-smi topology", {"accelerator": boards, "link": links}, notes=notes)


def _tables(text: str) -> list[tuple[str, dict[str, dict[str, str]]]]:
    """Name of a table, and its cells by row and column."""
    parts = _TABLE.split(text)
    found = []
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        lines = [line.split() for line in body.splitlines() if ":" in line]
        if lines:
            head, *rows = lines
            found.append((name, {row[0]: dict(zip(head, row[1:], strict=False)) for row in rows}))
    return found


def _processes(text: str) -> Capture:
    """The columns of `amd-smi process --csv`, one line a process."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    start = next(number for number, words in enumerate(lines) if words[:2] == ["gpu", "name"])
    column = lines[start].index("pid") - len(lines[start])  # from the end: names may hold spaces
    by_gpu: dict[int, set[int]] = {}
    for words in lines[start + 1 :]:
        if len(words) >= len(lines[start]) and words[0].isdigit() and words[column].isdigit():
            by_gpu.setdefault(int(words[0]), set()).add(int(words[column]))
    rows = {
        f"gpu{gpu}": {"name": f"gpu{gpu}", "index": gpu, "vendor": "AMD", "processes": len(held)}
        for gpu, held in by_gpu.items()
    }
    return Capture("amd-smi process", {"accelerator": rows} if rows else {})
