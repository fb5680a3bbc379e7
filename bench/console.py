"""The whole console under load: a live screen in a real terminal over real SSH streams of thousands of nodes.

    python bench/console.py [--nodes 1 100 1000 4000] [--seconds 20]

The nodes are played by another process (`collectors.simulator.wire`), which shares the machine's cores with the
console: on two cores the tail of the latency is theirs too. The row of one node is what this machine gives at the time:
the others are to be read beside it. Limits: docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import pickle
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.pty_console import Console
from collectors.simulator.wire import WireFleet, start_wire_fleet

ACCELERATORS = 8
SPREADABLE = 1000  # nodes from which it matters whether they tick in the same instant
KEY_P50_LIMIT, KEY_P99_LIMIT = 6.0, 50.0  # milliseconds
PAINT_LIMIT_SECONDS = 0.7
CONNECT_LIMIT_SECONDS, CONNECT_LIMIT_NODES = 6.0, 1000  # so many within so long; more have no limit of their own
MOVES = (b"\x1b[B", b"\x1b[B", b"\x1b[B", b"\x1b[A", b"\x1b[A", b"\x1b[A")  # the cursor, one row
PAGES = (b"\x1b[6~", b"\x1b[5~")  # every row on the screen is another


@dataclass(frozen=True)
class Result:
    nodes: int
    case: str
    first_paint: float
    connected: float
    cpu_percent: float
    p50: float
    p99: float
    page_p50: float
    page_p99: float
    mebibytes: float
    bytes_per_second: float

    def row(self) -> str:
        limit = 80 + 12 * self.nodes * ACCELERATORS / 1000
        limited = self.nodes <= CONNECT_LIMIT_NODES
        return (
            f"{self.nodes:>6} {self.case:<13}"
            f" {self.first_paint:>7.2f} ({self.first_paint / PAINT_LIMIT_SECONDS:.2f}×)"
            f" {self.connected:>8.1f} {f'({self.connected / CONNECT_LIMIT_SECONDS:.2f}×)' if limited else '(-)':<7}"
            f" {self.cpu_percent:>6.1f} ({self.cpu_percent / 45:.2f}×)"
            f" {self.p50:>6.1f} ({self.p50 / KEY_P50_LIMIT:.2f}×) {self.p99:>6.1f} ({self.p99 / KEY_P99_LIMIT:.2f}×)"
            f" {self.page_p50:>5.1f} {self.page_p99:>6.1f}"
            f" {self.mebibytes:>6.1f} ({self.mebibytes / limit:.2f}×) {self.bytes_per_second / 1024:>6.0f}"
        )


HEADER = (
    f"{'nodes':>6} {'ticks':<13} {'paint s':>7} (/0.7)  {'all up s':>8} (/6)   {'CPU %':>6} (/45)  {'p50 ms':>6} (/6)  "
    f"{'p99 ms':>6} (/50)  {'page p50':>5} {'p99':>3} {'MiB':>6} (/limit) {'KiB/s':>6}"
)


def console_main(specs_file: str, log: str) -> int:
    """The console itself, in the child: the same wiring as `watchfloor HOSTS`, told its nodes by a file."""
    from watchfloor import wiring
    from watchfloor.frame import Frame

    specs = pickle.loads(Path(specs_file).read_bytes())
    feed, heard = wiring.LiveFeed(specs), np.zeros(len(specs), np.bool_)

    class Noting:
        """The same feed; the moment at which every node has been live is written down."""

        def start(self, on_frame) -> None:
            def noting(frame: Frame) -> None:
                nonlocal heard
                if not heard.all():
                    heard |= frame.live
                    if heard.all():
                        Path(log).write_text("every node has been live")
                on_frame(frame)

            feed.start(noting)

        reconnect = staticmethod(feed.reconnect)
        acknowledge = staticmethod(feed.acknowledge)
        clear = staticmethod(feed.clear)
        trouble = staticmethod(feed.trouble)
        stop = staticmethod(feed.stop)

    return wiring.run_terminal(Noting(), context="bench", read_only=True)


async def measure(nodes: int, seconds: float, same_instant: bool) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        fleet = await start_wire_fleet(nodes, ACCELERATORS, same_instant=same_instant)
        try:
            return await asyncio.to_thread(_measured, fleet, Path(folder), seconds, same_instant)
        finally:
            await fleet.close()


def _measured(fleet: WireFleet, folder: Path, seconds: float, same_instant: bool) -> Result:
    specs, log = folder / "specs", folder / "live"
    specs.write_bytes(pickle.dumps(fleet.specs))
    console = Console([sys.executable, __file__, "--console", str(specs), str(log)])
    try:
        first_paint = console.until(b"waiting", 10)
        connected = _all_live(console, log)
        console.watch(5)
        before, began, bytes_before = console.cpu_seconds(), _now(), console.written_bytes
        console.watch(seconds)
        used, lasted = console.cpu_seconds() - before, _now() - began
        rate = (console.written_bytes - bytes_before) / lasted
        moves, pages = sorted(_typed(console, MOVES, seconds)), sorted(_typed(console, PAGES, seconds / 2))
        return Result(
            len(fleet.specs), "same instant" if same_instant else "spread", first_paint, connected,
            100 * used / lasted, *_milliseconds(moves), *_milliseconds(pages),
            console.resident_mebibytes(), rate,
        )  # fmt: skip
    finally:
        console.close()


def _all_live(console: Console, log: Path, limit_seconds: float = 120.0) -> float:
    while not log.exists():
        console.watch(0.05)
        if _now() - console.started > limit_seconds:
            return math.nan
    return _now() - console.started


def _milliseconds(latencies: list[float]) -> tuple[float, float]:
    """Median and 99th percentile of sorted seconds."""
    return 1000 * statistics.median(latencies), 1000 * latencies[int(len(latencies) * 0.99)]


def _typed(console: Console, keys: tuple[bytes, ...], seconds: float) -> list[float]:
    latencies, end, number = [], _now() + seconds, 0
    while _now() < end:
        latency = console.press(keys[number % len(keys)])
        number += 1
        if not math.isnan(latency):
            latencies.append(latency)
        console.watch(0.037)
    return latencies


def _now() -> float:
    import time

    return time.perf_counter()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 100, 1000, 4000])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--console", nargs=2, metavar=("SPECS", "LOG"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.console:
        return console_main(*options.console)
    print(HEADER)
    for nodes in options.nodes:
        for same_instant in (False, True) if nodes >= SPREADABLE else (False,):
            print(asyncio.run(measure(nodes, options.seconds, same_instant)).row(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
