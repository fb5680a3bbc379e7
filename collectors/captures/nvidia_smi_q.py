"""`nvidia-smi -q` as text: titles and values, nested by their indentation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from collectors import smi_values as smi
from collectors.captures import Capture, Refused
from collectors.captures._nvidia_smi import Gpu, Log, rows, stack
from collectors.smi_log import step

MATCHES = "nvidia-smi -q: text that begins with NVSMI LOG"

_GPU = re.compile(r"^GPU ([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f])\s*$")
_LISTS = ("mig_device", "processes", "supported_clocks")  # sections that come again and again, or name processes


def matches(name: str, head: str) -> bool:
    return bool(re.search(r"^=+NVSMI LOG=+\s*$", head, re.MULTILINE)) and "# $ nvidia-smi" not in head


def read(name: str, text: str) -> Capture:
    log = parse(text)
    if not log.gpus:
        raise Refused("nvidia-smi -q without a GPU")
    cells = rows(log)
    whole = [key for key, row in cells["accelerator"].items() if not row["partition_of"]]
    tool = f"nvidia-smi -q {log.version('driver_version')}".strip()
    return Capture(tool, cells, stack=stack(log, whole), notes=tuple(log.notes))


def parse(text: str) -> Log:
    """All GPUs. What is indented below a section belongs to it."""
    head: dict[str, str] = {}
    log = Log(head, [])
    for lines in _blocks(text):
        found = _GPU.match(lines[0])
        if found is None:
            head.update(_fields(lines))
        else:
            log.gpus.append(_gpu(found[1], lines[1:]))
    return log


def _blocks(text: str) -> Iterator[list[str]]:
    """The lines of the head, then those of each GPU."""
    block: list[str] = []
    for line in text.splitlines():
        if _GPU.match(line) and block:
            yield block
            block = []
        if line.strip() and not line.startswith("="):
            block.append(line)
    if block:
        yield block


def _gpu(address: str, lines: list[str]) -> Gpu:
    own: list[str] = []
    partitions: list[list[str]] = []
    into = own
    for line in lines:
        if _depth(line) <= 1:
            into = own
            if line.strip() == "MIG Device":
                into = []
                partitions.append(into)
                continue
        into.append(line)
    fields = {"pci/bus_id": address, **_fields(own)}
    if (
        any(line.strip().startswith("Processes") for line in own)
        and smi.absence(fields.get("processes", "None")) is None
    ):
        fields["processes"] = str(sum(line.strip().startswith("Process ID ") for line in own))
    return Gpu(fields, [_fields(part) for part in partitions])


def _fields(lines: list[str]) -> dict[str, str]:
    """Path -> text of lines whose indentation begins anywhere."""
    fields: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in lines:
        title, colon, text = line.partition(" : ")
        depth = _depth(line)
        while above and above[-1][0] >= depth:
            above.pop()
        path = "/".join([*(name for _, name in above), step(title)])
        above.append((depth, step(title)))
        if colon and not any(name in _LISTS for _, name in above[:-1]):
            fields[path] = text.strip()
    return fields


def _depth(line: str) -> int:
    """Steps of indentation: four blanks each."""
    return (len(line) - len(line.lstrip())) // 4
