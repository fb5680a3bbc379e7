"""Neuron nodes made of files and of what neuron-ls and neuron-monitor print."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.worlds import FileWorld

GIB = 2**30
ROOT = "/sys/devices/virtual/neuron_device"
TWO = [
    {"neuron_device": 0, "bdf": "cc:00.0", "numa_node": "1", "connected_to": [1], "nc_count": 4,
     "logical_neuroncore_config": 2, "memory_size": 96 * GIB, "neuroncore_ids": [0, 1, 2, 3],
     "neuron_processes": [{"pid": 4711, "command": "python train.py", "neuron_runtime_version": "2.26.42.0"},
                          {"pid": 4712, "command": "neuron-ls", "neuron_runtime_version": "NA"}]},
    {"neuron_device": 1, "bdf": "0000:b5:00.0", "numa_node": "-1", "connected_to": [0], "nc_count": 4,
     "memory_size": 96 * GIB, "neuroncore_ids": [4, 5, 6, 7], "neuron_processes": []},
]  # fmt: skip


class Printed:
    """A program's lines, as many as there are just now; `ended` once it has ended."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ended = ""
        self.closed = False

    def line(self, timeout_seconds: float) -> str:
        if not self.lines and self.ended:
            raise EOFError(self.ended)
        return self.lines.pop(0) if self.lines else ""

    def close(self) -> None:
        self.closed = True


class NeuronHost(FileWorld):
    """`listed` is what neuron-ls prints by its options, `monitor` the running neuron-monitor; None: not installed."""

    def __init__(self, addresses: Sequence[str], device: int = 0x7364) -> None:
        super().__init__({})
        self.listed: Mapping[str, str] | None = {"-j": json.dumps(TWO)}
        self.monitor: Printed | None = Printed()
        self.started = 0
        for address in addresses:
            self.files[f"/sys/bus/pci/devices/{address}/uevent"] = f"PCI_CLASS=88000\nPCI_ID=1D0F:{device:04X}\n"

    def sysfs(self, index: int, **texts: str) -> None:
        """Files of one device; `__` in a name stands for `/`."""
        for name, text in texts.items():
            self.files[f"{ROOT}/neuron{index}/{name.replace('__', '/')}"] = text

    def readlink(self, path: str) -> str:
        raise FileNotFoundError(path)

    def which(self, program: str) -> str | None:
        there = {"neuron-ls": self.listed, "neuron-monitor": self.monitor}[program]
        return None if there is None else f"/opt/aws/neuron/bin/{program}"

    def run(self, argv: list[str], timeout_seconds: float) -> tuple[int, str, str]:
        assert self.listed is not None and argv[0] == "neuron-ls"
        out = self.listed.get(" ".join(argv[1:]), "")
        return (0, out, "") if out else (1, "", "no neuron device found")

    def start(self, argv: list[str]) -> Any:
        assert self.monitor is not None and argv == ["neuron-monitor"]
        self.started += 1
        return self.monitor


def program(
    pid: int, cores: Mapping[int, float], memory: int = GIB, failed: int = 0, late: float | None = 0.011
) -> Any:
    """The part of one program in a record: `cores` with their load in percent, and `memory` bytes on each."""
    percentiles = None if late is None else {"p50": late / 2, "p99": late}
    return {
        "pid": pid,
        "error": "",
        "report": {
            "execution_stats": {
                "error_summary": {"generic": 0},
                "execution_summary": {"completed": 100, "completed_with_err": failed, "timed_out": 0},
                "latency_stats": {"total_latency": percentiles, "device_latency": None},
                "error": "",
            },
            "memory_used": {
                "neuron_runtime_used_bytes": {
                    "host": 5,
                    "neuron_device": memory * len(cores),
                    "usage_breakdown": {
                        "neuroncore_memory_usage": {
                            str(core): {"constants": memory // 2, "tensors": memory - memory // 2} for core in cores
                        }
                    },
                },
                "error": "",
            },
            "neuroncore_counters": {
                "neuroncores_in_use": {
                    str(core): {"neuroncore_utilization": load, "flops": 1} for core, load in cores.items()
                },
                "error": "",
            },
        },
    }


def record(*programs: Any, **system: Any) -> str:
    """One line of neuron-monitor; `system` are the groups of the machine."""
    return json.dumps({
        "neuron_runtime_data": list(programs) or None,
        "system_data": system or None,
        "instance_info": {"instance_type": "trn2.48xlarge", "error": ""},
        "neuron_hardware_info": {"neuron_device_count": 2, "neuroncore_per_device_count": 4, "error": ""},
    })  # fmt: skip


def counters(*rows: tuple[int, int, int]) -> Any:
    """The group neuron_hw_counters: corrected, uncorrected of memory and uncorrected of SRAM, by device."""
    names = ("mem_ecc_corrected", "mem_ecc_uncorrected", "sram_ecc_uncorrected")
    return {
        "period": 5.0,
        "neuron_devices": [
            {"neuron_device_index": index, **dict(zip(names, row, strict=True))} for index, row in enumerate(rows)
        ],
        "error": "",
    }
