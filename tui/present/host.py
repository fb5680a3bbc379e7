"""A node's own figures as lines: processor, memory, pressure, disks, file systems, network."""

from __future__ import annotations

from collections.abc import Sequence

from tui.present.details import filesystems
from tui.present.format import exact, fit, meter, quantity
from tui.present.line import Line, Piece
from tui.present.style import Glyphs, Token
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Unit
from watchfloor.model import Missing, Scope

_METRICS = CATALOGUE[Scope.NODE]
_GAUGES = (("CPU", "cpu"), ("memory", "mem"), ("I/O wait", "cpu_iowait"), ("fullest disk", "fs_used"))
_PLAIN = (
    ("load 1 m", "load1"), ("load 5 m", "load5"), ("load 15 m", "load15"), ("processors", "cpus"),
    ("memory used", "mem_used"), ("memory in all", "mem_total"), ("swap used", "swap_used"), ("blocked", "blocked"),
    ("CPU pressure", "pressure_cpu"), ("memory pressure", "pressure_mem"), ("I/O pressure", "pressure_io"),
    ("disk read", "disk_read"), ("disk written", "disk_write"), ("network in", "net_rx"), ("network out", "net_tx"),
)  # fmt: skip
_LABEL, _VALUE, _BAR = 16, 20, 10


def host_lines(frame: Frame, node: int, width: int, glyphs: Glyphs) -> Sequence[Line]:
    """Gauges, then figures in as many columns as fit, then file systems."""
    each = _LABEL + _VALUE + 2
    columns = max(1, width // each)
    return [
        *_side_by_side([_gauge(frame, node, label, name, glyphs) for label, name in _GAUGES], columns, each),
        *_side_by_side([_figure(frame, node, label, name) for label, name in _PLAIN], columns, each),
        *_filesystems(frame, node, width, glyphs),
    ]


def _side_by_side(entries: Sequence[Line], columns: int, each: int) -> list[Line]:
    """Entries in columns, read downwards; each entry is `each` cells wide."""
    rows = -(-len(entries) // columns)
    return [[piece for entry in entries[row::rows] for piece in entry] for row in range(rows)]


def _figure(frame: Frame, node: int, label: str, name: str) -> Line:
    words, token = exact(frame.nodes.cell(node, name), _METRICS[name])
    return [(f" {fit(label, _LABEL)}", Token.DIM), (fit(words, _VALUE), token), (" ", Token.TEXT)]


def _gauge(frame: Frame, node: int, label: str, name: str, glyphs: Glyphs) -> Line:
    cell = frame.nodes.cell(node, name)
    if cell.missing is not Missing.NO or not isinstance(cell.value, float):
        return _figure(frame, node, label, name)
    words, token = exact(cell, _METRICS[name])
    bar = bar_pieces(cell.value / 100, _BAR, glyphs)
    return [(f" {fit(label, _LABEL)}", Token.DIM), *bar, (fit(f" {words}", _VALUE - _BAR), token), (" ", Token.TEXT)]


def bar_pieces(fraction: float, width: int, glyphs: Glyphs) -> list[Piece]:
    """A horizontal gauge with its empty part visible."""
    filled = meter(fraction, width, glyphs).rstrip()
    return [(filled, Token.ACCENT), ("·" * (width - len(filled)), Token.RULE)]


def _filesystems(frame: Frame, node: int, width: int, glyphs: Glyphs) -> list[Line]:
    lines: list[Line] = []
    for found in filesystems(frame.detail[node].details):
        share = found.used_bytes / found.total_bytes if found.total_bytes else 0.0
        used, total = (quantity(count, Unit.BYTES) for count in (found.used_bytes, found.total_bytes))
        words = f" {share * 100:3.0f} %  {used} of {total}"
        bar = bar_pieces(share, _BAR, glyphs)
        lines.append([(f" {fit(found.mount, _LABEL)}", Token.TEXT), *bar, (fit(words, 30), Token.TEXT)])
        lines[-1] = [*lines[-1], (f" {found.kind} on {found.device}", Token.DIM)]
    return [[], *lines] if lines else []
