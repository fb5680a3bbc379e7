"""The world that the probe sees on a simulated node: collectors.probe.world.World with other things behind it."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from collectors.probe.world import LET_GO, World
from collectors.simulator import kernel_log, nvml
from collectors.simulator.faults import scenarios
from collectors.simulator.files import Files
from collectors.simulator.floor import plan_floor
from collectors.simulator.machine import Machine
from collectors.simulator.process_files import missing
from collectors.simulator.record import Record
from collectors.simulator.streams import Stream, connected
from collectors.simulator.tools import LOOPBACK, Tool, tools
from collectors.simulator.work import USERS

_FRESH_SECONDS = 0.02  # within one sample the machine stands still
_KERNELS = {"x86_64": "6.8.0-52-generic", "aarch64": "6.8.0-1021-nvidia-64k"}
_OWN_TASKS = ("/proc/self/task/", "/proc/thread-self")


class SimulatedWorld(World):
    """One node of a demo. `elapsed()` gives the seconds since the demo began, `began_at` that instant's wall clock."""

    def __init__(self, machine: Machine, elapsed: Callable[[], float], began_at: float) -> None:
        super().__init__()
        self._machine = machine
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._files = Files(machine, began_at + machine.plan.skew)
        self._driver = nvml.Driver(self.present, time.sleep)
        self._library = nvml.library(self._driver)
        self._tools = tools(machine.plan.shape)

    def present(self) -> Machine:
        """The machine, brought to now."""
        with self._lock:
            t = self._elapsed()
            if not 0 <= t - self._machine.time < _FRESH_SECONDS:
                self._machine.at(t)
        return self._machine

    # -- files

    def read(self, path: str, keep: bool = False) -> str:
        if path.startswith(_OWN_TASKS):
            return self._own_task(path)
        self.present()
        return self._files.read(path)

    def _own_task(self, path: str) -> str:
        """The true state of the probe's own thread, or D where it hangs in the simulated driver."""
        text = super().read_bytes(path).decode()
        thread = path.split("/")[-2]
        if not thread.isdigit() or int(thread) not in self._driver.blocked:
            return text
        head, _, tail = text.rpartition(")")
        return f"{head}) D {tail.split(' ', 2)[2]}"

    def read_bytes(self, path: str, keep: bool = False) -> bytes:
        """Of a file that isn't text, each character is a byte."""
        return self.read(path, keep).encode("latin-1")

    def first_page(self, path: str) -> str:
        return self.read(path)[:4096]

    def read_start(self, path: str, most: int) -> bytes:
        return self.read(path).encode()[:most]

    def read_plain(self, path: str, most: int, uid: int) -> str:
        return self.read(path)[:most]

    def listdir(self, path: str) -> list[str]:
        self.present()
        return self._files.listdir(path)

    def readlink(self, path: str) -> str:
        if path.startswith(_OWN_TASKS):
            return super().readlink(path)
        self.present()
        return self._files.readlink(path)

    def let_go_request(self) -> tuple[str, float]:
        machine = self.present()
        if machine.condition.let_go is None:
            raise missing(LET_GO)
        text, at = machine.condition.let_go
        return text, self.now() - (machine.time - at)

    def exists(self, path: str) -> bool:
        self.present()
        return self._files.exists(path)

    def owner(self, path: str) -> int:
        self.present()
        return self._files.owner(path)

    def statvfs(self, path: str) -> os.statvfs_result:
        return self._files.statvfs(path)

    # -- time

    def now(self) -> float:
        return time.time() + self._machine.plan.skew

    # -- names

    def hostname(self) -> str:
        return self._machine.plan.name

    def uname(self) -> os.uname_result:
        machine = self._machine.plan.shape.machine
        return os.uname_result(("Linux", self.hostname(), _KERNELS[machine], "#53-Ubuntu SMP", machine))

    def user_of(self, uid: int) -> str:
        names = {number: name for name, number in USERS.items()}
        return names.get(uid, "root" if uid == 0 else str(uid))

    def user(self) -> str:
        return "ops"

    def cpus(self) -> int:
        return self._machine.plan.shape.cpus

    # -- logs

    def kmsg(self) -> Any:
        return kernel_log.Ring(self.present)

    def follow(self, path: str) -> Any:
        raise missing(path)

    # -- programs and sockets

    def which(self, program: str) -> str | None:
        tool = self._tool(program)
        return f"/usr/bin/{program}" if tool and (tool.answer or tool.lines) else None

    def run(self, argv: list[str], timeout_seconds: float) -> tuple[int, str, str]:
        """Raises FileNotFoundError; what a program doesn't know, it says as real ones do."""
        tool = self._tool(argv[0])
        if tool is None or tool.answer is None:
            raise missing(argv[0])
        try:
            return 0, tool.answer(self.present(), argv), ""
        except OSError as error:
            return 1, "", str(error)

    def start(self, argv: list[str]) -> Any:
        tool = self._tool(argv[0])
        if tool is None or tool.lines is None:
            raise missing(argv[0])
        lines = tool.lines
        return Stream(lambda: lines(self.present()), tool.period)

    def connect(self, port: int, timeout_seconds: float, host: str = LOOPBACK) -> Any:
        return connected(self._tools, self.present, port, timeout_seconds, host)

    def listening_sockets(self) -> list[tuple[int, bytes]]:
        raise OSError(errno.EPROTONOSUPPORT, "the simulated kernel tells of sockets in its tables alone")

    def _tool(self, program: str) -> Tool | None:
        name = program.rpartition("/")[2]
        return next((tool for tool in self._tools if tool.program == name), None)

    # -- libraries

    def nvml(self) -> Any:
        return self._library

    def psutil(self) -> Any:
        raise ImportError("a simulated node has no psutil")


def machine_of(nodes: int, scenario: str, seed: int, node: int, record: Record | None = None) -> Machine:
    """The machine of one node of a demo, from nothing but the demo's parameters and what was done to it."""
    floor = plan_floor(nodes, seed)
    return Machine(floor, floor.nodes[node], scenarios()[scenario].place(floor), record)


def simulated_world(nodes: int, scenario: str, seed: int, node: int, began_at: float) -> SimulatedWorld:
    """The world of one node now, where the demo began at `began_at` (seconds since the epoch)."""
    return world_of(machine_of(nodes, scenario, seed, node), began_at)


def world_of(machine: Machine, began_at: float) -> SimulatedWorld:
    """The world of a machine now."""
    return SimulatedWorld(machine, lambda: machine.story.record.elapsed(time.time(), began_at), began_at)
