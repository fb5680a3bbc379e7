"""TPU hosts made of files, and what libtpu would answer on them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

from collectors.simulator.tpu_messages import attribute, attributes, gauge, histogram, response
from tests.support.worlds import FileWorld

GIB = 2**30
DUTY, USAGE, TOTAL = "tpu.runtime.tensorcore.dutycycle.percent", "tpu.runtime.hbm.memory.usage.bytes", ""
TOTAL = "tpu.runtime.hbm.memory.total.bytes"
QUEUE, TIMING = "hlo.queue.size.gauge", "hlo.execution.timing.distribution.microseconds"


class TpuHost(FileWorld):
    """Files, links and a port to connect to. `fds` {pid: paths that it has open, or an error}."""

    def __init__(self, functions: Sequence[str], device: int, subsystem: int = 0, driver: str = "vfio-pci") -> None:
        super().__init__({})
        self.port = 0  # where the runtime's service listens; 0: nowhere
        self.links: dict[str, str] = {}
        self.fds: dict[int, Sequence[str] | OSError] = {}
        self.programs: dict[str, Callable[[list[str]], tuple[int, str, str]]] = {}
        for number, address in enumerate(functions):
            folder = f"/sys/bus/pci/devices/{address}"
            self.files[f"{folder}/uevent"] = (
                f"DRIVER={driver}\nPCI_CLASS=FF0000\nPCI_ID=1AE0:{device:04X}\nPCI_SUBSYS_ID=1AE0:{subsystem:04X}\n"
            )
            self.files[f"{folder}/numa_node"] = f"{number * 2 // len(functions)}\n"
            self.links[f"{folder}/iommu_group"] = f"../../../../kernel/iommu_groups/{number}"

    def readlink(self, path: str) -> str:
        if path.startswith("/proc/") and "/fd/" in path:
            _, _, pid, _, number = path.split("/")
            opened = self.fds[int(pid)]
            assert not isinstance(opened, OSError)
            return opened[int(number)]
        try:
            return self.links[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def listdir(self, path: str) -> list[str]:
        if path == "/proc":
            return [*map(str, self.fds), "uptime"]
        if path.startswith("/proc/") and path.endswith("/fd"):
            opened = self.fds[int(path.split("/")[2])]
            if isinstance(opened, OSError):
                raise opened
            return [str(number) for number in range(len(opened))]
        return super().listdir(path)

    def thread_cpu(self) -> float:
        return 0.0

    def connect(self, port: int, timeout_seconds: float, host: str = "127.0.0.1") -> Any:
        assert port == 8431
        if not self.port:
            raise ConnectionRefusedError(111, "Connection refused")
        return socket.create_connection(("127.0.0.1", self.port), timeout_seconds)

    def which(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def run(self, argv: list[str], timeout_seconds: float) -> tuple[int, str, str]:
        return self.programs[argv[0].rpartition("/")[2]](argv)


def answers(ids: Sequence[int], cores: int = 1, texts: bool = True) -> Callable[[str], bytes]:
    """A runtime that tells of chips with these ids, each with that many cores; `texts`: as newer versions write ids."""
    places = [number * cores + core for number in ids for core in range(cores)]

    def ordinal(number: int) -> bytes:
        return attributes({"device_ordinal": str(number) if texts else number, "core_type": "TensorCore"})

    told = {
        DUTY: [gauge(attribute("device-id", number), 10.0 * (rank + 1)) for rank, number in enumerate(ids)],
        USAGE: [gauge(attribute("device-id", place), (rank + 1) * GIB) for rank, place in enumerate(places)],
        TOTAL: [gauge(attribute("device-id", place), 16 * GIB) for place in places],
        QUEUE: [gauge(ordinal(place), rank) for rank, place in enumerate(places)],
        TIMING: [histogram(ordinal(place), [0, 0, 0, 98, 2, 0], 2.0, 1000.0) for place in places],
    }
    return lambda name: response(name, told[name])
