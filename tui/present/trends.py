"""What the charts of the node page draw: six trends of an accelerator, or of the host where there is none."""

from __future__ import annotations

from collections.abc import Sequence

from tui.present.chart import Plot
from tui.present.format import exact
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Unit
from watchfloor.model import Missing, Scope

# metric -> the metric that says how high it can go
_OF_BOARD = {"util": "", "mem_used": "mem_total", "power": "power_limit", "temp": "", "clock_sm": "clock_sm_max"}
_OF_HOST = {"cpu": "", "mem_used": "mem_total", "load1": "cpus", "net_rx": "", "net_tx": "", "disk_read": ""}


def plots(frame: Frame, node: int, board: int | None, half_hour: bool) -> Sequence[Plot]:
    """Six plots, always: `board` is an accelerator's row, None for the host's own trends."""
    if board is None:
        return [_plot(frame, Scope.NODE, node, name, limit, half_hour) for name, limit in _OF_HOST.items()]
    traffic = "link_rx" if frame.accelerators.reasons("link_rx")[board] != Missing.UNSUPPORTED else "pcie_rx"
    wanted = {**_OF_BOARD, traffic: ""}
    return [_plot(frame, Scope.ACCELERATOR, board, name, limit, half_hour) for name, limit in wanted.items()]


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
