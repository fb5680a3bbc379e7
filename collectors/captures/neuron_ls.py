"""What `neuron-ls` printed: JSON of any version, or its tables with or without processes."""

from __future__ import annotations

from typing import Any

from collectors.captures import Capture, Refused
from collectors.captures._tables import is_border, row
from collectors.probe import neuron_devices
from collectors.probe.cells import UNSUPPORTED
from collectors.probe.neuron_ls import Device, add_process, number, parse
from collectors.probe.pcie import normal
from watchfloor.report import Software

MATCHES = "neuron-ls: JSON, or the table"

_GIB = 2**30  # what the tool calls a GB


def matches(name: str, head: str) -> bool:
    return ('"neuron_device"' in head and '"nc_count"' in head) or ("NEURON" in head and "CONNECTED" in head)


def read(name: str, text: str) -> Capture:
    try:
        devices = parse(text) if text.lstrip()[:1] in "[{" else table(text)
    except ValueError as error:
        raise Refused(f"neuron-ls: {error}") from error
    if not devices:
        raise Refused("neuron-ls: a table without devices")
    keys = {device.index: f"neuron{device.index}" for device in devices}
    tells_processes = "neuron_processes" in text or "COMMAND" in text
    cells = {
        "accelerator": {keys[device.index]: _cells(device, tells_processes) for device in devices},
        "link": neuron_devices.links(keys, devices),
    }
    runtimes = sorted({device.runtime for device in devices if device.runtime})
    stack = tuple(Software("runtime", "neuron-runtime", version, where="neuron-ls") for version in runtimes)
    notes = tuple(line.strip() for line in text.splitlines() if line.startswith(("instance-type:", "logical-")))
    return Capture("neuron-ls", cells, (), stack, notes)


def _cells(device: Device, tells_processes: bool) -> dict[str, Any]:
    return {
        "name": f"neuron{device.index}",
        "vendor": "AWS",
        "index": device.index,
        "bus_id": device.address,
        "numa": device.numa,
        "mem_total": device.memory,
        "links_max": len(device.connected) or UNSUPPORTED,
        "processes": len(device.processes) if tells_processes else UNSUPPORTED,
        "runtime": f"Neuron {device.runtime}" if device.runtime else UNSUPPORTED,
        "partition_of": "",
    }


def table(text: str) -> list[Device]:
    """Headers take several lines; a row without a device adds a process to the one above."""
    headers: list[str] = []
    devices: list[Device] = []
    borders = 0
    for line in text.splitlines():
        cells = row(line)
        if cells is None:
            borders += is_border(line)
        elif borders < 2:
            headers = [" ".join(words).strip() for words in zip(headers or [""] * len(cells), cells, strict=False)]
        else:
            _add(devices, dict(zip(headers, cells, strict=False)))
    return devices


def _add(devices: list[Device], cells: dict[str, str]) -> None:
    index = number(cells.get("NEURON DEVICE", ""))
    if index is not None:
        devices.append(_device(index, cells))
    if devices:
        add_process(devices[-1], number(cells.get("PID", "")), cells.get("RUNTIME VERSION", ""))


def _device(index: int, cells: dict[str, str]) -> Device:
    first, _, last = cells.get("NEURON CORE IDS", "").partition("-")
    begin = number(first)
    device = Device(index, [] if begin is None else list(range(begin, (number(last) or begin) + 1)))
    device.address = normal(cells["PCI BDF"]) if cells.get("PCI BDF") else UNSUPPORTED
    others = (number(word) for word in cells.get("CONNECTED DEVICES", "").replace(",", " ").split())
    device.connected = [other for other in others if other is not None]
    size = number(cells.get("NEURON MEMORY", "").removesuffix("GB").strip())
    device.memory = UNSUPPORTED if size is None else size * _GIB
    node = number(cells.get("NUMA NODE", ""))
    device.numa = UNSUPPORTED if node is None or node < 0 else node
    return device
