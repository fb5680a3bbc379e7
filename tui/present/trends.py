"""What the charts of the node page draw: six trends of an accelerator, or of the host where there is none.

What a vendor's tools never tell of an accelerator (power and temperature of a TPU, for one) leaves its place to the
host.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tui.present.chart import Plot
from tui.present.format import exact
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Unit
from watchfloor.model import Missing, Scope

_PLOTS = 6
# metric -> the metric that says how high it can go
_OF_BOARD = {
    "util": "", "mem_used": "mem_total", "power": "power_limit", "temp": "", "clock_sm": "clock_sm_max", "link_rx": "",
    "pcie_rx": "",
}  # fmt: skip
_OF_HOST = {"cpu": "", "mem_used": "mem_total", "load1": "cpus", "net_rx": "", "net_tx": "", "disk_read": ""}


def plots(frame: Frame, node: int, board: int | None, half_hour: bool) -> Sequence[Plot]:
    """Six plots, always: `board` is an accelerator's row, None for the host's own trends."""
    told = [] if board is None else [(Scope.ACCELERATOR, board, *trend) for trend in _told(frame, board)]
    wanted = [*told, *((Scope.NODE, node, *trend) for trend in _OF_HOST.items())]
    return [_plot(frame, scope, row, name, limit, half_hour) for scope, row, name, limit in wanted[:_PLOTS]]


def _told(frame: Frame, board: int) -> Iterator[tuple[str, str]]:
    """Trends that the board has, also where their value is missing now."""
    for name, limit in _OF_BOARD.items():
        if frame.accelerators.reasons(name)[board] != Missing.UNSUPPORTED:
            yield name, limit


def _plot(frame: Frame, scope: Scope, row: int, name: str, limit: str, half_hour: bool) -> Plot:
    metric, history = CATALOGUE[scope][name], frame.history
    series = (history.half_hour if half_hour else history.minute)(scope, name, row)
    high = 100.0 if metric.unit is Unit.PERCENT else None
    if limit:
        most = float(frame.view(scope).last(limit)[row])
        high = most if most == most else None
    owner = frame.accelerators.text(row, "name") if scope is Scope.ACCELERATOR else frame.specs[row].name
    words, _ = exact(frame.view(scope).cell(row, name), metric)
    return Plot(f"{owner} {metric.title.rstrip('%').lower()}", metric.unit, series, high=high, note=words)
