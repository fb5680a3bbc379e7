"""The fabric page of a large fleet: what a new frame costs it, how long keys wait, and what its ports' history takes.

    python -m bench.fabric [--nodes 4000] [--links 150] [--frames 8] [--seconds 10]

Links as an HGX node has them: 8 InfiniBand ports, the rest NVLinks; one node in a hundred is silent. A frame after the
first is what counts, with one report a node between two frames and the cursor on a row; the page takes four frames a
second at most. Milliseconds are of processor time. The page does it in turns, of which the survey is the longest.
Beside it the same folding as dictionaries would do it.

Keys are typed at the page itself in a terminal of 200 × 50, while in its process reports come, spread over the second,
and a frame a second, as a fleet of this size gives them.
"""

from __future__ import annotations

import argparse
import math
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.pty_console import Console
from tui.present.choice import Filter, Sort
from tui.present.fields import columns_for
from tui.present.folds import FoldTable, fold_fields
from tui.present.links import LINK_FIELDS, LinkTable
from tui.present.rails import Layer, RailMap, spots
from tui.present.rows import TableModel
from watchfloor import wiring
from watchfloor.columns import Mask
from watchfloor.fabric import Surveyor
from watchfloor.fleet import Fleet
from watchfloor.folds import Folder, Grouping, by_kind, fold
from watchfloor.frame import Frame
from watchfloor.history import COARSE_SECONDS, Ring
from watchfloor.model import NodeSpec, NodeStatus, Phase, Scope, Subject
from watchfloor.report import Cells, Hello, Report, Schema, Table

START, RAILS, BOARDS, ROWS_SEEN = 1_800_000_000.0, 8, 8, 50
METRICS = ["name", "kind", "accelerator", "peer", "up", "speed", "rx", "tx", "crc_errors", "ib.symbol_error"]
LIMIT_MS = 30.0  # of a frame
KEY_P50_LIMIT, KEY_P99_LIMIT = 6.0, 50.0  # milliseconds
SLICES = 50  # of a second, in each of which as many nodes report
KEYS = (b"\x1b[B", b"\x1b[B", b"\x1b[A", b"\x1b[B", b"\x1b[6~", b"\x1b[5~")  # down, up, page down and up
SILENT_EVERY = 100  # nodes


class Links:
    """`nodes` × `links` through the real `Fleet`."""

    def __init__(self, nodes: int, links: int) -> None:
        self.now, self._links = START, links
        self._random = np.random.default_rng(1)
        specs = [NodeSpec(f"n{at:05}", f"n{at:05}", rack=f"r{at // 16:03}") for at in range(nodes)]
        self.fleet = Fleet(specs, lambda: self.now)
        keys = [f"ib:mlx5_{at}/1" if at < RAILS else f"nvlink:b{at % BOARDS}:{at // BOARDS}" for at in range(links)]
        for node in range(nodes):
            self.fleet.status(node, NodeStatus(Phase.LIVE))
            self.fleet.hello(node, Hello(1, f"n{node}", "b", self.now, "0" * 64, "3.12", 1, ["host"], {}), self.now)
            self.fleet.schema(node, Schema(1, {"link": Table(keys, METRICS)}))
            self.fleet.report(node, Report(1, 1, self.now, True, {"link": self._whole(keys)}), self.now)
            if node % SILENT_EVERY == 1:
                self.fleet.status(node, NodeStatus(Phase.BACKOFF, text="no answer"))
        self.frame()

    def _whole(self, keys: list[str]) -> Cells:
        cells, width = Cells(), len(METRICS)
        for at, key in enumerate(keys):
            kind = "infiniband" if at < RAILS else "nvlink"
            texts = (key.rpartition(":")[2], kind, "" if at < RAILS else f"b{at % BOARDS}", f"leaf-{at % 4}")
            cells.xp.extend(range(at * width, at * width + 4))
            cells.x.extend(texts)
            cells.p.extend(range(at * width + 4, at * width + width))
            cells.v.extend([1.0, 5e10, 2e10, 2e10, 0.0, 0.0])
        return cells

    def frame(self) -> Frame:
        """A second on: the rates of every link have moved."""
        self.now += 1.0
        self.move(0, len(self.fleet.specs))
        return self.picture()

    def picture(self) -> Frame:
        self.fleet.tick()
        return self.fleet.frame().with_findings([])

    def move(self, first: int, stop: int) -> None:
        """These nodes report."""
        width = len(METRICS)
        places = [at * width + column for at in range(self._links) for column in (6, 7)]
        for node in range(first, stop):
            if node % SILENT_EVERY == 1:
                continue
            cells = Cells(p=places, v=self._random.uniform(1.8e10, 2.2e10, len(places)).tolist())
            self.fleet.report(node, Report(2, 1, self.now, False, {"link": cells}), self.now)


def milliseconds(act: Callable[[], object]) -> float:
    start = time.process_time()
    act()
    return 1000 * (time.process_time() - start)


class Page:
    """What the page does with a frame, without the terminal."""

    def __init__(self) -> None:
        self.surveyor, self.folder, self.places = Surveyor(), Folder(), None
        self.filter, self.cursor = Filter('kind == "infiniband"', Scope.LINK), None

    def survey(self, frame: Frame) -> None:
        self.surveyor.survey(frame)

    def folded(self, frame: Frame, passed: Mask | None = None) -> None:
        survey = self.surveyor.survey(frame)
        folds = fold(survey, self.folder.groups(survey, Grouping.NODE), passed)
        by_kind(folds)
        self._look_at(FoldTable(folds, columns_for(fold_fields(Grouping.NODE), 200), Sort("state")))

    def filtered(self, frame: Frame) -> None:
        self.folded(frame, self.filter.links(frame))

    def single(self, frame: Frame) -> None:
        self._look_at(LinkTable(self.surveyor.survey(frame), columns_for(LINK_FIELDS, 200), Sort("usage")))

    def map(self, frame: Frame) -> None:
        survey = self.surveyor.survey(frame)
        self.places = spots(survey, Layer.RAILS, self.places)
        RailMap(survey, self.places)

    def _look_at(self, table: TableModel) -> None:
        if self.cursor is None or table.index_of(self.cursor) is None:
            self.cursor = table.identity(table.count // 2)
        for index in range(min(ROWS_SEEN, table.count)):
            table.cells(index)


class SpreadFeed:
    """ports.Feed: in a thread of its own, as the collectors are."""

    def __init__(self, links: Links) -> None:
        self._links, self._stopping = links, threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, on_frame: Callable[[Frame], None]) -> None:
        self._thread = threading.Thread(target=self._run, args=(on_frame,), daemon=True)
        self._thread.start()

    def _run(self, on_frame: Callable[[Frame], None]) -> None:
        links, nodes = self._links, len(self._links.fleet.specs)
        on_frame(links.frame())
        at = time.monotonic()
        while True:
            for part in range(SLICES):
                links.move(nodes * part // SLICES, nodes * (part + 1) // SLICES)
                at += 1 / SLICES
                if self._stopping.wait(max(0.0, at - time.monotonic())):
                    return
            links.now += 1.0
            on_frame(links.picture())

    def reconnect(self, node: int) -> None: ...

    def acknowledge(self, subject: Subject, code: str, note: str | None) -> None: ...

    def clear(self, subject: Subject, code: str) -> None: ...

    def trouble(self) -> str:
        return ""

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5)


def typed(nodes: int, links: int, look: bytes, seconds: float) -> str:
    """Milliseconds from key to paint with the page open, after these keys have made it look so."""
    console = Console([sys.executable, "-m", "bench.fabric", "--show", "--nodes", str(nodes), "--links", str(links)])
    try:
        console.until(b"nodes", 60)
        for key in (b"3", *(bytes([key]) for key in look)):
            console.watch(1.5)
            console.press(key)
        console.watch(3)
        cpu, began = console.cpu_seconds(), time.perf_counter()
        waits, end, number = [], began + seconds, 0
        while time.perf_counter() < end:
            wait, number = console.press(KEYS[number % len(KEYS)]), number + 1
            waits += [] if math.isnan(wait) else [1000 * wait]
            console.watch(0.03 + 0.007 * (number % 7))  # keys fall on every phase of the frames
        used = 100 * (console.cpu_seconds() - cpu) / (time.perf_counter() - began)
    finally:
        console.close()
    waits.sort()
    p50, p99 = median(waits), waits[int(len(waits) * 0.99)]
    return (
        f"p50 {p50:.1f} ms ({p50 / KEY_P50_LIMIT:.2f}×)  p99 {p99:.1f} ms ({p99 / KEY_P99_LIMIT:.2f}×)"
        f"  longest {waits[-1]:.0f} ms of {len(waits)} keys; CPU of the process {used:.0f} %, its reports included"
    )


def plain_folding(frame: Frame) -> None:
    """The same sums with a dictionary a fold."""
    links, sums = frame.links, dict[tuple[int, str], list[float]]()
    rates = [links.known(name).tolist() for name in ("up", "rx", "tx", "usage")]
    kinds = [links.texts[code] for code in links.codes("kind").tolist()]
    for node, kind, up, rx, tx, usage in zip(links.node.tolist(), kinds, *rates, strict=True):
        found = sums.setdefault((node, kind), [0.0, 0.0, 0.0, 0.0])
        found[0] += up
        found[1] += rx
        found[2] += tx
        found[3] = max(found[3], usage)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=4000)
    parser.add_argument("--links", type=int, default=150)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0, help="of typing, per look of the page")
    parser.add_argument("--show", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.show:
        return wiring.run_terminal(SpreadFeed(Links(options.nodes, options.links)), "bench", read_only=True)
    print(f"{options.nodes:,} nodes × {options.links} links, ms a frame (limit {LIMIT_MS:.0f}); the first frame aside")
    print_frames(Links(options.nodes, options.links), options.frames)
    for look, keys in (("folded", b""), ("single", b"tU"), ("no fabric page", b"1")):
        print(f"  keys, {look:<15}{typed(options.nodes, options.links, keys, options.seconds)}", flush=True)
    print(f"history of {options.nodes * RAILS:,} ports: {_history_bytes(options.nodes * RAILS) / 2**20:.1f} MiB")
    return 0


def print_frames(links: Links, frames: int) -> None:
    page = Page()
    for name in ("survey", "folded", "filtered", "single", "map"):
        act = getattr(page, name)
        first = milliseconds(lambda act=act: act(links.frame()))
        times = []
        for _ in range(frames):
            frame = links.frame()
            milliseconds(lambda frame=frame: frame.links.states)  # the checks have asked for it before the page does
            times.append(milliseconds(lambda act=act, frame=frame: act(frame)))
        took = median(times)
        print(f"  {name:<8} {took:>7.1f} ({took / LIMIT_MS:.2f}×)   first {first:.0f}, its frame included")
    newest = links.frame()
    print(f"  dictionaries, sums alone {milliseconds(lambda: plain_folding(newest)):,.0f}")


def _history_bytes(ports: int) -> float:
    """What half an hour of these ports' history takes."""
    ring, values, rows = Ring(Scope.LINK), np.full(ports, 40.0), np.arange(ports)
    tracemalloc.start()
    for _ in range(2 * COARSE_SECONDS):
        ring.append({"usage": values}, rows)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return taken


if __name__ == "__main__":
    sys.exit(main())
