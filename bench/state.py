"""What the state of a large fleet costs: memory, a report, a second of history, a frame, the first look at a frame.

    python -m bench.state [--nodes 4000] [--links 0 150] [--seconds 90]

Each arrangement in a process of its own, the fleet alone: no network, no decoding, no screen. Three frames are held, as
a console does (the one on the screen, the next, and the one being made). Beside it the same cells the plain way: every
column of every row copied for each frame.

Limit: 12 MiB per 1,000 accelerators for the whole console, of which this is the larger part.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from watchfloor import checks
from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Kind
from watchfloor.model import Missing, NodeSpec, NodeStatus, Phase, Scope
from watchfloor.query import parse
from watchfloor.report import Cells, Hello, Report, Schema, Table

BOARDS, SCRIPTS, STEPS, FULL_EVERY, HELD = 8, 12, 20, 60, 3
MIB = 2.0**20

# what moves with the work, each second; everything else that the driver tells stays
MOVING = (
    "util", "mem_util", "temp", "temp_mem", "temp_margin", "power", "energy", "clock_sm", "pcie_rx", "pcie_tx",
    "link_rx", "link_tx", "cpu", "load1", "mem_used", "net_rx", "net_tx", "disk_read", "uptime", "rx", "tx",
)  # fmt: skip
UNSUPPORTED = ("fan", "pages_retired", "partition_of", "profile")  # by a data centre board
BOARD_METRICS = (
    "name vendor model uuid serial bus_id board driver user job command index util mem_util mem_used mem_total "
    "mem_reserved temp temp_mem temp_margin power power_limit power_min power_max energy clock_sm clock_mem "
    "clock_sm_max clock_mem_max throttle pstate pcie_gen pcie_gen_max pcie_width pcie_width_max pcie_rx pcie_tx "
    "pcie_replays ecc_mode ecc_corrected ecc_uncorrected ecc_corrected_total ecc_uncorrected_total rows_corrected "
    "rows_uncorrected rows_pending rows_failed recovery xid persistence mig processes links_up links_max link_rx "
    "link_tx"
)
LINK_METRICS = "name kind accelerator peer up speed rx tx crc_errors replay_errors recovery_errors"
LINK_EVERY = 5  # seconds between two looks at the traffic of one link


class Speaker:
    """A table of a node and what is said of it: a script of changes, and the whole."""

    def __init__(self, scope: Scope, subjects: int, names: Sequence[str], seed: int, every: int = 1) -> None:
        self.metrics = [name for name in names if name in CATALOGUE[scope]]
        rng = random.Random(seed)
        texts = [name for name in self.metrics if CATALOGUE[scope][name].kind is Kind.TEXT]
        numbers = [name for name in self.metrics if name not in texts and name not in UNSUPPORTED]
        width, at = len(self.metrics), self.metrics.index
        told = [(subject * width + at(name), name) for subject in range(subjects) for name in numbers]
        moving = [position for position, name in told if name in MOVING]
        words = [(subject * width + at(name), f"{name} {subject}") for subject in range(subjects) for name in texts]
        none = [
            subject * width + at(name) for subject in range(subjects) for name in self.metrics if name in UNSUPPORTED
        ]
        steady = {position: _usual(name) for position, name in told}
        names_of = dict(told)
        steps = [{at: rng.randrange(1, 90) * _scale(names_of[at]) for at in moving} for _ in range(STEPS)]
        self.changes = [Cells(p=list(step), v=list(step.values())) for step in steps]
        self.full = [_whole({**steady, **step}, words, none) for step in steps]
        self.every = every

    def cells(self, step: int, full: bool) -> Cells | None:
        if full:
            return self.full[step % STEPS]
        return self.changes[step % STEPS] if step % self.every == 0 else None


def _scale(name: str) -> float:
    return 2e8 if name.endswith(("rx", "tx", "read", "mem_used")) else 1.0


def _usual(name: str) -> float:
    return {"up": 1.0, "speed": 2.6e10, "mem_total": 8.5e10, "links_up": 18.0, "power_limit": 700.0}.get(name, 0.0)


def _whole(numbers: dict[int, float], words: Sequence[tuple[int, str]], none: Sequence[int]) -> Cells:
    positions, texts = zip(*words, strict=True) if words else ((), ())
    reasons = [int(Missing.UNSUPPORTED)] * len(none)
    return Cells(list(numbers), list(numbers.values()), list(none), reasons, list(positions), list(texts))


class Load:
    """A fleet that is reported to, second by second."""

    def __init__(self, nodes: int, links: int) -> None:
        self.now, self.second = 1e9, 0
        self.fleet = Fleet([NodeSpec(f"n{at:05}", rack=f"r{at // 16}") for at in range(nodes)], lambda: self.now)
        host = [name for name, metric in CATALOGUE[Scope.NODE].items() if "linux" in metric.sources]
        self.tables = [
            {
                Scope.NODE: Speaker(Scope.NODE, 1, host, seed),
                Scope.ACCELERATOR: Speaker(Scope.ACCELERATOR, BOARDS, BOARD_METRICS.split(), seed),
                **({Scope.LINK: Speaker(Scope.LINK, links, LINK_METRICS.split(), seed, LINK_EVERY)} if links else {}),
            }
            for seed in range(SCRIPTS)
        ]
        for node in range(nodes):
            self._introduce(node, links)

    def _introduce(self, node: int, links: int) -> None:
        boards = [f"GPU-{node:08x}-4f1c-9a57-b3d2-{at:012x}" for at in range(BOARDS)]
        keys = {
            Scope.NODE: [""],
            Scope.ACCELERATOR: boards,
            Scope.LINK: [f"nvlink:{boards[at % BOARDS]}:{at // BOARDS}" for at in range(links)],
        }
        said = {scope.value: Table(keys[scope], table.metrics) for scope, table in self._of(node).items()}
        self.fleet.status(node, NodeStatus(Phase.LIVE))
        self.fleet.hello(node, Hello(1, f"n{node:05}", f"boot {node}", self.now, "digest"), self.now)
        self.fleet.schema(node, Schema(1, said))
        self._report(node, True)

    def _of(self, node: int) -> dict[Scope, Speaker]:
        return self.tables[node % SCRIPTS]

    def _report(self, node: int, full: bool) -> None:
        step = self.second + node // SCRIPTS
        said = {scope.value: table.cells(step, full) for scope, table in self._of(node).items()}
        cells = {scope: cells for scope, cells in said.items() if cells}
        self.fleet.report(node, Report(self.second, 1, self.now, full, cells), self.now)

    def reports(self) -> None:
        """A second of every node; each says everything once a minute."""
        self.second += 1
        self.now += 1.0
        for node in range(len(self.fleet.specs)):
            self._report(node, (self.second + node) % FULL_EVERY == 0)


def look(frame: Frame) -> None:
    """What a screen, the checks and a filter ask of a frame."""
    checks.run(frame)
    frame.with_findings(())
    for name in ("util", "mem", "temp", "power"):
        frame.accelerators.known(name)
    assert frame.accelerators.states.size + frame.links.states.size
    parse("util < 5 and mem_used > 10GB and job != none").mask(frame)


def resident() -> float:
    """Memory of this process in bytes, without what was freed and not given back."""
    gc.collect()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096.0


def taken(work: Callable[[], object]) -> float:
    """Milliseconds of this thread's CPU: other programs of the machine don't count."""
    begun = time.thread_time()
    work()
    return (time.thread_time() - begun) * 1e3


def case(nodes: int, links: int, seconds: int) -> None:
    empty = resident()
    load = Load(nodes, links)
    frames: list[Frame] = []
    figures: dict[str, list[float]] = {"report": [], "history": [], "frame": [], "look": []}
    for _ in range(seconds):
        figures["report"].append(taken(load.reports) / nodes * 1e3)
        figures["history"].append(taken(load.fleet.tick))
        figures["frame"].append(taken(lambda: frames.append(load.fleet.frame())))
        figures["look"].append(taken(lambda: look(frames[-1])))
        del frames[:-HELD]
    used = resident() - empty
    load.fleet = Fleet([], lambda: 0.0)
    frames.clear()
    used -= max(0.0, resident() - empty)  # what the scripts take
    _print(nodes, links, used, {name: median(values[5:]) for name, values in figures.items()})


def _print(nodes: int, links: int, used: float, figures: dict[str, float]) -> None:
    boards = nodes * BOARDS
    limit = 12 * MIB * boards / 1000
    copies, copying = _plain(nodes, links)
    print(f"{nodes:,} nodes, {boards:,} accelerators, {nodes * links:,} links; {HELD} frames held")
    print(f"  memory               {used / MIB:8.1f} MiB  {used / limit:5.2f} of the limit for the accelerators")
    print(f"    plain copies       {copies / MIB:8.1f} MiB  {copies / used:5.2f} × ours, without keys and history")
    print(f"  a report             {figures['report']:8.1f} µs")
    print(f"  a second of history  {figures['history']:8.2f} ms")
    print(f"  a frame              {figures['frame']:8.2f} ms")
    print(f"    plain copies       {copying:8.2f} ms   {copying / figures['frame']:5.1f} × ours")
    print(f"  the first look at it {figures['look']:8.2f} ms   checks, states, four columns, a query")


def _plain(nodes: int, links: int) -> tuple[float, float]:
    """Bytes of one store and the frames held, and milliseconds of a copy."""
    rows = {Scope.NODE: nodes, Scope.ACCELERATOR: nodes * BOARDS, Scope.LINK: nodes * links}
    cells = sum(count * len(CATALOGUE[scope]) for scope, count in rows.items())
    part = np.zeros(min(cells, 5_000_000)), np.zeros(min(cells, 5_000_000), np.int8)
    copied = median(taken(lambda: [column.copy() for column in part]) for _ in range(5)) * cells / len(part[0])
    return (1 + HELD) * cells * 9.0, copied


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=4000)
    parser.add_argument("--links", type=int, nargs="*", default=[0, 150])
    parser.add_argument("--seconds", type=int, default=90)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        case(options.nodes, options.links[0], options.seconds)
        return
    for links in options.links:
        sizes = ["--nodes", str(options.nodes), "--links", str(links), "--seconds", str(options.seconds)]
        subprocess.run([sys.executable, "-m", "bench.state", "--here", *sizes], check=True)


if __name__ == "__main__":
    main()
