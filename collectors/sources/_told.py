"""What a metrics server told in one round, by node, and how that becomes a schema and a report. Pure.

Rows are those of the catalogue: {scope: {key: {metric: number, text or Missing}}}; a text that is the last known one
stands beside the reason why it is no longer current. What a row lacks is unsupported.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from watchfloor.metrics import COLUMNS
from watchfloor.model import Missing, Scope
from watchfloor.report import Cells, SamplerStatus, Table

Row = dict[str, float | str | Missing | tuple[str, Missing]]

_MOST = 1e20  # as on the wire
_LONGEST_KEY, _LONGEST_TEXT = 256, 4096
_DIGITS = re.compile(r"(\d+)")


@dataclass
class NodeTold:
    """One node. `up` is what an exporter says of it, `why` the exporter's words where it is down."""

    rows: dict[Scope, dict[str, Row]] = field(default_factory=dict)
    samplers: dict[str, SamplerStatus] = field(default_factory=dict)
    up: bool = True
    why: str = ""
    age: float = math.inf  # seconds since its newest sample, when the server was asked

    def row(self, scope: Scope, key: str) -> Row:
        return self.rows.setdefault(scope, {}).setdefault(key[:_LONGEST_KEY], {})

    def put(self, scope: Scope, key: str, metric: str, value: float) -> None:
        """A number; one that is none is left out."""
        if abs(value) <= _MOST:  # NaN is not
            self.row(scope, key)[metric] = value

    def put_text(self, scope: Scope, key: str, metric: str, text: str) -> None:
        row, text = self.row(scope, key), text[:_LONGEST_TEXT]
        known = row.get(metric)
        if not isinstance(known, Missing):
            row[metric] = text
        elif text:
            row[metric] = (text, known)

    def put_missing(self, scope: Scope, key: str, metric: str, reason: Missing) -> None:
        """Why there is no current value."""
        row = self.row(scope, key)
        known = row.get(metric)
        row[metric] = (known, reason) if isinstance(known, str) and known else reason


Told = dict[str, NodeTold]  # by what the label of the node says


def tables(told: NodeTold) -> dict[str, Table]:
    """Subjects in the order of their names, metrics in the catalogue's."""
    return {scope.value: _table(scope, rows) for scope, rows in told.rows.items() if rows}


def _table(scope: Scope, rows: Mapping[str, Row]) -> Table:
    columns = COLUMNS[scope]
    names = {name for row in rows.values() for name in row}
    keys = sorted(rows, key=lambda key: natural(str(rows[key].get("name", key))))
    return Table(keys, sorted(names, key=columns.__getitem__))


def natural(text: str) -> list[tuple[int, str | int]]:
    """gpu2 before gpu10."""
    return [(0, int(part)) if part.isdigit() and part.isascii() else (1, part) for part in _DIGITS.split(text)]


def cells(told: NodeTold, tables: Mapping[str, Table]) -> dict[str, Cells]:
    """Every cell of these tables."""
    return {name: _cells(told.rows[Scope(name)], table) for name, table in tables.items()}


def _cells(rows: Mapping[str, Row], table: Table) -> Cells:
    found = Cells([], [], [], [], [], [])
    position = 0
    for key in table.keys:
        row = rows[key]
        for metric in table.metrics:
            value = row.get(metric, Missing.UNSUPPORTED)
            if isinstance(value, tuple):  # the reason is taken in after the text
                value, reason = value
                found.put(position, reason)
            found.put(position, value)
            position += 1
    return found
