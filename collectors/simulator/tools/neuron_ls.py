"""`neuron-ls` and the driver's files on nodes with Trainium: devices, their cores, memory, neighbours and programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from collectors.simulator.hardware import Shape
from collectors.simulator.machine import Machine
from collectors.simulator.topology import peer
from collectors.simulator.work import noise

PROGRAM = "neuron-ls"
CORES = 4  # logical ones of a device, two physical each
_ROOT = "/sys/devices/virtual/neuron_device/neuron"
_POWER_EVERY = 60.0  # seconds


def on(shape: Shape) -> bool:
    return shape.vendor == "aws"


def answer(machine: Machine, argv: list[str]) -> str:
    """With `-j`. Raises OSError."""
    if argv[1:] != ["-j"]:
        raise OSError(f"neuron-ls: unknown option {' '.join(argv[1:])}")
    return json.dumps([_device(machine, index) for index in range(len(machine.boards))])


def _device(machine: Machine, index: int) -> dict[str, Any]:
    shape, job = machine.plan.shape, machine.boards[index].job
    running = [] if job is None else [job.pid(machine.plan.index, index)]
    return {
        "neuron_device": index,
        "bdf": shape.address(index).removeprefix("0000:"),
        "numa_node": str(index * 2 // shape.boards),
        "connected_to": neighbours(shape, index),
        "nc_count": CORES,
        "logical_neuroncore_config": 2,
        "memory_size": shape.board.memory_bytes if shape.board else 0,
        "neuroncore_ids": cores(index),
        "neuron_processes": [
            {"pid": pid, "command": "python -u pretrain.py --...", "neuron_runtime_version": shape.runtime}
            for pid in running
        ],
    }


def cores(index: int) -> list[int]:
    return list(range(index * CORES, (index + 1) * CORES))


def neighbours(shape: Shape, index: int) -> list[int]:
    links = shape.board.links if shape.board else 0
    return [other for other in (peer(shape, index, link) for link in range(links)) if other is not None]


def files(machine: Machine) -> dict[str, Callable[[], str]]:
    made: dict[str, Callable[[], str]] = {"/sys/module/neuron/version": lambda: f"{machine.plan.shape.driver}\n"}
    for index in range(len(machine.boards)):
        for name, make in _sysfs(machine, index).items():
            made[f"{_ROOT}{index}/{name}"] = make
    return made


def _sysfs(machine: Machine, index: int) -> dict[str, Callable[[], str]]:
    shape = machine.plan.shape
    serial = int(noise(machine.plan.index, index, 9) * 2**48)
    connected = ", ".join(map(str, neighbours(shape, index)))
    return {
        "core_count": lambda: f"{CORES}\n",
        "connected_devices": lambda: f"{connected}\n",
        "info/serial_number": lambda: f"{serial:#x}\n",
        "info/architecture/device_name": lambda: f"{shape.board.model if shape.board else ''}\n",
        "stats/hardware/mem_ecc_uncorrected": lambda: "0\n",
        "stats/hardware/sram_ecc_uncorrected": lambda: "0\n",
        "stats/power/utilization": lambda: _power(machine, index),
    }


def _power(machine: Machine, index: int) -> str:
    """The board's power just now stands for the last minute's mean."""
    board, state = machine.plan.shape.board, machine.boards[index]
    share = 100 * state.power / board.power_limit if board else 0.0
    at = int(machine.time // _POWER_EVERY * _POWER_EVERY)
    return f"POWER_STATUS_VALID,{at},{share * 0.7:.2f},{min(100.0, share * 1.15):.2f},{share:.2f}\n"
