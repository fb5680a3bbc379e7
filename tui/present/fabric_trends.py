"""The two charts of a node's fabric: its scale-up links, and its ports, or the one port that is selected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tui.present.chart import Plot
from tui.present.format import exact
from tui.present.links import owner_name
from watchfloor.columns import Floats
from watchfloor.fabric import SCALE_OUT, SCALE_UP
from watchfloor.frame import Frame
from watchfloor.history import Series
from watchfloor.metrics import CATALOGUE, Unit
from watchfloor.model import Scope


def plots(frame: Frame, node: int, selected: int | None, half_hour: bool) -> Sequence[Plot]:
    """Two plots: `selected` is a link's row, None for the whole node."""
    kind = frame.links.text(selected, "kind") if selected is not None else ""
    return [_inside(frame, node, selected if kind in SCALE_UP | {"pcie"} else None, half_hour),
            _outside(frame, node, selected if kind in SCALE_OUT else None, half_hour)]  # fmt: skip


def _inside(frame: Frame, node: int, selected: int | None, half_hour: bool) -> Plot:
    """What came in over the links of one accelerator, that of the selected link, or of all."""
    boards, owner = frame.rows_of(Scope.ACCELERATOR, node), ""
    name, words = "link_rx", "scale-up in"
    if selected is not None:
        owner = owner_name(frame, selected)
        key = frame.links.text(selected, "accelerator")
        boards = np.array([row for row in boards.tolist() if frame.accelerators.keys[row] == key], np.intp)
        if frame.links.text(selected, "kind") == "pcie":
            name, words = "pcie_rx", "PCIe in"
    series = _together([_series(frame, Scope.ACCELERATOR, name, row, half_hour) for row in boards.tolist()])
    if not boards.size:
        return Plot(words, Unit.BYTES_PER_SECOND, series, note="no accelerator")
    note = exact(frame.accelerators.cell(int(boards[0]), name), CATALOGUE[Scope.ACCELERATOR][name])[0]
    return Plot(f"{owner or 'all accelerators'}: {words}", Unit.BYTES_PER_SECOND, series, note=note)


def _outside(frame: Frame, node: int, selected: int | None, half_hour: bool) -> Plot:
    """The share of line speed of one port, the mean of all, or what came in over the network where there are none."""
    links = frame.links
    rails = [row for row in frame.rows_of(Scope.LINK, node).tolist() if links.text(row, "kind") in SCALE_OUT]
    shown = [selected] if selected is not None else rails
    if not shown:
        note = exact(frame.nodes.cell(node, "net_rx"), CATALOGUE[Scope.NODE]["net_rx"])[0]
        series = _series(frame, Scope.NODE, "net_rx", node, half_hour)
        return Plot("network in", Unit.BYTES_PER_SECOND, series, note=note)
    series = _together([_series(frame, Scope.LINK, "usage", row, half_hour) for row in shown], mean=True)
    note = exact(links.cell(shown[0], "usage"), CATALOGUE[Scope.LINK]["usage"])[0]
    title = links.text(shown[0], "name") if selected is not None else f"mean of {len(rails)} rails"
    return Plot(f"{title}: of line speed", Unit.PERCENT, series, high=100.0, note=note)


def _series(frame: Frame, scope: Scope, name: str, row: int, half_hour: bool) -> Series:
    return (frame.history.half_hour if half_hour else frame.history.minute)(scope, name, row)


def _together(every: Sequence[Series], mean: bool = False) -> Series:
    """The sum of what is known at each time, or its mean; NaN where nothing is known."""
    told = [series for series in every if series.mean.size]
    if not told:
        return every[0] if every else Series(1.0, np.empty(0), np.empty(0))
    length = max(series.mean.size for series in told)
    return Series(told[0].seconds, *(_column_sums([getattr(series, part) for series in told], length, mean)
                                     for part in ("mean", "maximum")))  # fmt: skip


def _column_sums(rows: Sequence[Floats], length: int, mean: bool) -> Floats:
    """Shorter rows are younger: they end at the same time."""
    table = np.full((len(rows), length), np.nan)
    for place, row in enumerate(rows):
        table[place, length - row.size :] = row
    known = ~np.isnan(table)
    count = known.sum(axis=0)
    total = np.where(known, table, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1) if mean else total, np.nan)
