"""The approvals page: plans that wait for a person, each as a whole. Where the console acts, a card signs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from tui.base import Desk, hint_line
from tui.card import Card
from tui.commands import Command
from tui.ofruns import RunsOfRecord
from tui.present.approvals import (
    ELSEWHERE,
    HERE,
    WHOLE,
    ApprovalTable,
    card_lines,
    rows_of,
    summary_line,
    within_detail,
)
from tui.present.line import Line
from tui.present.plans import told
from tui.present.recorded import nothing_on_record, with_trouble
from tui.present.runs import has
from tui.present.style import Token
from tui.widgets.drawn import give_height

if TYPE_CHECKING:
    from watchfloor.runs import RunRecord

_BETWEEN = 5  # lines: margins, the table's head, the status bar
_TABLE_LINES = 5  # that stay for the table: what is decided on has the rest


class ApprovalsPage(RunsOfRecord):
    slug = "approvals"
    key = "8"
    help_text = (
        "Plans that wait for a person, the one that waits longest first; the header counts them on every page. Below "
        "the table is the plan under the cursor: steps, commands, what they change, which jobs they hit. Enter shows "
        "it whole. No key signs here: a console that was started with `--act` has them on the card, below the plan, "
        "once all of it was in view. Whose signatures count is what `watchfloor policy why` says; they are checked "
        "again when the run begins."
    )

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._above = 0  # lines of header and summary

    def runs(self, now: float) -> Sequence[RunRecord]:
        return rows_of(super().runs(now), now)

    # -- drawing

    def draw(self) -> None:
        picture, times = self.picture, self.times()
        how = WHOLE if self.desk.replay is not None else HERE if self.desk.acting is not None else ELSEWHERE
        runs = self.runs(times.now)

        def summary(width: int) -> Sequence[Line]:
            if picture is None or not picture.runs:
                return nothing_on_record(picture, self.desk.follower, "nothing waits", width)
            return with_trouble(summary_line(runs, times.now, how), picture, width)

        self.summary.show(summary)
        self._above = len(summary(self.size.width)) + (3 if self.desk.replay is not None else 2)
        shown = [run for run in runs if has(run, self.words)]
        self._model = ApprovalTable(shown, times, self.size.width - 1)
        self.table.empty = "no plan passes" if runs else "nothing waits for approval" if picture else ""
        self.table.show(self._model)
        self.table.hold()  # what is signed is what the cursor is on
        super().draw()

    def draw_detail(self) -> None:
        run, times = self.run, self.times()
        rows = self._model.count if self._model is not None else 0
        most = max(6, self.size.height - _BETWEEN - self._above - max(1, min(rows, _TABLE_LINES)))
        give_height(self.detail, most)
        self.detail.show(lambda width: within_detail(card_lines(run, times, width), most) if run is not None else [])

    def facts(self) -> Sequence[Line]:
        return self.filter_facts()

    def hints(self) -> Line:
        opens = "the card" if self.desk.acting is not None else "whole plan"
        return hint_line("?", "help", "/", "filter", "Enter", opens, "q", "quit")

    # -- one plan

    def open_row(self, identity: Hashable) -> None:
        name, acting = str(identity), self.desk.acting

        def text(width: int) -> Sequence[Line]:
            run = self.picture.run(name) if self.picture is not None else None
            if run is None:
                return list(told("it is no longer among the newest runs", width, Token.WARNING))
            return card_lines(run, self.times(), width)

        if acting is None:
            self.whole(f"run {name}", text)
        else:
            self.open_sheet(Card(self.desk.palette, name, text, acting, self.desk.acted))

    def own_commands(self) -> Sequence[Command]:
        return [Command("approvals", "plans that wait for a person", lambda _: self.desk.go(self.slug, None))]
