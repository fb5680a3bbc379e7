"""A report as Markdown (GitHub's tables). Pure. No name of a node or a person is taken for markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import tzinfo

from watchfloor.reporting.figures import Figure, Named, Report, Section, Table
from watchfloor.reporting.shown import heading, made, noted, notes, reasons, shown
from watchfloor.snapshot.plan import printable

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|~$@:])")


def markdown(report: Report, zone: tzinfo) -> str:
    lines = ["# Report", "", plain(heading(report, zone)), "", plain(made(report, zone))]
    for section in report.sections:
        lines += ["", f"## {plain(section.title)}", "", *_section(section, zone)]
    return "\n".join(lines).rstrip() + "\n"


def plain(text: str) -> str:
    """A text that stands for itself."""
    escaped = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\1", escaped)


def _section(section: Section, zone: tzinfo) -> Iterator[str]:
    if section.figures:
        yield "| | | basis |"
        yield "|---|--:|---|"
        yield from (_figure(one, zone) for one in section.figures)
    for table in section.tables:
        yield ""
        yield from _table(table, zone)
    if section.remarks:
        yield ""
        yield from (f"- {plain(remark)}" for remark in section.remarks)


def _figure(one: Named, zone: tzinfo) -> str:
    said = f"not known: {one.figure.missing}" if one.figure.missing else one.basis
    return f"| {plain(one.title)} | {plain(shown(one.figure, zone))} | {plain(said)} |"


def _table(table: Table, zone: tzinfo) -> Iterator[str]:
    yield f"### {plain(table.title)}"
    yield ""
    if not table.rows:
        yield plain(table.empty)
        return
    if table.basis:
        yield plain(table.basis)
        yield ""
    why = reasons(table.rows)
    numbers = [all(isinstance(row[at], Figure) for row in table.rows) for at in range(len(table.columns))]
    yield f"| {' | '.join(plain(column.title.lower()) for column in table.columns)} |"
    yield f"|{'|'.join('--:' if number else '---' for number in numbers)}|"
    for row in table.rows:
        yield f"| {' | '.join(plain(noted(cell, why, zone)) for cell in row)} |"
    if why:
        yield ""
        yield from (f"- {plain(note)}" for note in notes(why))
