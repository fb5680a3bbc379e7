"""The inference servers of a node as a list: those that are ill first."""

from __future__ import annotations

from tui.present.format import Text, value
from tui.present.listing import Listing
from tui.present.rows import Column
from tui.present.style import UNICODE, Glyphs, Token
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Missing, Scope

_SERVICES = CATALOGUE[Scope.SERVICE]
_WIDTHS = {
    "state": 1, "name": 22, "up": 4, "model": 18, "running": 7, "waiting": 7, "kv_cache": 5, "token_rate": 7,
    "first_token": 7, "per_token": 7, "latency": 7, "queue_time": 7, "request_rate": 6, "prompt_rate": 8,
    "failures": 6, "preemptions": 7, "version": 10, "endpoint": 30,
}  # fmt: skip
_TEXTS = frozenset({"state", "name", "up", "model", "version", "endpoint"})
_COLUMNS = tuple(
    Column(
        name,
        "" if name == "state" else _SERVICES[name].title,
        width,
        "left" if name in _TEXTS else "right",
        flexible=name == "model",
        fixed=name in ("state", "name"),
    )
    for name, width in _WIDTHS.items()
)


def service_list(frame: Frame, node: int, glyphs: Glyphs = UNICODE) -> Listing:
    """Identities are keys of services."""
    services = frame.services
    order = sorted(map(int, frame.rows_of(Scope.SERVICE, node)), key=lambda row: (-services.states[row], row))
    return Listing(
        _COLUMNS, [(services.keys[row], [_cell(frame, row, column, glyphs) for column in _COLUMNS]) for row in order]
    )


def _cell(frame: Frame, row: int, column: Column, glyphs: Glyphs) -> Text:
    cell = frame.services.cell(row, column.name)
    if column.name == "up" and cell.missing is Missing.NO:
        return ("up", Token.OK) if cell.value else ("down", Token.CRITICAL)
    return value(cell, _SERVICES[column.name], column.width, glyphs)
