"""Where each accelerator of a heat map is drawn: the best density that fits a given room. Pure arithmetic.

From roomy to tight: tiles with a number, squares, two tiles in one cell (half blocks), the same without gaps between
nodes, racks one after another on a line, and at last several accelerators of a rack in one tile. Whatever the density,
every accelerator is in exactly one tile and every tile is on the screen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from tui.present.format import fit
from tui.present.heat import Group

Indices = NDArray[np.int32]

NUMBER_TILE = 4  # cells: three characters and a gap
_SQUARE_TILE = 2
_LABEL_MOST = 12  # cells of a group's label
_BETWEEN = 2  # cells between groups that stand beside one another


@dataclass(frozen=True, slots=True)
class Density:
    """`tile` cells across; `pair`: two tiles in one cell, upper and lower; `gap` cells between blocks; `merge`
    accelerators in a tile; `flow`: groups follow one another on a line; `across`: tiles may span groups."""

    tile: int
    pair: bool
    gap: int = 0
    merge: int = 1
    flow: bool = False
    across: bool = False


@dataclass(frozen=True)
class HeatLayout:
    """`starts[t]` is the first position of tile t, with the number of positions at the end; tile t is drawn in row
    `rows[t]` (half lines where the density pairs) at cell `xs[t]`."""

    density: Density
    width: int
    lines: int
    starts: Indices
    rows: Indices
    xs: Indices
    labels: tuple[tuple[int, int, str], ...]  # line, x, text

    @cached_property
    def grid(self) -> Indices:
        """[row, x] -> tile, -1 where there is none; rows are half lines where the density pairs."""
        rows_per_line = 2 if self.density.pair else 1
        grid = np.full((self.lines * rows_per_line, self.width), -1, np.int32)
        grid[self.rows, self.xs] = np.arange(len(self.rows), dtype=np.int32)
        return grid

    @property
    def tiles(self) -> int:
        return len(self.rows)

    def tile_of(self, position: int) -> int:
        return int(np.searchsorted(self.starts, position, "right")) - 1

    def positions(self, tile: int) -> range:
        return range(int(self.starts[tile]), int(self.starts[tile + 1]))

    def line_of(self, tile: int) -> int:
        return int(self.rows[tile]) // (2 if self.density.pair else 1)

    def lines_of(self, which: NDArray[np.bool_]) -> set[int]:
        """The lines of these tiles."""
        return set((self.rows[which] // (2 if self.density.pair else 1)).tolist())

    def tile_at(self, line: int, x: int) -> int | None:
        """The tile under a cell of the screen; of two in one cell the upper."""
        per_line = 2 if self.density.pair else 1
        for row in range(line * per_line, (line + 1) * per_line):
            for left in range(x, max(-1, x - self.density.tile), -1):
                if row < len(self.grid) and 0 <= left < self.width and self.grid[row, left] >= 0:
                    return int(self.grid[row, left])
        return None

    def step(self, tile: int, dx: int, dy: int) -> int:
        """The next tile: sideways in reading order, up and down the nearest of the next row that has any."""
        if dx:
            order = np.lexsort((self.xs, self.rows))
            at = int(np.flatnonzero(order == tile)[0]) + dx
            return int(order[min(max(at, 0), self.tiles - 1)])
        beyond = self.rows[(self.rows - self.rows[tile]) * dy > 0]
        if not beyond.size:
            return tile
        row = beyond.min() if dy > 0 else beyond.max()
        there = np.flatnonzero(self.rows == row)
        return int(there[np.abs(self.xs[there] - self.xs[tile]).argmin()])


def lay_out(groups: Sequence[Group], width: int, height: int, *, pairs: bool) -> HeatLayout:
    """The roomiest layout of these groups within `width` × `height` cells. `pairs`: half blocks can be drawn."""
    count = groups[-1].stop if groups else 0
    if not count or width < 1 or height < 1:
        nothing = np.zeros(0, np.int32)
        return HeatLayout(Density(1, pairs), max(width, 0), 0, np.zeros(1, np.int32), nothing, nothing, ())
    for density in _densities(count, pairs):
        plan = _Plan(groups, density, width)
        if plan.lines <= height:
            return plan.layout()
    slots = width * height * (2 if pairs else 1)
    everything = [Group("", 0, count)]
    return _Plan(everything, Density(1, pairs, merge=-(-count // slots), flow=True, across=True), width).layout()


def _densities(count: int, pairs: bool) -> Iterator[Density]:
    yield Density(NUMBER_TILE, False, 1)
    yield Density(_SQUARE_TILE, False, 1)
    yield Density(1, pairs, 1)
    yield Density(1, pairs)
    merge = 1
    while merge < 2 * count:
        yield Density(1, pairs, merge=merge, flow=True)
        merge *= 2


class _Plan:
    """One density tried in one width: how many lines it takes, and the layout itself when it is the one."""

    def __init__(self, groups: Sequence[Group], density: Density, width: int) -> None:
        self.groups, self.density, self.width = groups, density, width
        self.gutter = self._gutter()
        self.room = width - self.gutter
        self.runs = [self._runs(group) for group in groups]
        self.beside = self._groups_beside()
        self.lines = self._count_lines()

    def _gutter(self) -> int:
        longest = max(cell_len(group.label) for group in self.groups)
        gutter = min(longest, _LABEL_MOST) + 1 if longest else 0
        # a label is help, the accelerators are the matter
        return gutter if gutter <= self.width // 3 and not self.density.across else 0

    def _runs(self, group: Group) -> list[int]:
        """Cells of each part of a group that a gap follows."""
        size = group.stop - group.start
        if self.density.gap:
            sizes = [block for block in group.blocks if block] or [size]
            return [self.density.tile * (-(-block // 2) if self.density.pair else block) for block in sizes]
        tiles = -(-size // self.density.merge)
        return [self.density.tile * (-(-tiles // 2) if self.density.pair else tiles)]

    def _natural(self, runs: Sequence[int]) -> int:
        return sum(runs) + self.density.gap * (len(runs) - 1)

    def _groups_beside(self) -> int:
        if self.density.flow:
            return 1
        widest = max(self._natural(runs) for runs in self.runs)
        return max(1, (self.width + _BETWEEN) // (self.gutter + widest + _BETWEEN))

    def _count_lines(self) -> int:
        if self.room + 1 < self.density.tile or self.room < 1:
            return 1 << 30  # not even one tile fits
        if self.density.flow:
            return -(-(sum(runs[0] + 1 for runs in self.runs) - 1) // self.room)
        if self.beside > 1:
            return -(-len(self.groups) // self.beside)
        return sum(1 + self._offsets(runs)[-1][0] for runs in self.runs)

    def _offsets(self, runs: Sequence[int]) -> list[tuple[int, int, int]]:
        """(line, x, cells) of each piece of a group alone on its lines: a run that doesn't fit goes on below."""
        tile = self.density.tile
        room = self.room + (tile > 1)  # a wide tile ends with a gap, and the last gap may be beyond the edge
        if len(set(runs)) == 1 and 0 < runs[0] <= room:
            room = _balanced(len(runs), runs[0], self.density.gap, room)
        longest = max(tile, room - room % tile)
        line, x, pieces = 0, 0, []
        for run in runs:
            if x and x + run > room:
                line, x = line + 1, 0
            for begin in range(0, run, longest):
                line += begin > 0
                cells = min(longest, run - begin)
                pieces.append((line, x, cells))
                x = 0 if begin + cells < run else x + cells + self.density.gap
        return pieces or [(0, 0, 0)]

    def layout(self) -> HeatLayout:
        starts, cells = self._tiles_and_cells()
        line, x, labels = self._flowing() if self.density.flow else self._placed()
        rows, xs = np.empty(len(starts) - 1, np.int32), np.empty(len(starts) - 1, np.int32)
        for half in (0, 1) if self.density.pair else (0,):
            there = cells[:, half] >= 0
            rows[cells[there, half]] = line[there] * (2 if self.density.pair else 1) + half
            xs[cells[there, half]] = x[there]
        return HeatLayout(self.density, self.width, self.lines, starts, rows, xs, tuple(labels))

    def _tiles_and_cells(self) -> tuple[Indices, Indices]:
        """First position of each tile, and for each cell in drawing order its upper and lower tile (-1: none)."""
        starts: list[Indices] = []
        cells: list[Indices] = []
        known = 0
        for group in self.groups:
            tiles = np.arange(group.start, group.stop, self.density.merge, dtype=np.int32)
            starts.append(tiles)
            sizes = (group.blocks or (len(tiles),)) if self.density.gap else (len(tiles),)
            for first, last in pairwise(np.cumsum([known, *sizes])):
                cells.append(self._cells(int(first), int(last)))
            known += len(tiles)
        starts.append(np.array([self.groups[-1].stop], np.int32))
        return np.concatenate(starts), np.concatenate(cells)

    def _cells(self, first: int, last: int) -> Indices:
        """The tiles of one run: where a node keeps to itself its first half is above its second, as it is built."""
        tiles = np.arange(first, last, dtype=np.int32)
        if not self.density.pair:
            return tiles[:, None]
        if len(tiles) % 2:
            tiles = np.append(tiles, np.int32(-1))
        return tiles.reshape(2, -1).T if self.density.gap else tiles.reshape(-1, 2)

    def _flowing(self) -> tuple[Indices, Indices, list[tuple[int, int, str]]]:
        lengths = [runs[0] for runs in self.runs]
        begins = np.cumsum([0, *(length + 1 for length in lengths[:-1])])
        offsets = np.concatenate([np.arange(begin, begin + n) for begin, n in zip(begins, lengths, strict=True)])
        line, x = (offsets // self.room).astype(np.int32), (offsets % self.room + self.gutter).astype(np.int32)
        labels: dict[int, str] = {}
        for group, begin in zip(self.groups, begins, strict=True):
            labels.setdefault(int(begin) // self.room, group.label)
        return line, x, [(at, 0, self._cut(text)) for at, text in labels.items()] if self.gutter else []

    def _placed(self) -> tuple[Indices, Indices, list[tuple[int, int, str]]]:
        lines: list[Indices] = []
        xs: list[Indices] = []
        labels: list[tuple[int, int, str]] = []
        top = 0
        column = self.gutter + max(self._natural(runs) for runs in self.runs) + _BETWEEN
        for number, (group, runs) in enumerate(zip(self.groups, self.runs, strict=True)):
            left = (number % self.beside) * column
            top = number // self.beside if self.beside > 1 else top
            labels.append((top, left, self._cut(group.label)))
            pieces = self._offsets(runs)
            for line, x, length in pieces:
                at = np.arange(x, x + length, self.density.tile, dtype=np.int32)
                xs.append(at + self.gutter + left)
                lines.append(np.full(len(at), top + line, np.int32))
            top += pieces[-1][0] + 1 if self.beside == 1 else 0
        return np.concatenate(lines), np.concatenate(xs), labels if self.gutter else []

    def _cut(self, label: str) -> str:
        return fit(label, self.gutter - 1).rstrip()


def _balanced(count: int, run: int, gap: int, room: int) -> int:
    """Cells to use so that `count` equal runs fill their lines alike: eight as 4 + 4, where 6 + 2 would fit."""
    fit = (room + gap) // (run + gap)
    lines = -(-count // fit)
    return -(-count // lines) * (run + gap) - gap
