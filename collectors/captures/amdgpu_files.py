"""Files that somebody copied from the drivers amdgpu and kfd: of a board's folder, of the topology, of debugfs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from collectors.captures import Capture, Refused, _amd
from collectors.probe import amd_board, amd_identity, amd_kfd, pcie
from collectors.probe.cells import Missing
from watchfloor.report import Software

MATCHES = "copies of amdgpu's files: card*/device/*, kfd/topology/nodes/*, amdgpu_firmware_info"

_DEVICE = re.compile(r"/(card\d+)/device/(.+)$")
_NODE = re.compile(r"nodes/(\d+)/(?:(io_links|p2p_links|mem_banks|caches)/(\d+)/)?properties$")
_FIRMWARE = re.compile(r"^(\w[\w ]*?) feature version: \d+, firmware version: (0x[0-9a-f]+)", re.M)
_PCI_ID = re.compile(r"^PCI_ID=1002:", re.M)


def matches(name: str, head: str) -> bool:
    place = name.replace("\\", "/")
    return bool(_DEVICE.search(place) or _FIRMWARE.search(head)) or (
        _NODE.search(place) is not None and head.startswith(("cpu_cores_count ", "type ", "heap_type ", "processor_id"))
    )


def read(name: str, text: str) -> Capture:
    place = name.replace("\\", "/")
    node, device = _NODE.search(place), _DEVICE.search(place)
    if node is not None:
        return _of_node(int(node.group(1)), node.group(2), int(node.group(3) or 0), amd_kfd.parse_properties(text))
    if device is not None:
        return _of_device(device.group(1), device.group(2), text.strip())
    return Capture("amdgpu_firmware_info", stack=tuple(_firmware(text)))


def _firmware(text: str) -> list[Software]:
    """A version of 0 stands for a part that the board doesn't have."""
    return [
        Software("firmware", name.lower(), version, where="amdgpu_firmware_info")
        for name, version in _FIRMWARE.findall(text)
        if int(version, 16)
    ]


def _of_device(card: str, file: str, text: str) -> Capture:
    read_cells = _FILES.get(file.rpartition("/")[2])
    if read_cells is None:
        raise Refused("amdgpu: a file of the device that tells nothing of the vocabulary")
    cells = read_cells(text) if text else {}
    told = {name: value for name, value in cells.items() if not isinstance(value, Missing)}
    if not told:
        raise Refused("amdgpu: the file of the device holds no value")
    return Capture(f"amdgpu {file}", {"accelerator": {card: {"name": card, **told}}})


def _of_node(number: int, inner: str | None, index: int, properties: dict[str, int]) -> Capture:
    if inner == "io_links":
        return _of_link(number, index, properties)
    if inner is not None:
        raise Refused(f"kfd topology: {inner} are neither accelerators nor links")
    address = amd_kfd.address(properties)
    if not address:
        raise Refused("kfd topology: the node is a processor")
    unique, clock, hive = (properties.get(name, 0) for name in ("unique_id", "max_engine_clk_fcompute", "hive_id"))
    cells: dict[str, Any] = {"name": f"node{number}", "vendor": "AMD", "bus_id": address}
    cells.update({"uuid": f"GPU-{unique:016x}"} if unique else {})
    cells.update({"clock_sm_max": clock} if clock else {})
    cells.update({"fabric": f"hive {hive:016x}"} if hive else {})
    return Capture("kfd topology", {"accelerator": {_amd.key_of(cells, f"node{number}"): cells}})


def _of_link(number: int, index: int, properties: dict[str, int]) -> Capture:
    try:
        link = amd_kfd.link(properties)
    except KeyError as error:
        raise Refused(f"kfd topology: a link without {error}") from error
    kind = {2: "pcie", 11: "xgmi"}.get(properties["type"])
    if kind is None:
        raise Refused(f"kfd topology: a link of type {properties['type']}, within processors")
    row: dict[str, Any] = {"name": f"node{number}/{kind}{index}", "kind": kind, "accelerator": f"node{number}"}
    row.update(peer=f"node{link.to}", up=int(link.enabled))
    if link.speed:
        row["speed_max"] = link.speed
    return Capture("kfd topology", {"link": {f"{kind}:node{number}:{index}": row}})


def _whole(name: str, scale: float = 1) -> Callable[[str], dict[str, Any]]:
    return lambda text: {name: round(int(text) / scale)} if text.lstrip("-").isdigit() else {}


def _words(name: str) -> Callable[[str], dict[str, Any]]:
    return lambda text: {name: text}


def _identity_of(text: str) -> dict[str, Any]:
    return {"uuid": amd_identity.uuid_of(text)} if int(text, 16) else {}


def _uevent(text: str) -> dict[str, Any]:
    if not _PCI_ID.search(text):
        return {}
    facts = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {"vendor": "AMD", "bus_id": facts.get("PCI_SLOT_NAME", "")}


def _errors(text: str) -> dict[str, Any]:
    uncorrected, corrected = amd_board.error_count(text)
    return {"ecc_uncorrected": uncorrected, "ecc_corrected": corrected}


# file of a board's folder -> its cells
_FILES: dict[str, Callable[[str], dict[str, Any]]] = {
    "gpu_busy_percent": _whole("util"),
    "mem_busy_percent": _whole("mem_util"),
    "mem_info_vram_total": _whole("mem_total"),
    "mem_info_vram_used": _whole("mem_used"),
    "pcie_replay_count": _whole("pcie_replays"),
    "unique_id": _identity_of,
    "product_name": _words("model"),
    "product_number": _words("board"),
    "serial_number": _words("serial"),
    "vbios_version": _words("firmware"),
    "uevent": _uevent,
    "vendor": lambda text: {"vendor": "AMD"} if text == "0x1002" else {},
    "current_link_width": _whole("pcie_width"),
    "max_link_width": _whole("pcie_width_max"),
    "current_link_speed": lambda text: {"pcie_gen": pcie.generation(pcie.parse_rate(text))},
    "max_link_speed": lambda text: {"pcie_gen_max": pcie.generation(pcie.parse_rate(text))},
    "pp_dpm_sclk": lambda text: {"clock_sm": current_level(text), "clock_sm_max": amd_board.highest_level(text)},
    "pp_dpm_mclk": lambda text: {"clock_mem": current_level(text), "clock_mem_max": amd_board.highest_level(text)},
    "current_compute_partition": _words("profile"),
    "power1_average": _whole("power", 1e6),
    "power1_input": _whole("power", 1e6),
    "power1_cap": _whole("power_limit", 1e6),
    "power1_cap_max": _whole("power_max", 1e6),
    "power1_cap_min": _whole("power_min", 1e6),
    "umc_err_count": _errors,
}


def current_level(text: str) -> int | Missing:
    """MHz of the level that a star marks."""
    return amd_board.highest_level("\n".join(line for line in text.splitlines() if line.rstrip().endswith("*")))
