"""/proc and /sys of a simulated node, as text, made when it is read. Pure: of (machine, path)."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from functools import cached_property

from collectors.simulator import pci_files, port_files, process_software
from collectors.simulator.machine import Machine
from collectors.simulator.process_files import Processes, missing
from collectors.simulator.process_software import ProcessSoftware
from collectors.simulator.tools import tools

KIB = 1024
GIB = 2**30
_HERTZ = 100
_SECTOR = 512
_MOUNTS = (("/dev/md0", "/", "ext4", 1.8e12, 0.31), ("/dev/md1", "/raid", "xfs", 30.7e12, 0.62))
_DISKS = ("nvme0n1", "nvme1n1", "nvme2n1", "nvme3n1")


class Files:
    """Files of one machine. The caller brings the machine to the present first."""

    def __init__(self, machine: Machine, began_at: float) -> None:
        self._machine = machine
        self._began_at = began_at  # time 0 of the demo on this node's wall clock
        self._shape = machine.plan.shape
        self._processes = Processes(machine)
        self._passed: tuple[float, dict[str, str]] = (-math.inf, {})  # at what time of the machine, what was there
        self._software = ProcessSoftware(machine, self._processes)

    def read(self, path: str) -> str:
        """Raises FileNotFoundError."""
        make = self._made.get(path)
        if make is not None:
            return make()
        if process_software.concerns(path):
            return self._software.read(path)
        parts = path.split("/")
        if path.startswith("/proc/") and len(parts) == 4 and parts[2].isdigit():
            return self._processes.read(int(parts[2]), parts[3])
        text = self._passing().get(path)
        if text is None:
            raise missing(path)
        return text

    def readlink(self, path: str) -> str:
        """Raises FileNotFoundError."""
        if process_software.concerns(path):
            return self._software.readlink(path)
        parts = path.split("/")
        if path.startswith("/proc/") and len(parts) == 5 and parts[2].isdigit() and parts[3] == "fd":
            return self._processes.opened(int(parts[2]), parts[4])
        try:
            return self._links[path.rstrip("/")]
        except KeyError:
            raise missing(path) from None

    def exists(self, path: str) -> bool:
        if path.startswith("/proc/") and path[6:].isdigit():
            return int(path[6:]) in self._processes.running()
        return path in self._made or path in self._folders or path in self._links

    def listdir(self, path: str) -> list[str]:
        """Raises FileNotFoundError."""
        if path.rstrip("/") == "/proc":
            return [str(pid) for pid in self._processes.running()] + sorted(self._folders["/proc"])
        if process_software.concerns(path):
            return self._software.listdir(path)
        parts = path.rstrip("/").split("/")
        if path.startswith("/proc/") and len(parts) == 4 and parts[2].isdigit() and parts[3] == "fd":
            return self._processes.descriptors(int(parts[2]))
        known = self._folders.get(path.rstrip("/"))
        return sorted(self._passing_names(path.rstrip("/") + "/") if known is None else known)

    def _passing(self) -> dict[str, str]:
        """Path -> text of the drivers' files that are there just now."""
        at, known = self._passed
        if at != self._machine.time:
            known = {path: text for tool in tools(self._shape) for path, text in tool.passing(self._machine).items()}
            self._passed = (self._machine.time, known)
        return known

    def _passing_names(self, folder: str) -> set[str]:
        """Raises FileNotFoundError."""
        inside = [path[len(folder) :] for path in self._passing() if path.startswith(folder)]
        if not inside:
            raise missing(folder)
        return {path.partition("/")[0] for path in inside} - {""}

    def statvfs(self, path: str) -> os.statvfs_result:
        for _, mount, _, size, used in _MOUNTS:
            if mount == path:
                blocks = int(size / 4096)
                free = int(blocks * (1 - used))
                return os.statvfs_result((4096, 4096, blocks, free, free, 10**8, 9 * 10**7, 9 * 10**7, 0, 255))
        raise missing(path)

    def owner(self, path: str) -> int:
        """The uid that owns /proc/PID. Raises FileNotFoundError."""
        pid = path.removeprefix("/proc/").split("/")[0]
        if not pid.isdigit():
            raise missing(path)
        return self._processes.owner(int(pid))

    # -- the tree

    @cached_property
    def _made(self) -> Mapping[str, Callable[[], str]]:
        """Path -> what makes its text."""
        made: dict[str, Callable[[], str]] = {
            "/proc/sys/kernel/random/boot_id": self._boot_id,
            "/proc/stat": self._stat,
            "/proc/loadavg": self._loadavg,
            "/proc/meminfo": self._meminfo,
            "/proc/uptime": self._uptime,
            "/proc/diskstats": self._diskstats,
            "/proc/net/dev": self._net_dev,
            "/proc/cpuinfo": lambda: f"processor\t: 0\nmodel name\t: {self._shape.cpu_model}\n",
            "/proc/self/mounts": _mounts,
            "/proc/mounts": _mounts,
            "/proc/filesystems": lambda: "nodev\tsysfs\nnodev\tproc\nnodev\ttmpfs\n\text4\n\txfs\n",
            "/etc/os-release": lambda: 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 24.04.2 LTS"\nID=ubuntu\n',
            "/proc/pressure/cpu": lambda: _pressure(0.2),
            "/proc/pressure/memory": lambda: _pressure(0.0),
            "/proc/pressure/io": lambda: _pressure(100 * self._machine.host.wait_share),
        }
        for disk in _DISKS:
            made[f"/sys/block/{disk}/size"] = lambda: "15002931888\n"
        self._add_network(made)
        for part in (pci_files, port_files):
            made.update(part.files(self._machine))
        for tool in tools(self._shape):
            made.update(tool.files(self._machine))
        return made

    @cached_property
    def _links(self) -> Mapping[str, str]:
        """Path -> where the symbolic link leads."""
        links = {**pci_files.links(self._machine), **port_files.links(self._machine)}
        for tool in tools(self._shape):
            links.update(tool.links(self._machine))
        return links

    @cached_property
    def _folders(self) -> Mapping[str, set[str]]:
        """Folder -> names in it."""
        folders: dict[str, set[str]] = {}
        for path in (*self._made, *self._links):
            folder = path
            while folder:
                folder, _, name = folder.rpartition("/")
                folders.setdefault(folder, set()).add(name)
        return folders

    def _add_network(self, made: dict[str, Callable[[], str]]) -> None:
        for name, gigabits in self._shape.ethernet:
            root = f"/sys/class/net/{name}"
            texts = {"type": "1", "operstate": "up", "carrier": "1", "speed": str(gigabits * 1000), "mtu": "9000",
                     "device/vendor": "0x15b3", "ifindex": "2", "iflink": "2", "flags": "0x1003",
                     "carrier_changes": "1"}  # fmt: skip
            for file, text in texts.items():
                made[f"{root}/{file}"] = _constant(text)

    # -- texts

    def _boot_id(self) -> str:
        return f"{self._machine.boot_id}\n"

    def _uptime(self) -> str:
        up = self._machine.time - self._machine.booted_at
        return f"{up:.2f} {up * self._shape.cpus * 0.8:.2f}\n"

    def _stat(self) -> str:
        host, now, cpus = self._machine.host, self._machine.now, self._shape.cpus
        busy, wait = now(host.cpu_busy) * _HERTZ, now(host.cpu_wait) * _HERTZ
        idle = now(host.up) * cpus * _HERTZ - busy - wait
        part = [int(part) for part in (busy * 0.8, 0, busy * 0.2, idle, wait, 0, 0, 0)]
        each = " ".join(str(value // cpus) for value in part)
        lines = [f"cpu  {' '.join(map(str, part))} 0 0", *(f"cpu{number} {each} 0 0" for number in range(cpus))]
        lines += ["ctxt 1", f"btime {int(self._began_at + self._machine.booted_at)}", "processes 1", "procs_running 1"]
        return "\n".join([*lines, f"procs_blocked {self._machine.host.blocked}\n"])

    def _loadavg(self) -> str:
        one, five, fifteen = self._machine.host.load
        return f"{one:.2f} {five:.2f} {fifteen:.2f} 3/2811 48123\n"

    def _meminfo(self) -> str:
        total = self._shape.memory_bytes
        available = max(GIB, total - int(self._machine.host.memory_used))
        rows = {"MemTotal": total, "MemFree": available // 2, "MemAvailable": available, "SwapTotal": 8 * GIB,
                "SwapFree": 8 * GIB}  # fmt: skip
        return "".join(f"{name}:  {value // KIB} kB\n" for name, value in rows.items())

    def _diskstats(self) -> str:
        host, lines = self._machine.host, []
        totals = [self._machine.now(counter) for counter in (host.disk_read, host.disk_write)]
        for number, disk in enumerate(_DISKS):
            read, written = (int(total / len(_DISKS) / _SECTOR) for total in totals)
            busy = int((read + written) * _SECTOR / 5e9 * 1000)
            lines.append(f" 259 {number} {disk} {read // 256} 0 {read} 0 {written // 256} 0 {written} 0 0 {busy} 0")
        return "\n".join(lines) + "\n"

    def _net_dev(self) -> str:
        host, lines = self._machine.host, ["Inter-|   Receive  | Transmit", " face |bytes packets …"]
        names = [name for name, _ in self._shape.ethernet]
        for name in names:
            share = 1.0 if name == names[-1] else 0.02  # storage goes over the last, fast one
            rx, tx = (int(self._machine.now(counter) * share) for counter in (host.net_rx, host.net_tx))
            lines.append(f"{name}: {rx} {rx // 1400} 0 0 0 0 0 0 {tx} {tx // 1400} 0 0 0 0 0 0")
        return "\n".join(lines) + "\n"


def _constant(text: str) -> Callable[[], str]:
    return lambda: f"{text}\n"


def _mounts() -> str:
    return "".join(f"{device} {mount} {kind} rw,relatime 0 0\n" for device, mount, kind, _, _ in _MOUNTS)


def _pressure(percent: float) -> str:
    line = f"avg10={percent:.2f} avg60={percent:.2f} avg300={percent:.2f} total=1\n"
    return f"some {line}full {line}"
