"""The table and the heat map under load: key to paint, and CPU, beside Textual's DataTable in the same run.

    python bench/screen.py [--seconds 6]

A child shows both in a terminal of 200 × 50. Frames come 0 to 4 times a second, and each changes a third of all rows;
the list is sorted anew with every frame. DataTable is given its visible rows alone at each frame, which is the kindest
use of it, and no heat map; its rows are few, for it takes seconds to fill.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from textual.app import App, ComposeResult
from textual.widgets import DataTable

from bench.pty_console import Console
from tui.present.format import Text
from tui.present.heat import Group, levels_of, scale_for
from tui.present.rows import Column
from tui.present.style import LOAD, Token
from tui.widgets.heatmap import HeatMap
from tui.widgets.table import VirtualTable
from watchfloor.metrics import Unit

KEY_P50_LIMIT, KEY_P99_LIMIT = 6.0, 50.0  # milliseconds
COLUMNS = 15
CHANGED = 1 / 3  # of the rows, at each frame
KEYS = (b"\x1b[B", b"\x1b[B", b"\x1b[A", b"\x1b[B", b"\x1b[6~", b"\x1b[B")  # down, up, page down


@dataclass(frozen=True)
class Case:
    widget: str  # "lines" or "DataTable"
    rows: int
    hertz: float


HEADER = (
    f"{'widget':<10} {'rows':>7} {'Hz':>4} {'CPU %':>7} {'p50 ms':>7} {'(/6)':>8} {'p99 ms':>7} {'(/50)':>8}"
    f" {'KiB/s':>7}   DataTable costs (p50 / CPU)"
)
CASES = (
    Case("lines", 10_000, 0), Case("lines", 10_000, 1), Case("lines", 10_000, 4),
    Case("lines", 80_000, 1), Case("lines", 80_000, 4),
    Case("lines", 1_000, 1), Case("lines", 1_000, 4), Case("DataTable", 1_000, 1), Case("DataTable", 1_000, 4),
)  # fmt: skip


class Data:
    """One frame: values of every row, sorted by the first of them, as a table and as a heat map see it."""

    columns: Sequence[Column] = tuple(Column(f"c{n}", f"C{n}", 11, "right", fixed=n == 0) for n in range(COLUMNS))
    sort = ("c1", True)
    dimmed = None

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.count = len(values)
        self.order = np.argsort(-values[:, 0], kind="stable")
        self.places = np.empty(self.count, np.int64)
        self.places[self.order] = np.arange(self.count)
        self.states = np.zeros(self.count, np.int8)
        self.scale = scale_for("util", Unit.PERCENT, "util", values[:, 0])
        self.levels = levels_of(values[:, 0], np.zeros(self.count, np.bool_), self.scale)

    @cached_property
    def groups(self) -> Sequence[Group]:
        return [Group(f"rack-{at // 64}", at, min(at + 64, self.count), ()) for at in range(0, self.count, 64)]

    def following(self, random: np.random.Generator) -> Data:
        values = self.values.copy()
        changed = random.random(self.count) < CHANGED
        values[changed] = random.uniform(0, 100, (int(changed.sum()), COLUMNS))
        return Data(values)

    def cells(self, index: int) -> Sequence[Text]:
        row = int(self.order[index])
        numbers = [(f"{value:.1f}", LOAD[3 + int(value) % 7]) for value in self.values[row, 1:].tolist()]
        return [(f"g{row:06}", Token.STRONG), *numbers]

    def identity(self, index: int) -> Hashable:
        return int(self.order[index])

    def index_of(self, identity: Hashable) -> int | None:
        return int(self.places[int(str(identity))])

    def marked(self, index: int) -> bool:
        return False

    def short(self, position: int) -> str:
        return str(int(self.levels[position]))

    def describe(self, position: int) -> str:
        return f"g{position:06}"


class OnMap:
    """The same data by position of the map rather than by place in the list."""

    def __init__(self, data: Data) -> None:
        self.groups, self.levels, self.states = data.groups, data.levels, data.states
        self.dimmed, self.scale, self.short, self.describe = None, data.scale, data.short, data.describe

    def identity(self, position: int) -> Hashable:
        return position

    def index_of(self, identity: Hashable) -> int | None:
        return int(str(identity))


class Screen(App[None]):
    CSS = "HeatMap { height: 16; } VirtualTable, DataTable { height: 1fr; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.case = case
        self.random = np.random.default_rng(1)
        self.data = Data(self.random.uniform(0, 100, (case.rows, COLUMNS)))

    def compose(self) -> ComposeResult:
        if self.case.widget == "lines":
            yield HeatMap()
            yield VirtualTable()
        else:
            yield DataTable(cursor_type="row")

    def on_mount(self) -> None:
        if self.case.widget == "DataTable":
            self._fill()
        self.show()
        for table in self.query(VirtualTable):
            table.select(self.data.identity(0))  # pinned, so that only keys move the cursor
        self.query_one("VirtualTable, DataTable").focus()
        if self.case.hertz:
            self.set_interval(1 / self.case.hertz, self.tick)

    def tick(self) -> None:
        self.data = self.data.following(self.random)
        self.show()

    def show(self) -> None:
        if self.case.widget == "lines":
            self.query_one(HeatMap).show(OnMap(self.data))
            self.query_one(VirtualTable).show(self.data)
            return
        table = self.query_one(DataTable)
        top = int(table.scroll_offset.y)
        for index in range(top, min(top + table.size.height, self.case.rows)):
            for column, (text, _) in enumerate(self.data.cells(index)):
                table.update_cell(str(index), f"c{column}", text)

    def _fill(self) -> None:
        table = self.query_one(DataTable)
        for column in self.data.columns:
            table.add_column(column.title, key=column.name, width=column.width)
        for index in range(self.case.rows):
            table.add_row(*(text for text, _ in self.data.cells(index)), key=str(index))


@dataclass(frozen=True)
class Result:
    case: Case
    cpu_percent: float
    p50: float
    p99: float
    bytes_per_second: float


def measure(case: Case, seconds: float) -> Result:
    console = Console(
        [sys.executable, __file__, "--show", case.widget, str(case.rows), str(case.hertz)], {"TEXTUAL_FPS": "240"}
    )
    try:
        console.until(b"C14", 60)
        console.watch(1.0)
        cpu, began, written = console.cpu_seconds(), time.perf_counter(), console.written_bytes
        console.watch(seconds)
        lasted = time.perf_counter() - began
        used, rate = console.cpu_seconds() - cpu, (console.written_bytes - written) / lasted
        latencies = sorted(press(console, seconds))
        return Result(
            case, 100 * used / lasted, 1000 * statistics.median(latencies),
            1000 * latencies[int(len(latencies) * 0.99)], rate,
        )  # fmt: skip
    finally:
        console.close()


def press(console: Console, seconds: float) -> list[float]:
    """Seconds from each key to its answer (see bench.pty_console)."""
    latencies, number, end = [], 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        latency = console.press(KEYS[number % len(KEYS)])
        number += 1
        if not math.isnan(latency):
            latencies.append(latency)
        console.watch(0.03 + 0.03 * (number % 3))  # keys fall on every phase of the frames
    return latencies


def row(result: Result, peer: Result | None) -> str:
    case = result.case
    ratio = f"{peer.p50 / result.p50:.1f}× / {peer.cpu_percent / max(result.cpu_percent, 0.1):.1f}×" if peer else ""
    return (
        f"{case.widget:<10} {case.rows:>7,} {case.hertz:>4g} {result.cpu_percent:>7.1f}"
        f" {result.p50:>7.1f} ({result.p50 / KEY_P50_LIMIT:>5.2f}×)"
        f" {result.p99:>7.1f} ({result.p99 / KEY_P99_LIMIT:>5.2f}×)"
        f" {result.bytes_per_second / 1024:>7.0f}   {ratio}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6.0, help="of watching, and again of typing, per case")
    parser.add_argument("--show", nargs=3, metavar=("WIDGET", "ROWS", "HERTZ"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.show:
        widget, rows, hertz = options.show
        Screen(Case(widget, int(rows), float(hertz))).run()
        return 0
    results = {case: measure(case, options.seconds) for case in CASES}
    print(HEADER)
    for case, result in results.items():
        peer = results.get(Case("DataTable", case.rows, case.hertz)) if case.widget == "lines" else None
        print(row(result, peer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
