"""What `neuron-ls` says of devices, from its JSON. Pure.

The root is a list, or since Neuron 2.34 an object that holds one; a device's keys have had other names too. Numbers may
be texts ("numa_node": "-1" means none), and a list that would be empty is null.
"""

import json

from .cells import UNSUPPORTED, Missing
from .pcie import normal

# Neuron 2.34 takes the place of the first by the second
COMMANDS = (["neuron-ls", "-j"], ["neuron-ls", "--output-format", "json"])
_INDEX = ("neuron_device", "neuron_device_index", "device_index", "device_id")
_MOST_DEVICES, _DEPTH = 64, 4


class Device:
    """One Neuron device; `cores` are the ids by which programs and neuron-monitor know its cores."""

    __slots__ = ("address", "connected", "cores", "index", "memory", "numa", "processes", "runtime")

    def __init__(self, index: int, cores: "list[int]") -> None:
        self.index = index
        self.cores = cores
        self.address: "str | Missing" = UNSUPPORTED
        self.connected = []  # indexes of the devices at the other ends of its links
        self.memory: "int | Missing" = UNSUPPORTED  # bytes
        self.numa: "int | Missing" = UNSUPPORTED
        self.processes = []  # pids
        self.runtime = ""  # version of what they use


def parse(text: str) -> "list[Device]":
    """The devices, by index. Raises ValueError where the text tells of none."""
    rows = _rows(json.loads(text), _DEPTH)
    if not rows:
        raise ValueError("neuron-ls tells of no device")
    counts = [number(row.get("nc_count", row.get("neuroncore_count"))) for row in rows]
    return sorted((_device(row, count) for row, count in zip(rows, counts)), key=lambda device: device.index)


def _rows(root, depth: int) -> list:
    """The first list of objects that carry a device's number."""
    if isinstance(root, list):
        rows = [row for row in root if isinstance(row, dict) and _number_of(row) is not None]
        return rows[:_MOST_DEVICES]
    inner = root.values() if isinstance(root, dict) and depth else ()
    return next((rows for rows in (_rows(value, depth - 1) for value in inner) if rows), [])


def _number_of(row: dict) -> "int | None":
    return next((number(row[key]) for key in _INDEX if key in row), None)


def _device(row: dict, count: "int | None") -> Device:
    index = _number_of(row) or 0
    ids = row.get("neuroncore_ids")
    cores = [int(core) for core in ids] if ids else [index * (count or 0) + core for core in range(count or 0)]
    device = Device(index, cores)
    device.address = _address(row.get("bdf") or row.get("pci_bdf"))
    device.connected = [int(other) for other in row.get("connected_to") or row.get("connected_devices") or ()]
    device.memory = _known(number(row.get("memory_size")))
    device.numa = _known(number(row.get("numa_node")))
    for entry in row.get("neuron_processes") or ():
        add_process(device, number(entry.get("pid")), entry.get("neuron_runtime_version") or "")
    return device


def add_process(device: Device, pid: "int | None", version: str) -> None:
    """One that is listed with a device; those that don't use the runtime, as neuron-ls itself, have none ("NA")."""
    if pid is not None and version != "NA":
        device.processes.append(pid)
        device.runtime = max(device.runtime, version if version[:1].isdigit() else "")


def _address(text: "str | None") -> "str | Missing":
    try:
        return normal(text or "")
    except (ValueError, IndexError):
        return UNSUPPORTED


def number(value) -> "int | None":
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):  # the last one of a JSON "1e999"
        return None


def _known(value: "int | None") -> "int | Missing":
    return value if value is not None and value >= 0 else UNSUPPORTED
