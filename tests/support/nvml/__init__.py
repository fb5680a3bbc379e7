"""A real libnvidia-ml.so.1 without a GPU: compiled from nvml.c, driven live by a Scenario.

folder = build(tmp_path)                      # skips the test where there is no compiler (fails with CI=true)
scenario = Scenario(tmp_path / "scenario")    # 8 healthy GPUs
scenario.gpus(8)
subprocess.run([...], env=scenario.environment(folder))
scenario.set("gpu.3.temp", 91)                # a running program sees it at its next call
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

NOT_SUPPORTED, NO_PERMISSION, UNKNOWN = "!3", "!4", "!999"
_SOURCE = Path(__file__).with_name("nvml.c")
_SIZE = 1 << 20  # MAPPED in nvml.c
_GIB = 1 << 30


def build(folder: Path) -> Path:
    """Compile the library into `folder`, and return that folder: a value for LD_LIBRARY_PATH."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no C compiler: install gcc")
        pytest.skip("no C compiler for the NVML library of the tests")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "libnvidia-ml.so.1"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1"]
    subprocess.run([compiler, *flags, "-o", target, _SOURCE, "-lpthread"], check=True)
    return folder


class Scenario:
    """The keys and values that the library answers with; each `set` or `remove` is seen at once by running programs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._values: dict[str, str] = {}
        self._generation = 0
        path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _SIZE)
        self.set_all({"system.driver": "580.95.05", "system.nvml": "13.580.95.05", "system.cuda": 13000})

    def environment(self, folder: Path) -> dict[str, str]:
        """The environment of a program that is to find the library in `folder`."""
        return {**os.environ, "LD_LIBRARY_PATH": str(folder), "NVML_SCENARIO": str(self.path)}

    def set(self, key: str, value: object) -> None:
        self.set_all({key: value})

    def set_all(self, values: dict[str, object]) -> None:
        """Change several keys in one instant."""
        self._values.update((key, str(value)) for key, value in values.items())
        self._write()

    def remove(self, *keys: str) -> None:
        """Without a key the call answers NOT_SUPPORTED; "….hang" and "….lost" end with it."""
        for key in keys:
            self._values.pop(key, None)
        self._write()

    def remove_below(self, prefix: str) -> None:
        self.remove(*[key for key in self._values if key.startswith(prefix)])

    def seconds_inside(self) -> float:
        """Time that programs have spent in the library: what a driver would cost them."""
        return struct.unpack_from("Q", self._memory, _SIZE - 8)[0] / 1e9

    def _write(self) -> None:
        text = "\n".join(f"{key}={value}" for key, value in self._values.items()).encode()
        self._generation += 2
        struct.pack_into("QQ", self._memory, 0, self._generation - 1, len(text))
        self._memory[16 : 16 + len(text)] = text
        struct.pack_into("Q", self._memory, 0, self._generation)

    def gpus(self, count: int, nvlinks: int = 18) -> None:
        """Healthy H100-like boards, GPU-0… with `nvlinks` links each."""
        values: dict[str, object] = {"system.count": count}
        for gpu in range(count):
            values.update({f"gpu.{gpu}.{name}": value for name, value in board(gpu, nvlinks).items()})
        self.set_all(values)

    def mig(self, gpu: int, slices: int) -> None:
        """Partition a GPU: its own utilisation is no longer supported, its instances have memory and processes."""
        values: dict[str, object] = {
            f"gpu.{gpu}.mig_mode": 1,
            f"gpu.{gpu}.mig_max": 7,
            f"gpu.{gpu}.util": NOT_SUPPORTED,
        }
        for index in range(slices):
            values.update({f"gpu.{gpu}.mig.{index}.{name}": value for name, value in instance(gpu, index).items()})
        self.set_all(values)

    def xid(self, gpu: int, code: int) -> None:
        """An XID event."""
        self.event(gpu, 0x8, code)

    def event(self, gpu: int, kind: int, data: int = 0, instance: int | None = None) -> None:
        """An event of nvml.h's nvmlEventType*, of a GPU or of one of its MIG instances."""
        events = int(self._values.get(f"gpu.{gpu}.events", "0"))
        told = {"events": events + 1, "event.kind": kind, "event.data": data, "event.instance": instance}
        self._values.pop(f"gpu.{gpu}.event.instance", None)
        self.set_all({f"gpu.{gpu}.{name}": value for name, value in told.items() if value is not None})
        os.utime(self.path)  # wakes who waits for events


def uuid(gpu: int) -> str:
    return f"GPU-{gpu:08x}-0000-4000-8000-000000000000"


def mig_uuid(gpu: int, index: int) -> str:
    return f"MIG-{gpu:08x}-{index:04x}-5000-8000-000000000000"


def board(gpu: int, nvlinks: int) -> dict[str, object]:
    """The keys of one GPU; counters run by themselves ("base+rate/s")."""
    links = {
        f"nvlink.{link}.{name}": value
        for link in range(nvlinks)
        for name, value in (
            *(("up", 1), ("crc", 0), ("replay", link), ("recovery", 0)),
            *(("peer", "00000000:C1:00.0"), ("peer_kind", 2), ("version", 7)),
        )
    }
    traffic = {
        f"field.{field}.{link}": f"{1000 * link}+{1000 * (link + 1)}/s"
        for field in (138, 139)
        for link in range(nvlinks)
    }
    speeds = {f"field.164.{link}": 26562 for link in range(nvlinks)}
    return {**_IDENTITY, **_LIVE, **_HEALTH, **links, **traffic, **speeds, **_fields(nvlinks), **_own(gpu)}


def instance(gpu: int, index: int) -> dict[str, object]:
    """The keys of one MIG instance."""
    return {
        "name": "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "uuid": mig_uuid(gpu, index),
        "mem_total": 10 * _GIB,
        "mem_used": (index + 1) * _GIB,
        "mem_reserved": 0,
    }


def _own(gpu: int) -> dict[str, object]:
    """What tells one board from the next."""
    return {
        "uuid": uuid(gpu),
        "serial": f"16529230{gpu:05d}",
        "bus_id": f"00000000:{0x19 + 16 * gpu:02X}:00.0",
        "minor": gpu,
        "temp": 40 + gpu,
        "energy": f"{1_000_000 * (gpu + 1)}+350000/s",
    }


def _fields(nvlinks: int) -> dict[str, object]:
    """Field values: memory temperature, PCIe bytes (TX, RX), recovery action, and the NVLinks as one."""
    found: dict[str, object] = {
        "field.74": "2000000000",
        "field.75": "0",
        "field.82": 52,
        "field.197": "5000+2000000/s",
        "field.198": "7000+3000000/s",
        "field.230": 0,
    }
    if nvlinks:
        found.update({"field.91": nvlinks, "field.138": "1000+50000/s", "field.139": "1000+60000/s"})
    return found


_IDENTITY = {
    "name": "NVIDIA H100 80GB HBM3",
    "vbios": "96.00.74.00.11",
    "board": "692-2G520-0200-000",
    "architecture": 9,
    "capability_major": 9,
    "capability_minor": 0,
    "power_min": 200_000,
    "power_max": 700_000,
    "clock_graphics_max": 1980,
    "clock_sm_max": 1980,
    "clock_mem_max": 2619,
    "clock_video_max": 1545,
    "pcie_gen_max": 5,
    "pcie_width_max": 16,
    "bar1_total": 128 * _GIB,
}
_LIVE = {
    "util": 97,
    "mem_util": 61,
    "mem_total": 80 * _GIB,
    "mem_used": 60 * _GIB,
    "mem_reserved": _GIB // 2,
    "temp_margin": 40,
    "power": 652_310,
    "power_limit": 700_000,
    "clock_graphics": 1755,
    "clock_sm": 1755,
    "clock_mem": 2619,
    "clock_video": 1365,
    "clock_graphics_app": 1980,
    "clock_mem_app": 2619,
    "throttle": 0,
    "pstate": 0,
    "encoder": 0,
    "decoder": 0,
    "sampling": 100_000,
    "gpm": 1,
    "gpm.2": 88,
    "gpm.3": 41,
    "gpm.5": 62,
    "gpm.10": 57,
}
_HEALTH = {
    "pcie_gen": 5,
    "pcie_width": 16,
    "pcie_replays": 3,
    "ecc_mode": 1,
    "ecc_corrected": 2,
    "ecc_uncorrected": 0,
    "ecc_corrected_total": 12,
    "ecc_uncorrected_total": 1,
    "rows_corrected": 1,
    "rows_uncorrected": 0,
    "rows_pending": 0,
    "rows_failed": 0,
    "sram_parity": 0,
    "sram_secded": 2,
    "sram_corrected": 5,
    "sram_over": 0,
    "repair_channel": 0,
    "repair_tpc": 0,
    "fabric": 3,
    "fabric_cluster": "00" * 16,
    "fabric_clique": 0,
    "fabric_state": 3,
    "fabric_health": 0x01AA,
    "event_kinds": 0xFE0A,
    "persistence": 1,
    "display": 0,
    "compute_mode": 0,
    "mig_mode": 0,
    "mig_max": 7,
}
