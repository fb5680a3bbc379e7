"""What the probe costs on a node of each kind of the demo: processor without the simulation, and with it.

    python -m bench.probe_vendors [--seconds 20]

The node is simulated in the probe's own process, at its doors (collectors.probe.world.World): the time behind them
stands for kernel, drivers and tools, and is told apart. Limit: 1 % of a core for the whole probe at 1 Hz; simulation
costs more than most drivers. Memory is not told: it is mostly the simulator's. `probe_cost` has NVIDIA's real library.
"""

from __future__ import annotations

import argparse
import mmap
import os
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.probe_cost import CPU_LIMIT_PERCENT, cpu_percent, listen, running
from collectors import payload
from collectors.simulator.floor import plan_floor
from collectors.simulator.machine import Machine
from collectors.simulator.world import SimulatedWorld

NODES, SEED = 32, 1
SETTLED_SECONDS = 8.0  # samplers look closer at first
WHOLE_LIMIT_PERCENT = 1.0
DOORS = (
    "read", "read_bytes", "first_page", "listdir", "readlink", "exists", "owner", "statvfs", "now", "monotonic",
    "uname", "user_of", "pci", "which", "run",
)  # fmt: skip
OBJECTS = ("kmsg", "follow", "start", "connect", "nvml")  # what they give has doors of its own


class Meter:
    """Seconds of processor time behind the doors, in a file that another process reads."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 8)
        self._inside: set[int] = set()  # threads that are behind a door

    def seconds(self) -> float:
        return struct.unpack_from("d", self._memory)[0]

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def metered(*arguments: Any, **named: Any) -> Any:
            thread = threading.get_ident()
            if thread in self._inside:  # one door behind another
                return call(*arguments, **named)
            self._inside.add(thread)
            began = time.thread_time()
            try:
                return call(*arguments, **named)
            finally:
                self._inside.discard(thread)
                struct.pack_into("d", self._memory, 0, self.seconds() + time.thread_time() - began)

        return metered


class Behind:
    """An object behind a door: each of its calls is timed."""

    def __init__(self, found: Any, meter: Meter) -> None:
        self._found, self._meter = found, meter

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._found, name)
        return self._meter.timed(value) if callable(value) and not isinstance(value, type) else value


def node(index: int, path: Path) -> None:
    """Become the probe of a simulated node. Never returns."""
    floor, meter, began = plan_floor(NODES, SEED), Meter(path), time.time()
    world = SimulatedWorld(Machine(floor, floor.nodes[index], []), lambda: time.time() - began, began)
    for name in DOORS:
        setattr(world, name, meter.timed(getattr(world, name)))
    for name in OBJECTS:
        opened = meter.timed(getattr(world, name))
        setattr(world, name, lambda *given, opened=opened, **named: Behind(opened(*given, **named), meter))
    exec(payload.BOOTSTRAP, {"WORLD": world})


def kinds() -> Iterator[tuple[str, int]]:
    """The first node of each kind of the demo."""
    seen = set()
    for index, plan in enumerate(plan_floor(NODES, SEED).nodes):
        if plan.shape.name not in seen:
            seen.add(plan.shape.name)
            yield plan.shape.name, index


def measure(name: str, index: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "meter"
        path.write_bytes(bytes(8))
        command = [sys.executable, "-m", "bench.probe_vendors", "--node", str(index), "--meter", str(path)]
        with running(command, dict(os.environ)) as probe:
            heard, meter = listen(probe), Meter(path)
            time.sleep(SETTLED_SECONDS)
            before = meter.seconds()
            whole = cpu_percent(probe.pid, seconds)
            behind = 100 * (meter.seconds() - before) / seconds
    own = whole - behind
    print(
        f"  {name:12} {own:6.3f} % ({own / CPU_LIMIT_PERCENT:4.2f} x {CPU_LIMIT_PERCENT})   with the simulated node "
        f"{whole:6.3f} % ({whole / WHOLE_LIMIT_PERCENT:4.2f} x {WHOLE_LIMIT_PERCENT:g})   {heard.size} bytes",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--node", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--meter", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.node is not None:
        node(given.node, given.meter)
        return
    print(f"the probe on simulated nodes at 1 Hz, {given.seconds:.0f} s each, % of a core without the simulation")
    for name, index in kinds():
        measure(name, index, given.seconds)


if __name__ == "__main__":
    main()
