"""A report as one HTML page, with plots of what is worth one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from watchfloor.html import markup, page, plot
from watchfloor.html.markup import Html
from watchfloor.reporting.figures import Figure, Report, Section, Table
from watchfloor.reporting.shown import heading, made, noted, notes, reasons, shown

_MOST_BARS = 40


def webpage(report: Report, zone: tzinfo) -> str:
    """The whole file."""
    sections = [page.Section(section.title, _section(section, zone)) for section in report.sections]
    return page.page(f"Report {heading(report, zone)}", sections, made(report, zone))


def _section(section: Section, zone: tzinfo) -> Html:
    parts: list[str] = []
    if section.figures:
        rows = [(one.title, shown(one.figure, zone), one.figure.missing or one.basis) for one in section.figures]
        parts.append(markup.table(("", "", "basis, or why it isn't known"), rows, (1,)))
    for table in section.tables:
        parts += _table(table, zone)
    if section.remarks:
        parts.append(markup.listed(section.remarks))
    return markup.joined(parts)


def _table(table: Table, zone: tzinfo) -> Iterator[str]:
    yield markup.tag("h3", table.title)
    if not table.rows:
        yield markup.paragraph(table.empty)
        return
    if table.basis:
        yield markup.paragraph(table.basis)
    if bars := _bars(table, zone):
        title = next(column.title for column in table.columns if column.key == table.plotted)
        yield plot.bars(f"{title.lower()} {table.title}", bars)
    why = reasons(table.rows)
    numbers = [at for at in range(len(table.columns)) if all(isinstance(row[at], Figure) for row in table.rows)]
    rows = [[noted(cell, why, zone) for cell in row] for row in table.rows]
    yield markup.table([column.title.lower() for column in table.columns], rows, numbers)
    if why:
        yield markup.listed(notes(why))


def _bars(table: Table, zone: tzinfo) -> Sequence[plot.Bar]:
    """Of the column that is worth a plot; none where nothing of it is known, or all is 0."""
    at = next((at for at, column in enumerate(table.columns) if column.key == table.plotted), None)
    if at is None or not 1 < len(table.rows) <= _MOST_BARS:
        return ()
    found = [(shown(row[0], zone), row[at]) for row in table.rows]
    bars = [_bar(name, cell, zone) for name, cell in found if isinstance(cell, Figure)]
    return bars if any(bar.value for bar in bars) else ()


def _bar(name: str, figure: Figure, zone: tzinfo) -> plot.Bar:
    return plot.Bar(name, figure.value, figure.missing or shown(figure, zone))
