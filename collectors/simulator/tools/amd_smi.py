"""amd-smi of ROCm 7 on nodes with AMD boards: what it answers with --json."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from collectors.simulator import links as xgmi
from collectors.simulator.board_physics import HARD_THERMAL, POWER_CAP, SOFT_THERMAL
from collectors.simulator.hardware import MIB, Shape
from collectors.simulator.machine import Machine
from collectors.simulator.tools import amdgpu
from collectors.simulator.topology import peer

PROGRAM = "amd-smi"

Entry = dict[str, Any]
_KIB = 1024
_GIGABIT = 125_000_000  # bytes
_COOLER = 6  # °C that the memory is below the hot spot


def on(shape: Shape) -> bool:
    return shape.vendor == "amd"


def answer(machine: Machine, argv: list[str]) -> str:
    """Raises OSError, in the words of the tool, for what is not simulated."""
    command = next((word for word in argv[1:] if not word.startswith("-")), "")
    if "--json" not in argv or command not in _COMMANDS:
        raise OSError(f"AmdSmiInvalidCommandException: Command '{command}' is invalid. Run '--help' for more info.")
    wrap, entry = _COMMANDS[command]
    entries = [{"gpu": index, **entry(machine, index)} for index in range(machine.plan.shape.boards)]
    return json.dumps({wrap: entries} if wrap else entries, indent=4) + "\n"


def _value(value: float | str, unit: str) -> Entry:
    return {"value": value, "unit": unit}


def _listed(machine: Machine, index: int) -> Entry:
    unique = f"{amdgpu.unique_id(machine, index):016x}"
    board = machine.plan.shape.board
    assert board is not None
    return {
        "bdf": machine.plan.shape.address(index),
        "uuid": f"{unique[:2]}ff{board.pci_device:04x}-0000-1000-80{unique[2:4]}-{unique[4:]}",
        "kfd_id": amdgpu.gpu_id(machine, index),
        "node_id": index + 2,
        "partition_id": 0,
    }


def _static(machine: Machine, index: int) -> Entry:
    shape = machine.plan.shape
    board = shape.board
    assert board is not None
    watts = _value(int(board.power_limit), "W")
    return {
        "asic": {
            "market_name": board.model,
            "vendor_id": "0x1002",
            "device_id": f"0x{board.pci_device:04x}",
            "asic_serial": f"0x{amdgpu.unique_id(machine, index):016X}",
        },
        "bus": {"bdf": shape.address(index), "max_pcie_width": 16, "max_pcie_speed": _value(32, "GT/s")},
        "ifwi": {"part_number": "113-M3000100-102", "version": board.vbios},
        "limit": {"ppt0": {"max_power_limit": watts, "min_power_limit": _value(0, "W"), "socket_power_limit": watts}},
        "driver": {"name": "amdgpu", "version": shape.driver},
        "board": {"model_number": board.part, "product_serial": "N/A"},
        "partition": {"accelerator_partition": "SPX", "memory_partition": "NPS1", "partition_id": 0},
        "vram": {"type": "HBM3", "size": _value(board.memory_bytes // MIB, "MB")},
    }


def _metric(machine: Machine, index: int) -> Entry:
    board, state = machine.plan.shape.board, machine.boards[index]
    assert board is not None
    total, used = board.memory_bytes // MIB, (board.reserved_bytes + int(state.memory_used)) // MIB
    return {
        "usage": {"gfx_activity": _value(round(state.util), "%"), "umc_activity": _value(round(state.mem_util), "%")},
        "power": {"socket_power": _value(round(state.power), "W"), "throttle_status": "N/A"},
        "clock": {"gfx_0": {"clk": _value(round(state.clock_sm), "MHz"), "max_clk": _value(board.clock_sm, "MHz")}},
        "temperature": {"edge": "N/A", "hotspot": _value(round(state.temp), "C"),
                        "mem": _value(round(state.temp) - _COOLER, "C")},
        "pcie": {"width": 16, "speed": _value(32, "GT/s"), "replay_count": 0},
        "ecc": {"total_correctable_count": int(machine.now(state.ecc_corrected)), "total_uncorrectable_count": 0},
        "energy": {"total_energy_consumption": _value(round(machine.now(state.energy), 3), "J")},
        "mem_usage": {"total_vram": _value(total, "MB"), "used_vram": _value(used, "MB")},
        "throttle": _throttle(machine, index),
    }  # fmt: skip


def _throttle(machine: Machine, index: int) -> Entry:
    state = machine.boards[index]
    hot = state.throttle & (SOFT_THERMAL | HARD_THERMAL)
    return {
        "ppt_accumulated": int(1000 * machine.now(state.short_of_power)),
        "ppt_violation_status": "ACTIVE" if state.throttle & POWER_CAP else "NOT ACTIVE",
        "socket_thermal_accumulated": int(1000 * machine.now(state.too_hot)),
        "socket_thermal_violation_status": "ACTIVE" if hot else "NOT ACTIVE",
    }


def _processes(machine: Machine, index: int) -> Entry:
    state = machine.boards[index]
    if state.job is None:
        return {"process_list": [{"process_info": "No running processes detected"}]}
    used = _value(int(state.memory_used), "B")
    pid = state.job.pid(machine.plan.index, index)
    return {"process_list": [{"process_info": {"name": "python3", "pid": pid, "memory_usage": {"vram_mem": used}}}]}


def _xgmi(machine: Machine, index: int) -> Entry:
    shape = machine.plan.shape
    board = shape.board
    assert board is not None
    ends = [(link, other) for link in range(board.links) for other in [peer(shape, index, link)] if other is not None]
    told = [
        {"gpu": other, "bdf": shape.address(other), "read": moved, "write": moved}
        for link, other in ends
        for moved in [_value(int(xgmi.transferred(machine, index, link)) // _KIB, "KB")]
    ]
    speed = _value(int(board.link_speed / _GIGABIT), "Gb/s")
    metrics = {"bit_rate": _value(32, "Gb/s"), "max_bandwidth": speed, "link_type": "XGMI", "links": told}
    return {"bdf": shape.address(index), "link_metrics": metrics}


# command -> what its list stands under ("" where it is the document), and what makes an entry
_COMMANDS: dict[str, tuple[str, Callable[[Machine, int], Entry]]] = {
    "list": ("", _listed),
    "static": ("gpu_data", _static),
    "metric": ("gpu_data", _metric),
    "process": ("", _processes),
    "xgmi": ("xgmi_metric", _xgmi),
}
