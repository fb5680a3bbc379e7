"""The small tables of nvidia-smi: `nvlink -s`, `-L` and `dmon`. Each begins in a way that nothing else does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from collectors import smi_values as smi
from collectors.captures import Capture, Refused
from collectors.captures._nvidia_smi import UNLISTED, Rows, plain
from collectors.smi_values import Convert

MATCHES = "nvidia-smi nvlink -s, nvidia-smi -L, nvidia-smi dmon"

_GPU = re.compile(r"^GPU (\d+): (.+?) \(UUID: (GPU-[0-9a-fA-F-]+)\)\s*$")
_MIG = re.compile(r"^\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: (MIG-\S+)\)\s*$")
_LINK = re.compile(r"^\s+Link (\d+): (?:([0-9.]+) GB/s|<inactive>)\s*$", re.IGNORECASE)
_DMON = re.compile(r"^# gpu\s.*\n# Idx\s", re.MULTILINE)
_REFUSALS = ("all links are inactive", "not supported for devices in mig mode", "does not have or support nvlink")


def matches(name: str, head: str) -> bool:
    lines = head.lstrip("\n").splitlines()
    return bool(lines) and (
        _GPU.match(lines[0]) is not None or (_DMON.match(head.lstrip()) and "pid" not in lines[0]) is True
    )


def read(name: str, text: str) -> Capture:
    if _DMON.match(text.lstrip()):
        monitored = {UNLISTED.format(index): cells for index, cells in dmon(text).items()}
        return Capture("nvidia-smi dmon", {"accelerator": monitored})
    links = nvlinks(text)
    if not links:
        refused = next((line.strip() for line in text.splitlines() if line.strip().lower().endswith(_REFUSALS)), "")
        if refused:
            raise Refused(f"nvidia-smi nvlink -s: {refused}")
    tool = "nvidia-smi nvlink -s" if links else "nvidia-smi -L"
    return Capture(tool, {"accelerator": with_links(listing(text), links), "link": links})


def listing(text: str) -> Rows:
    """GPUs and MIG instances with what `-L` tells of them; of the other tables, the GPUs."""
    found: Rows = {}
    gpu: dict[str, Any] = {}
    for line in text.splitlines():
        whole, part = _GPU.match(line), _MIG.match(line)
        if whole:
            index, model, uuid = whole.groups()
            gpu = found[uuid] = {
                "name": f"gpu{index}", "vendor": "NVIDIA", "index": int(index), "model": model, "uuid": uuid,
                "partition_of": "",
            }  # fmt: skip
        elif part and gpu:
            profile, index, uuid = part.groups()
            found[uuid] = {
                "name": f"{gpu['name']}/mig{index}", "vendor": "NVIDIA", "index": int(index), "uuid": uuid,
                "partition_of": gpu["uuid"], "profile": profile, "model": f"{gpu['model']} MIG {profile}",
            }  # fmt: skip
    return found


def nvlinks(text: str) -> Rows:
    """The links of `nvlink -s`; their speeds are those of one direction."""
    found: Rows = {}
    name = uuid = ""
    for line in text.splitlines():
        whole, link = _GPU.match(line), _LINK.match(line)
        if whole:
            name, uuid = f"gpu{whole[1]}", whole[3]
        elif link and uuid:
            number, speed = link.groups()
            row = {
                "name": f"{name}/nvlink{number}",
                "kind": "nvlink",
                "accelerator": uuid,
                "up": int(speed is not None),
            }
            found[f"nvlink:{uuid}:{number}"] = row | ({"speed": int(float(speed) * 1e9)} if speed else {})
    return found


def with_links(accelerators: Rows, links: Rows) -> Rows:
    """The same with how many of their links are up."""
    for key, row in accelerators.items():
        own = [link["up"] for link in links.values() if (link["kind"], link["accelerator"]) == ("nvlink", key)]
        if own:
            row.update(links_up=sum(own), links_max=len(own))
    return accelerators


def dmon(text: str) -> dict[int, dict[str, Any]]:
    """The newest figures of each GPU by its index. Which columns there are depends on the driver."""
    found: dict[int, dict[str, Any]] = {}
    for columns, cells in _monitored(text):
        told = dict(zip(columns, cells, strict=False))
        values = {
            metric: smi.value(told[name], convert) for name, (metric, convert) in _DMON_COLUMNS.items() if name in told
        }
        found[int(told["gpu"])] = {"name": f"gpu{told['gpu']}", "vendor": "NVIDIA", **plain(values)}
    return found


def _monitored(text: str) -> Iterator[tuple[list[str], list[str]]]:
    columns: list[str] = []
    for line in text.splitlines():
        words = line.lstrip("# ").split()
        if line.startswith("# gpu"):
            columns = words
        elif columns and words and words[0].isdigit():
            yield columns, words


def _megabytes(text: str) -> float:
    return smi.number(text) * smi.MIB


_DMON_COLUMNS: Mapping[str, tuple[str, Convert]] = {
    "pwr": ("power", smi.number),
    "gtemp": ("temp", smi.number),
    "mtemp": ("temp_mem", smi.number),
    "sm": ("util", smi.number),
    "mem": ("mem_util", smi.number),
    "mclk": ("clock_mem", smi.number),
    "pclk": ("clock_sm", smi.number),
    "rxpci": ("pcie_rx", _megabytes),
    "txpci": ("pcie_tx", _megabytes),
}
