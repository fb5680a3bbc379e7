"""A report as JSON-ready data; `watchfloor schema report` has its schema. Pure."""

from __future__ import annotations

from typing import Any

from watchfloor.reporting.figures import Cell, Figure, Named, Report, Section, Table

FORMAT = "watchfloor.report/1"
Json = dict[str, Any]


def document(report: Report) -> Json:
    """Times are seconds since the epoch. A value that isn't known is null, and `missing` says why."""
    return {
        "format": FORMAT,
        "since": report.since,
        "until": report.until,
        "made": report.made,
        "facts": dict(report.facts),
        "sections": {section.key: _section(section) for section in report.sections},
    }


def _section(section: Section) -> Json:
    return {
        "title": section.title,
        "figures": {one.key: _named(one) for one in section.figures},
        "tables": {table.key: _table(table) for table in section.tables},
        "remarks": list(section.remarks),
    }


def _named(one: Named) -> Json:
    return {"title": one.title, **_figure(one.figure), "basis": one.basis}


def _figure(figure: Figure) -> Json:
    return {"value": figure.value, "unit": figure.unit.value, "missing": figure.missing or None}


def _table(table: Table) -> Json:
    keys = [column.key for column in table.columns]
    rows = [{key: _cell(cell) for key, cell in zip(keys, row, strict=True)} for row in table.rows]
    return {"title": table.title, "basis": table.basis, "rows": rows}


def _cell(cell: Cell) -> Json | str:
    return cell if isinstance(cell, str) else _figure(cell)
