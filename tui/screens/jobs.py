"""The jobs page: who runs where, how well, what waits and why; from a job to its accelerators."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

import numpy as np
from textual.binding import Binding, BindingType

from tui.base import Desk, hint_line
from tui.commands import Command, one_of
from tui.present.choice import Filter, Rows, Sort
from tui.present.fields import Field
from tui.present.jobs import JOB_FIELDS, JobTable, detail_lines, job_columns, summary_lines
from tui.present.line import Line
from tui.present.style import Token
from tui.sorted import SortedPage, order_keys
from tui.tabled import TablePage
from tui.widgets.drawn import give_height
from watchfloor.frame import Frame
from watchfloor.jobs.model import Job
from watchfloor.model import Scope, Subject
from watchfloor.ports import Concern

_LEAST = 6  # lines of the detail
_MOST_NODES = 40  # of a job, in the filter that shows its accelerators


class JobsPage(TablePage, SortedPage):
    slug = "jobs"
    key = "4"
    help_text = (
        "Every job that a scheduler tells of, and what runs without one. Utilisation, memory and power are those of "
        "its accelerators: by its processes where they run, else by what the scheduler gave it. Where a scheduler "
        "does not answer, its jobs stay as they were, and the second line says since when."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "over", "jobs that are over, too, or not"),
        Binding("Y", "user_lineage", "the lineage of all jobs of its user"),
        *order_keys("sortjobs", JOB_FIELDS),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._order = Sort("phase", False)
        self.over = False
        self._model: JobTable | None = None

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
        self.summary.show(lambda width: summary_lines(frame, width))
        mask = self.filter.jobs(frame) if self.filter else None
        columns = job_columns(frame.jobs.view, self.size.width - 1)
        self._model = JobTable(frame, columns, self.order, mask, self.over, glyphs)
        self.table.empty = "no job passes the filter" if self.filter else "no jobs"
        self.table.show(self._model)
        self.show_detail(frame)

    def show_detail(self, frame: Frame) -> None:
        job, most, glyphs = self.table.cursor, max(_LEAST, self.size.height // 5), self.desk.palette.glyphs
        give_height(self.detail, most)
        self.detail.show(lambda width: detail_lines(frame, job, width, most, glyphs))

    def facts(self) -> Sequence[Line]:
        frame = self.desk.frame
        if frame is None:
            return ()
        found = [self.filter_fact(frame), self.order_fact("jobs")]
        if self.over:
            found.append([("with those that are over", Token.MATCH)])
        return found

    def hints(self) -> Line:
        last = ("w", "what to do", "Enter", "its accelerators", "q", "quit")
        return hint_line("?", "help", "/", "filter", "o", "over", "y", "why", *last)

    # -- keys

    def action_over(self) -> None:
        self.over = not self.over
        self.redraw()

    def action_user_lineage(self) -> None:
        job = self._job()
        if job is None or not job.user:
            self.say("nobody says whose job this is", Token.DIM)
        else:
            self.desk.commands()["lineage"].run(f"user:{job.user}")

    def lineage_of(self) -> str:
        job = self._job()
        return f"job:{job.id}" if job is not None else ""

    def concern(self) -> Concern | None:
        at = self.table.cursor
        return self.concern_of(at) if isinstance(at, Subject) else None

    def _job(self) -> Job | None:
        """The one under the cursor."""
        frame, at = self.desk.frame, self.table.cursor
        row = frame.row(at) if frame is not None and isinstance(at, Subject) else None
        return frame.jobs.rows[row] if frame is not None and row is not None else None

    def show_selected(self) -> None:
        """A job that was opened from another page; of those that are over, too."""
        selected, frame = self.desk.selected, self.desk.frame
        row = frame.row(selected) if frame is not None and selected and selected.scope is Scope.JOB else None
        if frame is None or row is None:
            return
        if frame.jobs.rows[row].state.is_over and not self.over:
            self.action_over()
        self.table.select(selected)

    def aim_at(self, identity: Hashable) -> None:
        if isinstance(identity, Subject):
            self.desk.selected = identity

    def fields(self) -> Sequence[Field]:
        return JOB_FIELDS

    @property
    def order(self) -> Sort:
        return self._order

    def take_order(self, order: Sort) -> None:
        self._order = order
        self.redraw()

    def open_row(self, identity: Hashable) -> None:
        """The fleet page with the accelerators of this job."""
        frame = self.desk.frame
        row = frame.row(identity) if frame is not None and isinstance(identity, Subject) else None
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
