"""The runs page: what was asked for, where each of it stands, its steps as they go; one run as a whole."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.base import Desk, hint_line
from tui.commands import Command, one_of
from tui.ofruns import RunsOfRecord
from tui.present.choice import Sort
from tui.present.fields import Field
from tui.present.line import Line
from tui.present.recorded import nothing_on_record, with_trouble
from tui.present.runs import RUN_FIELDS, RunTable, has, run_columns, steps_lines, summary_line
from tui.present.style import Token
from tui.reviewing import ReviewingPage, lineage_of
from tui.sorted import SortedPage, order_keys
from tui.widgets.drawn import give_height
from watchfloor.errors import ConfigError

_LEAST = 6  # lines of the detail


class RunsPage(RunsOfRecord, ReviewingPage, SortedPage):
    slug = "runs"
    key = "7"
    help_text = (
        "Every run that the ledger tells of, the newest first: what was asked for, by whom, where it stands. Below the "
        "table are the steps of the run under the cursor, as they go: what is being done, which attempt, what came of "
        "it. Enter is its review, to be read top to bottom: evidence, the plan as it was shown, the verdict with its "
        "policies, whose approvals count, each command with what it printed and what was seen afterwards, impact; y "
        "goes on to the lineage. In a console that was started with `--act` a run that policy permits, or that "
        "enough persons approved, is carried out from here; it goes on whichever page is looked at."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "open_ones", "only those that are not over, or all"),
        *order_keys("sortruns", RUN_FIELDS),
    ]

    ACTING_BINDINGS: ClassVar[Sequence[Binding]] = (
        Binding("c", "carry_out", "carry out the run under the cursor, or go on with it"),
    )

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._order = Sort("when", True)
        self.open_only = False
        self._wanted = ""  # the run that the cursor is to be on

    # -- drawing

    def draw(self) -> None:
        picture, times, glyphs = self.picture, self.times(), self.desk.palette.glyphs
        runs = self.runs(times.now)
        if picture is None or not runs:
            self.summary.show(lambda width: nothing_on_record(picture, self.desk.follower, "no runs yet", width))
        else:
            self.summary.show(lambda width: with_trouble(summary_line(runs, times.now), picture, width))
        shown = [run for run in runs if has(run, self.words) and not (self.open_only and run.outcome)]
        columns = run_columns(shown, times, self.size.width - 1)
        self._model = RunTable(shown, columns, self.order, times, glyphs)
        self.table.empty = "no run passes" if runs else ""
        self.table.show(self._model)
        if self._wanted and self.table.select(self._wanted):
            self._wanted = ""
        super().draw()

    def draw_detail(self) -> None:
        run, now, glyphs = self.run, self.times().now, self.desk.palette.glyphs
        most = max(_LEAST, min(16, self.size.height // 3))
        give_height(self.detail, most)
        self.detail.show(lambda width: steps_lines(run, width, most, now, glyphs))

    def facts(self) -> Sequence[Line]:
        found = [*self.filter_facts(), self.order_fact("runs")]
        if self.open_only:
            found.append([("not over", Token.MATCH)])
        if self.desk.carrying is not None and self.desk.carrying.runs:
            found.append([(f"carries out {len(self.desk.carrying.runs)}", Token.ACCENT)])
        return found

    def hints(self) -> Line:
        acts = ("c", "carry out") if self.desk.acting is not None else ()
        return hint_line("?", "help", *acts, "/", "filter", "o", "not over", "y", "why", "Enter", "review", "q", "quit")

    # -- keys

    def action_open_ones(self) -> None:
        self.open_only = not self.open_only
        self.redraw()

    def open_row(self, identity: Hashable) -> None:
        self.review(str(identity))

    def action_carry_out(self) -> None:
        run = self.run
        if run is None:
            self.say("no run is selected", Token.DIM)
        else:
            self.review(run.run, asks=True)

    def lineage_of(self) -> str:
        return lineage_of(self.run)

    # -- order

    def fields(self) -> Sequence[Field]:
        return RUN_FIELDS

    @property
    def order(self) -> Sort:
        return self._order

    def take_order(self, order: Sort) -> None:
        self._order = order
        self.redraw()

    # -- commands

    def own_commands(self) -> Sequence[Command]:
        return [
            Command("runs", "what was asked for, and what came of it", lambda _: self.desk.go(self.slug, None)),
            Command("run", "one run as a whole", self._command_run, self._names, "RUN"),
            Command("sortruns", "sort the runs by a column", self._command_sort, self._sortable, "COLUMN"),
        ]

    def _names(self) -> Sequence[str]:
        return [run.run for run in self.picture.runs] if self.picture is not None else ()

    def _command_run(self, name: str) -> None:
        """Raises ConfigError."""
        if not name:
            raise ConfigError("say which run", "the runs page (7) lists them")
        self._wanted = one_of(name, self._names(), "run")
        self.desk.go(self.slug, None)
        self.redraw()

    def _sortable(self) -> Sequence[str]:
        return [field.name for field in RUN_FIELDS if field.name != "note"]

    def _command_sort(self, text: str) -> None:
        self.sort_by(one_of(text, self._sortable(), "column"))
        self.desk.go(self.slug, None)
