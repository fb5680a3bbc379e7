"""The jobs page: who runs where, how well, what waits and why; from a job to its accelerators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.base import Desk, hint_line
from tui.commands import Command, one_of
from tui.filtered import FilteredPage
from tui.present.choice import Filter, Rows, Sort
from tui.present.jobs import JOB_FIELDS, JobTable, detail_lines, job_columns, summary_lines
from tui.present.line import Line
from tui.present.style import Token
from tui.widgets.lines import Lines
from tui.widgets.table import VirtualTable
from watchfloor.frame import Frame
from watchfloor.model import Scope, Subject

_MOST_NODES = 40  # of a job, in the filter that shows its accelerators


def _letters() -> list[BindingType]:
    fields = {field.letter: field.title or field.name for field in JOB_FIELDS if field.letter}
    return [Binding(letter, f"sort_letter('{letter}')", f"sort by {title}") for letter, title in sorted(fields.items())]


class JobsPage(FilteredPage):
    slug = "jobs"
    key = "4"
    heading = "jobs"
    help_text = (
        "Every job that a scheduler tells of, and what runs without one. Utilisation, memory and power are those of "
        "its accelerators: by its processes where they run, else by what the scheduler gave it. Where a scheduler "
        "does not answer, its jobs stay as they were, and the second line says since when."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "over", "jobs that are over, too, or not"),
        Binding("s", "ask('sortjobs ')", "pick the column to sort by", priority=True),
        Binding("r", "reverse", "reverse the order"),
        *_letters(),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.order = Sort("phase", False)
        self.over = False
        self._model: JobTable | None = None

    def compose_body(self) -> ComposeResult:
        yield Lines(self.desk.palette, id="jobssummary")
        yield VirtualTable(palette=self.desk.palette, id="jobstable")
        yield Lines(self.desk.palette, id="jobsdetail")
        yield from self.compose_filter()

    def on_mount(self) -> None:
        super().on_mount()
        self.table.focus()

    @property
    def table(self) -> VirtualTable:
        return self.query_one("#jobstable", VirtualTable)

    # -- the filter is about jobs

    def take_filter(self, text: str) -> None:
        """Raises QueryError; an empty text takes the filter away."""
        self.filter = Filter(text, Scope.JOB) if text.strip() else None

    def rows_shown(self, frame: Frame) -> Rows:
        return Rows.ACCELERATORS

    def matched(self, chosen: Filter, frame: Frame) -> tuple[int, int]:
        return int(np.count_nonzero(chosen.jobs(frame))), len(frame.jobs.rows)

    # -- drawing

    def show(self, frame: Frame) -> None:
        glyphs = self.desk.palette.glyphs
        self.query_one("#jobssummary", Lines).show(lambda _: summary_lines(frame, glyphs))
        mask = self.filter.jobs(frame) if self.filter else None
        columns = job_columns(self.size.width - 1)
        self._model = JobTable(frame, columns, self.order, mask, self.over, glyphs)
        self.table.empty = "no job passes the filter" if self.filter else "no jobs"
        self.table.show(self._model)
        self._show_detail(frame)

    def _show_detail(self, frame: Frame) -> None:
        lines = detail_lines(frame, self.table.cursor, self.desk.palette.glyphs)
        self.query_one("#jobsdetail", Lines).show(lambda _: lines)

    @on(VirtualTable.Highlighted, "#jobstable")
    def _follow(self, event: VirtualTable.Highlighted) -> None:
        if self.desk.frame is not None:
            self._show_detail(self.desk.frame)

    def on_resize(self, event: events.Resize) -> None:
        if self.desk.frame is not None:
            self.call_after_refresh(self.receive, self.desk.frame)

    def facts(self) -> Sequence[Line]:
        frame = self.desk.frame
        if frame is None:
            return ()
        glyphs = self.desk.palette.glyphs
        arrow = glyphs.descending if self.order.descending else glyphs.ascending
        order: Line = [("jobs by ", Token.DIM), (self.order.column, Token.TEXT), (f" {arrow}", Token.ACCENT)]
        found = [self.filter_fact(frame), order]
        if self.over:
            found.append([("with those that are over", Token.MATCH)])
        return found

    def hints(self) -> Line:
        return hint_line("?", "help", "/", "filter", "o", "over", "Enter", "its accelerators", "q", "quit")

    # -- keys

    def action_over(self) -> None:
        self.over = not self.over
        self.redraw()

    def action_reverse(self) -> None:
        self.order = Sort(self.order.column, not self.order.descending)
        self.redraw()

    def action_sort_letter(self, letter: str) -> None:
        self.sort_by(next(field.name for field in JOB_FIELDS if field.letter == letter))

    def sort_by(self, column: str) -> None:
        """Numbers largest first, words from A; the other way round where it is sorted by it already."""
        first = next((field.align == "right" for field in JOB_FIELDS if field.name == column), True)
        again = self.order.column == column
        self.order = Sort(column, not self.order.descending if again else first or column == "state")
        self.redraw()

    @on(VirtualTable.HeaderClicked, "#jobstable")
    def _sort_by_click(self, event: VirtualTable.HeaderClicked) -> None:
        if event.column != "note":
            self.sort_by(event.column)

    @on(VirtualTable.Chosen, "#jobstable")
    def _open_accelerators(self, event: VirtualTable.Chosen) -> None:
        """The fleet page with the accelerators of this job."""
        frame = self.desk.frame
        row = frame.row(event.identity) if frame is not None and isinstance(event.identity, Subject) else None
        if frame is None or row is None:
            return
        boards = frame.jobs.accelerators_of(row)
        if not boards.size:
            self.say("none of the fleet's accelerators is seen to be this job's", Token.WARNING)
            return
        self.desk.commands()["filter"].run(_query_of(frame, row, boards.tolist()))

    # -- commands

    def own_commands(self) -> Sequence[Command]:
        return [
            Command("jobs", "the jobs page", lambda _: self.desk.go(self.slug, None)),
            Command("sortjobs", "sort the jobs by a column", self._command_sort, self._sortable, "COLUMN"),
        ]

    def _sortable(self) -> Sequence[str]:
        return [field.name for field in JOB_FIELDS if field.name != "note"]

    def _command_sort(self, text: str) -> None:
        self.sort_by(one_of(text, self._sortable(), "column"))
        self.desk.go(self.slug, None)


def _query_of(frame: Frame, row: int, boards: list[int]) -> str:
    """Its accelerators by what runs on them; by their nodes where nothing does yet."""
    view, name = frame.accelerators, frame.jobs.rows[row].id
    if any(view.text(board, "job").partition(",")[0] == name for board in boards):
        return f'job ~ "{name}"' if any("," in view.text(board, "job") for board in boards) else f'job == "{name}"'
    nodes = sorted({frame.specs[int(view.node[board])].name for board in boards})[:_MOST_NODES]
    names = ", ".join(f'"{node}"' for node in nodes)
    return f"node in ({names})"
