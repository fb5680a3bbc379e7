"""TPU hosts made of files, and what libtpu would answer on them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

from collectors.simulator.tpu_messages import attribute, attributes, gauge, histogram, response
from tests.support.worlds import FileWorld

GIB = 2**30
LOOPBACK = "127.0.0.1"
DUTY, USAGE, TOTAL = "tpu.runtime.tensorcore.dutycycle.percent", "tpu.runtime.hbm.memory.usage.bytes", ""
TOTAL = "tpu.runtime.hbm.memory.total.bytes"
QUEUE, TIMING = "hlo.queue.size.gauge", "hlo.execution.timing.distribution.microseconds"


class TpuHost(FileWorld):
    """Files, links and ports to connect to. `fds` {pid: paths that it has open, or an error}; `port` is where the one
    runtime of the host listens in truth, `serve` puts several at ports of their own."""

    def __init__(self, functions: Sequence[str], device: int, subsystem: int = 0, driver: str = "vfio-pci") -> None:
        super().__init__({})
        self.ports: dict[tuple[str, int], int] = {}  # host and port -> where that is in truth
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

    @property
    def port(self) -> int:
        return self.ports.get((LOOPBACK, 8431), 0)

    @port.setter
    def port(self, port: int) -> None:
        """Where the service at port 8431 listens in truth; 0: nowhere."""
        self.ports.pop((LOOPBACK, 8431), None)
        if port:
            self.ports[LOOPBACK, 8431] = port
        self._listen()

    def serve(self, at: int, port: int, pid: int = 0, inside: str = "") -> None:
        """A service at `at` is that of `port`; `pid` holds its socket; `inside`: address of the network of its own."""
        self.ports[inside or LOOPBACK, at] = port
        if pid:
            opened = self.fds[pid]
            assert not isinstance(opened, OSError)
            self.fds[pid] = [*opened, f"socket:[{_inode(at, pid if inside else 0)}]"]
        if inside:
            self.links[f"/proc/{pid}/ns/net"] = f"net:[{pid}]"
            self.files[f"/proc/{pid}/net/tcp"] = _table([at], pid)
            self.files[f"/proc/{pid}/net/fib_trie"] = f"  |-- {inside}\n     /32 host LOCAL\n"
        self._listen()

    def _listen(self) -> None:
        self.files["/proc/net/tcp"] = _table([port for host, port in self.ports if host == LOOPBACK])

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

    def connect(self, port: int, timeout_seconds: float, host: str = LOOPBACK) -> Any:
        if (host, port) not in self.ports:
            raise ConnectionRefusedError(111, "Connection refused")
        return socket.create_connection((LOOPBACK, self.ports[host, port]), timeout_seconds)

    def which(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def run(self, argv: list[str], timeout_seconds: float) -> tuple[int, str, str]:
        return self.programs[argv[0].rpartition("/")[2]](argv)


def _inode(port: int, network: int) -> int:
    return 100_000 * (network + 1) + port


def _table(ports: Sequence[int], network: int = 0) -> str:
    """/proc/net/tcp with these that listen on every address."""
    rows = [f"  0: 00000000:{port:04X} 00000000:0000 0A 0:0 00:0 0 1000 0 {_inode(port, network)} 1" for port in ports]
    return "\n".join(["  sl  local_address rem_address st tx rx tr tm retr uid timeout inode", *rows]) + "\n"


def answers(ids: Sequence[int], cores: int = 1, texts: bool = True, load: float = 10.0) -> Callable[[str], bytes]:
    """A runtime that tells of chips with these ids, each with that many cores; `texts`: as newer versions write ids;
    `load`: of the first chip, in percent, the others have as many times as much."""
    places = [number * cores + core for number in ids for core in range(cores)]

    def ordinal(number: int) -> bytes:
        return attributes({"device_ordinal": str(number) if texts else number, "core_type": "TensorCore"})

    told = {
        DUTY: [gauge(attribute("device-id", number), load * (rank + 1)) for rank, number in enumerate(ids)],
        USAGE: [gauge(attribute("device-id", place), (rank + 1) * GIB) for rank, place in enumerate(places)],
        TOTAL: [gauge(attribute("device-id", place), 16 * GIB) for place in places],
        QUEUE: [gauge(ordinal(place), rank) for rank, place in enumerate(places)],
        TIMING: [histogram(ordinal(place), [0, 0, 0, 98, 2, 0], 2.0, 1000.0) for place in places],
    }
    return lambda name: response(name, told[name])
