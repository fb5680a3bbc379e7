"""A report as text, for a terminal or a file. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from textwrap import wrap

from watchfloor.reporting.figures import Figure, Named, Report, Section, Table
from watchfloor.reporting.shown import heading, made, noted, notes, reasons, shown
from watchfloor.snapshot.plan import printable
from watchfloor.snapshot.words import cells_wide

_NARROWEST = 8  # cells of a column of text: less of it says nothing


def text(report: Report, zone: tzinfo, width: int | None) -> str:
    """`width`: so many cells a line at most; None: as many as it takes."""
    lines = [f"REPORT  {heading(report, zone)}", made(report, zone)]
    for section in report.sections:
        lines += ["", section.title.upper(), *_section(section, zone, width)]
    return "\n".join(lines) + "\n"


def _section(section: Section, zone: tzinfo, width: int | None) -> Iterator[str]:
    widest = max((cells_wide(one.title) for one in section.figures), default=0)
    broadest = max((cells_wide(shown(one.figure, zone)) for one in section.figures), default=0)
    for one in section.figures:
        yield from _figure(one, zone, (widest, broadest), width)
    for table in section.tables:
        yield ""
        yield from _table(table, zone, width)
    if section.remarks and (section.figures or section.tables):
        yield ""
    for remark in section.remarks:
        yield from _wrapped("* ", printable(remark), width)


def _figure(one: Named, zone: tzinfo, widths: tuple[int, int], width: int | None) -> Iterator[str]:
    widest, broadest = widths
    said = one.figure.missing or one.basis
    yield from _wrapped(f"  {one.title:<{widest}}  {shown(one.figure, zone):>{broadest}}  ", printable(said), width)


def _wrapped(begin: str, said: str, width: int | None) -> Iterator[str]:
    """Further lines stand below where the first one began to say something."""
    room = max(24, (width or 10_000) - cells_wide(begin))
    lines = wrap(said, room) or [""]
    yield (begin + lines[0]).rstrip()
    yield from (" " * cells_wide(begin) + line for line in lines[1:])


def _table(table: Table, zone: tzinfo, width: int | None) -> Iterator[str]:
    title = f"  {table.title}"
    if not table.rows:
        yield f"{title}: {table.empty}"
        return
    yield from _wrapped(f"{title}{': ' if table.basis else ''}", printable(table.basis), width)
    why = reasons(table.rows)
    rows = [
        [column.title for column in table.columns],
        *([noted(cell, why, zone) for cell in row] for row in table.rows),
    ]
    numbers = [all(isinstance(row[at], Figure) for row in table.rows) for at in range(len(table.columns))]
    widths = fitted([max(cells_wide(row[at]) for row in rows) for at in range(len(numbers))], numbers, width)
    for row in rows:
        cells = (_padded(cell, wide, number) for cell, wide, number in zip(row, widths, numbers, strict=True))
        yield ("    " + "  ".join(cells)).rstrip()
    yield from (f"    {note}" for note in notes(why))


def fitted(widths: Sequence[int], numbers: Sequence[bool], width: int | None) -> list[int]:
    """Columns of text give way, the widest first, where a line is too long; numbers are whole or not there."""
    found = list(widths)
    while width is not None and 4 + sum(found) + 2 * (len(found) - 1) > width:
        texts = [at for at, number in enumerate(numbers) if not number and found[at] > _NARROWEST]
        if not texts:
            break
        found[max(texts, key=lambda at: found[at])] -= 1
    return found


def _padded(cell: str, wide: int, number: bool) -> str:
    cut = cell
    while cells_wide(cut) > wide:
        cut = cut.removesuffix("…")[:-1] + "…"
    space = " " * (wide - cells_wide(cut))
    return space + cut if number else cut + space
