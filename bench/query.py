"""What a query and the checks cost on a large fleet, beside a plain Python loop over the same rows in the same run.

    python -m bench.query [--nodes 10000]

Limits: 20 queries over 80,000 accelerators 2.2 to 6.4 ms once their columns are cut (`for` counters included), a
query's parse 2 ms, the checks of 32,000 healthy accelerators 3 ms.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from watchfloor import checks
from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.model import NodeSpec, NodeStatus, Phase
from watchfloor.query import Watch, parse
from watchfloor.report import Cells, Hello, Report, Schema, Table

BOARDS = 8
MODEL = "NVIDIA H100 80GB HBM3"
TEXTS = ["name", "model", "user", "job", "uuid"]
NUMBERS = ["util", "mem_used", "mem_total", "temp", "power", "clock_sm", "throttle", "xid"]
HEALTHY = {
    "temp_margin": 25.0, "recovery": 0.0, "rows_pending": 0.0, "rows_failed": 0.0, "ecc_uncorrected": 0.0,
    "power_limit": 700.0, "persistence": 1.0, "ecc_mode": 1.0, "clock_sm_app": 1980.0, "clock_mem_app": 2619.0,
    "links_up": 18.0, "links_max": 18.0, "processes": 1.0, "orphan_mem": 0.0, "pages_pending": 0.0,
    "sram_threshold": 0.0, "ecc_sram_corrected": 0.0,
}  # fmt: skip
NODE: dict[str, float | str] = {
    "zombies": 2.0, "unkillable": 0.0, "pid_max": 4_194_304.0, "cpus": 224.0, "pci_accelerators": float(BOARDS),
    "pci_addresses": " ".join(f"0000:{board:02x}:00.0" for board in range(BOARDS)),
    **dict.fromkeys(("unit_fabricmanager", "unit_persistenced", "unit_dcgm", "unit_slurmd", "unit_munge"), "running"),
}  # fmt: skip

Row = dict[str, Any]

# a query, and the same by hand
QUERIES: list[tuple[str, Callable[[Row], bool]]] = [
    (
        "util < 5 and mem_used > 10GB and job != none",
        lambda r: r["util"] < 5 and r["mem_used"] > 10e9 and r["job"] != "",
    ),
    ("temp > 85", lambda r: r["temp"] > 85),
    ("temp > 70 and util > 50%", lambda r: r["temp"] > 70 and r["util"] > 50),
    ("xid in (79, 74)", lambda r: r["xid"] in (79, 74)),
    ("power > 600W or clock_sm < 1.2GHz", lambda r: r["power"] > 600 or r["clock_sm"] < 1200),
    ("mem_used / mem_total > 0.9", lambda r: r["mem_used"] / r["mem_total"] > 0.9),
    ("user == alice", lambda r: r["user"] == "alice"),
    ("not (util > 90)", lambda r: not r["util"] > 90),
    ("throttle & 0xE8 != 0", lambda r: int(r["throttle"]) & 0xE8 != 0),
    ("job ~ slurm and power < 100W", lambda r: "slurm" in r["job"] and r["power"] < 100),
]


def fleet_of(nodes: int) -> Fleet:
    """Every node reports the same healthy boards: what is in the cells costs nothing, that they are there does."""
    now = time.time()
    fleet = Fleet([NodeSpec(f"n{at:05}", rack=f"r{at // 16}") for at in range(nodes)], lambda: now)
    metrics = [*TEXTS, *NUMBERS, *HEALTHY]
    values = [97.0, 70e9, 80e9, 64.0, 640.0, 1980.0, 0.0, 0.0, *HEALTHY.values()]
    for node in range(nodes):
        fleet.status(node, NodeStatus(Phase.LIVE))
        fleet.hello(node, Hello(1, f"n{node:05}", "boot", now, "digest"), now)
        boards = Table([f"G{node}-{at}" for at in range(BOARDS)], metrics)
        fleet.schema(node, Schema(1, {"accelerator": boards, "node": Table([""], list(NODE))}))
        cells = {"accelerator": _cells(node, metrics, values), "node": _node_cells()}
        fleet.report(node, Report(1, 1, now, True, cells), now)
    return fleet


def _node_cells() -> Cells:
    cells = Cells()
    for at, value in enumerate(NODE.values()):
        if isinstance(value, str):
            cells.xp.append(at)
            cells.x.append(value)
        else:
            cells.p.append(at)
            cells.v.append(value)
    return cells


def _cells(node: int, metrics: Sequence[str], values: Sequence[float]) -> Cells:
    cells = Cells()
    for board in range(BOARDS):
        start = board * len(metrics)
        cells.xp.extend(range(start, start + len(TEXTS)))
        cells.x.extend(
            [f"gpu{board}", MODEL, ("alice", "bob", "carol")[node % 3], f"slurm:{node // 4}", f"GPU-{node:05}-{board}"]
        )
        cells.p.extend(range(start + len(TEXTS), start + len(metrics)))
        cells.v.extend(values)
    return cells


def rows_of(frame: Frame) -> list[Row]:
    view = frame.accelerators
    found: list[Row] = []
    for row in range(view.count):
        found.append(
            {name: view.text(row, name) for name in TEXTS} | {name: float(view.known(name)[row]) for name in NUMBERS}
        )
    return found


def milliseconds(work: Callable[[], object], times: int) -> float:
    """CPU time of this thread: other programs of the machine don't count."""
    taken = []
    for _ in range(times):
        begun = time.thread_time()
        work()
        taken.append((time.thread_time() - begun) * 1e3)
    return median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    fleet = fleet_of(parser.parse_args().nodes)
    gc.freeze()
    frame = fleet.frame()
    count = frame.accelerators.count
    print(f"{count:,} accelerators, {len(QUERIES)} queries, each twice")
    _parsing()
    ours = _queries(fleet, frame)
    plain = _plain(frame)
    print(f"plain Python loop, scaled from a tenth of the rows  {plain:9.1f} ms   {plain / ours:6.0f} times ours")
    _watching(frame)
    _checking()


def _parsing() -> None:
    parse("util < 5")
    took = max(milliseconds(lambda text=text: parse(text), 20) for text, _ in QUERIES)
    print(f"parse, the slowest of them                           {took:9.2f} ms   limit 2")


def _queries(fleet: Fleet, frame: Frame) -> float:
    queries = [parse(text) for text, _ in QUERIES] * 2
    cold = [milliseconds(lambda frame=frame: [query.mask(frame) for query in queries], 1) for frame in _fresh(fleet, 5)]
    warm = milliseconds(lambda: [query.mask(frame) for query in queries], 10)
    typed = milliseconds(lambda: parse("model ~ H100 and job ~ 42").mask(frame), 5)
    print(f"a query with two patterns, typed anew                {typed:9.2f} ms")
    print(f"20 queries, first of a frame (columns are cut)       {median(cold):9.2f} ms")
    print(f"20 queries, the same frame again                     {warm:9.2f} ms   limit 6.4")
    return median(cold)


def _fresh(fleet: Fleet, times: int) -> list[Frame]:
    frames = [fleet.frame() for _ in range(times)]
    for frame in frames:
        frame.accelerators.known("index")
    return frames


def _plain(frame: Frame) -> float:
    rows = rows_of(frame)[::10]
    took = milliseconds(lambda: [[by_hand(row) for row in rows] for _, by_hand in QUERIES], 3)
    return took * 10 * 2


def _watching(frame: Frame) -> None:
    watches = [Watch(parse(f"temp > {60 + at} and job != none for 2m")) for at in range(20)]
    took = milliseconds(lambda: [watch.update(frame) for watch in watches], 5)
    print(f"20 queries with `for`, watched                       {took:9.2f} ms")


def _checking() -> None:
    fleet = fleet_of(4_000)
    frames = [fleet.frame() for _ in range(10)]
    found = checks.run(frames[0])
    assert not found, found[:3]
    took = median(milliseconds(lambda frame=frame: checks.run(frame), 1) for frame in frames)
    print(f"all checks, 32,000 healthy accelerators              {took:9.2f} ms   limit 3")


if __name__ == "__main__":
    main()
