"""`neuron-monitor` on nodes with Trainium: a record of all groups every five seconds."""

from __future__ import annotations

import json
from typing import Any

from collectors.simulator.hardware import Shape
from collectors.simulator.machine import Machine
from collectors.simulator.tools.neuron_ls import CORES, cores

PROGRAM = "neuron-monitor"
PERIOD = 5.0
_SHARES = (1.0, 0.97, 0.99, 0.95)  # of the board's load, by core


def on(shape: Shape) -> bool:
    return shape.vendor == "aws"


def lines(machine: Machine) -> str:
    held = [index for index, board in enumerate(machine.boards) if board.job is not None]
    return json.dumps({
        "neuron_runtime_data": [_program(machine, index) for index in held],
        "system_data": {"neuron_hw_counters": _counters(machine)},
        "instance_info": {"instance_type": "trn2.48xlarge", "error": ""},
        "neuron_hardware_info": {
            "neuron_device_type": "trainium2",
            "neuroncore_version": "v3d",
            "neuron_device_count": len(machine.boards),
            "neuron_device_memory_size": machine.plan.shape.board.memory_bytes if machine.plan.shape.board else 0,
            "neuroncore_per_device_count": CORES,
            "logical_neuroncore_config": 2,
            "error": "",
        },
    })  # fmt: skip


def _program(machine: Machine, index: int) -> dict[str, Any]:
    job = machine.boards[index].job
    pid = job.pid(machine.plan.index, index) if job else 0
    groups = {
        "execution_stats": _executions(machine, index),
        "memory_used": _memory(machine, index),
        "neuroncore_counters": {"neuroncores_in_use": _load(machine, index)},
    }
    report = {name: {"period": PERIOD, **group, "error": ""} for name, group in groups.items()}
    return {"pid": pid, "neuron_runtime_tag": str(pid), "error": "", "report": report}


def _load(machine: Machine, index: int) -> dict[str, Any]:
    util = machine.boards[index].util
    return {
        str(core): {"neuroncore_utilization": round(util * share, 2)}
        for core, share in zip(cores(index), _SHARES, strict=True)
    }


def _memory(machine: Machine, index: int) -> dict[str, Any]:
    used = int(machine.boards[index].memory_used)
    each = {"constants": used // CORES // 8, "model_code": 0, "tensors": used // CORES - used // CORES // 8}
    return {
        "neuron_runtime_used_bytes": {
            "host": 0,
            "neuron_device": used,
            "usage_breakdown": {"neuroncore_memory_usage": {str(core): each for core in cores(index)}},
        }
    }


def _executions(machine: Machine, index: int) -> dict[str, Any]:
    """An execution takes a quarter of a step of the job; none runs while it loads or saves."""
    board = machine.boards[index]
    step = board.job.kind.step_seconds / 4 if board.job and board.util > 10 else 0.0
    latency = {"p0": step * 0.97, "p50": step, "p99": step * 1.06, "p100": step * 1.1} if step else None
    failures = dict.fromkeys(("completed_with_err", "completed_with_num_err", "timed_out", "failed_to_queue"), 0)
    return {
        "error_summary": dict.fromkeys(("generic", "numerical", "transient", "model", "runtime", "hardware"), 0),
        "execution_summary": {"completed": int(PERIOD / step) if step else 0, **failures},
        "latency_stats": {"total_latency": latency, "device_latency": latency},
    }


def _counters(machine: Machine) -> dict[str, Any]:
    rows = [
        {
            "neuron_device_index": index,
            "mem_ecc_corrected": int(machine.now(board.ecc_corrected)),
            "mem_ecc_uncorrected": 0,
            "sram_ecc_corrected": 0,
            "sram_ecc_uncorrected": 0,
        }
        for index, board in enumerate(machine.boards)
    ]
    return {"period": PERIOD, "neuron_devices": rows, "error": ""}
