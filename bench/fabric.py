"""The fabric page of a large fleet: what a new frame costs it, and the memory of its ports' history.

    python -m bench.fabric [--nodes 4000] [--links 150] [--frames 8]

Links as an HGX node has them: 8 InfiniBand ports, the rest NVLinks. A frame after the first is what counts, with one
report a node between two frames; the page takes four frames a second at most. Milliseconds are of processor time.
Beside it the same folding as dictionaries would do it.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tui.present.choice import Sort
from tui.present.fields import columns_for
from tui.present.folds import FoldTable, fold_fields
from tui.present.links import LINK_FIELDS, LinkTable
from tui.present.rails import Layer, RailMap, spots
from watchfloor.fabric import Surveyor
from watchfloor.fleet import Fleet
from watchfloor.folds import Folder, Grouping, by_kind, fold
from watchfloor.frame import Frame
from watchfloor.history import COARSE_SECONDS, Ring
from watchfloor.model import NodeSpec, NodeStatus, Phase, Scope
from watchfloor.report import Cells, Hello, Report, Schema, Table

START, RAILS, BOARDS, ROWS_SEEN = 1_800_000_000.0, 8, 8, 50
METRICS = ["name", "kind", "accelerator", "peer", "up", "speed", "rx", "tx", "crc_errors", "ib.symbol_error"]
LIMIT_MS = 50.0


class Links:
    """`nodes` × `links` through the real `Fleet`."""

    def __init__(self, nodes: int, links: int) -> None:
        self.now, self._links = START, links
        specs = [NodeSpec(f"n{at:05}", f"n{at:05}", rack=f"r{at // 16:03}") for at in range(nodes)]
        self.fleet = Fleet(specs, lambda: self.now)
        keys = [f"ib:mlx5_{at}/1" if at < RAILS else f"nvlink:b{at % BOARDS}:{at // BOARDS}" for at in range(links)]
        for node in range(nodes):
            self.fleet.status(node, NodeStatus(Phase.LIVE))
            self.fleet.hello(node, Hello(1, f"n{node}", "b", self.now, "0" * 64, "3.12", 1, ["host"], {}), self.now)
            self.fleet.schema(node, Schema(1, {"link": Table(keys, METRICS)}))
            self.fleet.report(node, Report(1, 1, self.now, True, {"link": self._whole(keys)}), self.now)
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
        width = len(METRICS)
        places = [at * width + column for at in range(self._links) for column in (6, 7)]
        for node in range(len(self.fleet.specs)):
            cells = Cells(p=places, v=[2e10 + node + self.now % 60] * len(places))
            self.fleet.report(node, Report(2, 1, self.now, False, {"link": cells}), self.now)
        self.fleet.tick()
        return self.fleet.frame().with_findings([])


def milliseconds(act: Callable[[], object]) -> float:
    start = time.process_time()
    act()
    return 1000 * (time.process_time() - start)


class Page:
    """What the page does with a frame, without the terminal."""

    def __init__(self) -> None:
        self.surveyor, self.folder, self.places = Surveyor(), Folder(), None

    def folded(self, frame: Frame) -> None:
        survey = self.surveyor.survey(frame)
        folds = fold(survey, self.folder.groups(survey, Grouping.NODE))
        by_kind(folds)
        table = FoldTable(folds, columns_for(fold_fields(Grouping.NODE), 200), Sort("state"))
        for index in range(min(ROWS_SEEN, table.count)):
            table.cells(index)

    def single(self, frame: Frame) -> None:
        table = LinkTable(self.surveyor.survey(frame), columns_for(LINK_FIELDS, 200), Sort("usage"))
        for index in range(min(ROWS_SEEN, table.count)):
            table.cells(index)

    def map(self, frame: Frame) -> None:
        survey = self.surveyor.survey(frame)
        self.places = spots(survey, Layer.RAILS, self.places)
        RailMap(survey, self.places)


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
    options = parser.parse_args()
    links, page = Links(options.nodes, options.links), Page()
    print(f"{options.nodes:,} nodes × {options.links} links, ms a frame (limit {LIMIT_MS:.0f}); the first frame aside")
    for name in ("folded", "single", "map"):
        act = getattr(page, name)
        first = milliseconds(lambda act=act: act(links.frame()))
        times = []
        for _ in range(options.frames):
            frame = links.frame()
            milliseconds(lambda frame=frame: frame.links.states)  # the checks have asked for it before the page does
            times.append(milliseconds(lambda act=act, frame=frame: act(frame)))
        took = median(times)
        print(f"  {name:<8} {took:>7.1f} ({took / LIMIT_MS:.2f}×)   first {first:.0f}, its frame included")
    newest = links.frame()
    print(f"  dictionaries, sums alone {milliseconds(lambda: plain_folding(newest)):,.0f}")
    print(f"history of {options.nodes * RAILS:,} ports: {_history_bytes(options.nodes * RAILS) / 2**20:.1f} MiB")
    return 0


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
