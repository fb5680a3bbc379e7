"""`nvidia-smi` without arguments: the framed table that people paste into a ticket. Names in it are cut short."""

from __future__ import annotations

import re
from typing import Any

from collectors import smi_values as smi
from collectors.captures import Capture, Refused
from collectors.captures._nvidia_smi import Rows, plain
from collectors.smi_values import Value
from watchfloor.report import Software

MATCHES = "nvidia-smi without arguments: the framed table"

_HEAD = re.compile(r"^\| NVIDIA-SMI \S+\s+Driver Version: (\S+)\s+(?:CUDA Version: (\S+))?", re.MULTILINE)
_WHO = re.compile(
    r"^\|\s+(?P<index>\d+)\s+(?P<model>\S.*?)\s+(?P<persistence>On|Off|N/A|WDDM|TCC|MCDM)\s*"
    r"\|\s*(?P<address>[0-9A-Fa-f:]+\.[0-9A-Fa-f])\s+\S+\s*\|\s*(?P<ecc>\S+)\s*\|"
)
_WHAT = re.compile(
    r"^\|\s*(?P<fan>\S+)\s+(?P<temp>\S+)\s+(?P<pstate>P\d+|N/A|ERR!)\s+(?P<power>\S+)\s*/\s*(?P<limit>\S+)\s*"
    r"\|\s*(?P<used>[^|/]+?)\s*(?:/\s*(?P<total>[^|]+?)\s*)?\|\s*(?P<util>\S+)\s+.*\|"
)
_MIG_MODE = re.compile(r"^\|\s+\|\s+\|\s*(?P<mode>Enabled|Disabled|N/A)\*?\s*\|")
_PARTITION = re.compile(r"^\|\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+\|\s*(\d+MiB)\s*/\s*(\d+MiB)\s*\|")


def matches(name: str, head: str) -> bool:
    return _HEAD.search(head) is not None and "# $ nvidia-smi" not in head


def read(name: str, text: str) -> Capture:
    head = _HEAD.search(text)
    driver, cuda = (head[1], head[2] or "") if head else ("", "")
    accelerators = parse(text)
    if not accelerators:
        raise Refused("the table of nvidia-smi without a GPU")
    versions = {"driver": driver} | ({"runtime": f"CUDA {cuda}"} if cuda else {})
    for row in accelerators.values():
        row.update(versions)
    stack = [
        Software("driver", "nvidia", driver, "", "nvidia-smi"),
        Software("runtime", "cuda", cuda, "", "nvidia-smi"),
    ]
    return Capture(
        f"nvidia-smi {driver}", {"accelerator": accelerators}, stack=tuple(one for one in stack if one.version)
    )


def parse(text: str) -> Rows:
    """GPUs by their PCI address, the only identity in the table, and MIG instances below them."""
    found: Rows = {}
    by_index: dict[str, str] = {}
    row: dict[str, Any] = {}
    for line in text.splitlines():
        if who := _WHO.match(line):
            key = by_index[who["index"]] = who["address"]
            row = found[key] = _identity(who)
        elif what := _WHAT.match(line):
            row.update(plain(_figures(what)))
        elif mode := _MIG_MODE.match(line):
            row.update(plain({"mig": smi.value(mode["mode"], smi.flag)}))
        elif (part := _PARTITION.match(line)) and part[1] in by_index:
            found[f"{by_index[part[1]]}/mig{part[4]}"] = _partition(part, found[by_index[part[1]]], by_index[part[1]])
    return found


def _identity(who: re.Match[str]) -> dict[str, Any]:
    figures: dict[str, Value] = {
        "model": smi.value(who["model"], str),
    }
    if who["persistence"] in ("On", "Off"):  # Windows writes its driver model in this place
        figures["persistence"] = smi.value(who["persistence"], _on)
    if who["ecc"].isdigit():  # in MIG mode "On", without ECC "Off": the count is left out then
        figures["ecc_uncorrected"] = smi.number(who["ecc"])
    name = {"name": f"gpu{who['index']}", "vendor": "NVIDIA", "index": int(who["index"])}
    return {**name, "bus_id": who["address"], "partition_of": "", **plain(figures)}


def _figures(what: re.Match[str]) -> dict[str, Value]:
    figures = {
        "fan": smi.value(what["fan"], smi.number),
        "temp": smi.value(what["temp"], _leading),
        "pstate": smi.value(what["pstate"], smi.pstate),
        "power": smi.value(what["power"], _leading),
        "power_limit": smi.value(what["limit"], _leading),
        "mem_used": smi.value(what["used"], _memory),
        "util": smi.value(what["util"], smi.number),
    }
    return figures | ({"mem_total": smi.value(what["total"], _memory)} if what["total"] else {})


def _partition(part: re.Match[str], gpu: dict[str, Any], key: str) -> dict[str, Any]:
    memory = {"mem_used": smi.value(part[5], _memory), "mem_total": smi.value(part[6], _memory)}
    name = {"name": f"{gpu['name']}/mig{part[4]}", "vendor": "NVIDIA", "model": gpu["model"], "partition_of": key}
    return {**name, **plain(memory)}


def _leading(text: str) -> float:
    """ "41C", "69W"."""
    return float(text.rstrip("CW"))


def _memory(text: str) -> float:
    return float(text.removesuffix("MiB")) * smi.MIB


def _on(text: str) -> float:
    return float({"On": 1, "Off": 0}[text])
