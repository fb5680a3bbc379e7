"""The lineage page: what happened to a job, a node, a finding or somebody's jobs, and what led to what, by time.

What is on record is asked for in a thread: a store that is slow, or far away, never keeps the screen waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.base import Desk, hint_line
from tui.commands import Command
from tui.messages import Drill
from tui.present.choice import Filter, Rows
from tui.present.line import Line
from tui.present.lineage import (
    LineageTable,
    Path,
    Row,
    Words,
    begins_folded,
    detail_lines,
    foldable,
    rows_of,
    size,
    summary_lines,
)
from tui.present.listing import Listing
from tui.present.style import Token
from tui.tabled import TablePage
from tui.widgets.filterbar import FilterBar
from watchfloor.errors import ConfigError, WatchfloorError
from watchfloor.frame import Frame
from watchfloor.lineage.graph import Key, Kind
from watchfloor.lineage.jobwords import subject_key
from watchfloor.lineage.watch import finding_key
from watchfloor.lineagebook import name_of
from watchfloor.model import Scope, Subject
from watchfloor.record import Record
from watchfloor.snapshot.lineage import LineageReport

_AGAIN_SECONDS = 3.0  # while the page is seen: what is on record grows
_MOST_NAMES = 5_000
_PARTS = {Kind.ACCELERATOR: Scope.ACCELERATOR, Kind.LINK: Scope.LINK, Kind.SERVICE: Scope.SERVICE}
_THEN = " as of then: what this console's store has of it; facts as they are known by now"
_HOW = "y on a job, a node, an accelerator or a finding tells its lineage; or  :lineage NAME"


class WordsBar(FilterBar):
    PROMPT = " / "
    HINT = "words that a line must have, such as  node failed   Enter keeps, Esc clears"


class LineagePage(TablePage):
    slug = "lineage"
    key = "0"
    help_text = (
        "What happened to one job, node, accelerator, finding, or to all jobs of a user, and what led to what: "
        "attempts with their nodes, what was found there meanwhile, how it went on, and what was used and made. "
        "A finding stands beside the attempt that held its subject then; that one was the cause of the other, nobody "
        "has said. Below it is what was done about it: the plan, its verdict, who approved it and why, the run with "
        "its steps, and what became of the job. It is told from what this console's lineage store and ledger have "
        "(docs/lineage.md)."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "ask('lineage ')", "look for another job, node, user, run, dataset …", priority=True),
        Binding("space", "fold", "fold or unfold the line under the cursor", priority=True),  # the table marks by it
        Binding("minus", "fold_all", "fold every branch"),
        Binding("plus", "unfold_all", "unfold everything"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._name = ""  # whose lineage: as LineageBook takes it
        self._before: list[str] = []  # the names to go back to
        self._report: LineageReport | None = None
        self._trouble = ""
        self._folded: set[Path] = set()
        self._model: LineageTable | None = None
        self._asked_at = 0.0  # monotonic time in seconds
        self._awaited = ""  # the name whose answer has not come yet

    def compose_filter(self) -> ComposeResult:
        yield WordsBar(self.desk.palette, self.desk.typed_filters, lambda text, cursor: (), id="filterbar")

    # -- whose lineage

    def tell(self, name: str) -> None:
        """Go to the lineage of this: a name as LineageBook takes it."""
        if self._name and name != self._name:
            self._before = [*self._before, self._name][-20:]
        self._begin(name)
        self.desk.go(self.slug, None)

    def _begin(self, name: str) -> None:
        self._name, self._report, self._trouble, self.filter = name, None, "", None
        self._folded = set()
        self._asked_at = 0.0

    def lineage_of(self) -> str:
        """Of the line under the cursor."""
        row = self._row()
        return name_of(row.branch.key) if row is not None else ""

    def record_changed(self) -> None:
        """What was done is told within a second."""
        super().record_changed()
        self._asked_at = min(self._asked_at, time.monotonic() - _AGAIN_SECONDS + 1.0)

    def _ask_again(self) -> None:
        """Ask what is on record, where that is due; of one name there is one question at a time."""
        due = time.monotonic() - self._asked_at >= _AGAIN_SECONDS
        if self._name and due and self._awaited != self._name and self.desk.options.lineage is not None:
            self._asked_at, self._awaited = time.monotonic(), self._name
            self.run_worker(self._answer(self._name), name="lineage")

    async def _answer(self, name: str) -> None:
        book, zone, now = self.desk.options.lineage, self.desk.options.zone, self.desk.now()
        until, ledger = now if self.desk.replay is not None else None, self.desk.ledger
        assert book is not None
        report, trouble = None, ""
        try:
            report = await asyncio.to_thread(book.report, name, now, zone, until, ledger)
        except WatchfloorError as error:
            trouble = f"{error.message}{': ' if error.advice else ''}{error.advice}"
        if self._awaited == name:
            self._awaited = ""
        if name == self._name:
            self._take(report, trouble)

    def _take(self, report: LineageReport | None, trouble: str) -> None:
        """What was told before stays where there is no answer."""
        if self._report is None and report is not None:
            self._folded = set(begins_folded(report.folded))
        self._report, self._trouble = report or self._report, trouble
        self.redraw()

    # -- drawing

    def show(self, frame: Frame) -> None:
        if not self._name and self.desk.selected is not None:
            self._name = name_of(subject_key(self.desk.selected))
        self._ask_again()
        report, trouble = self._report, self._trouble
        if report is None:
            self._model = None
            told = self._nothing_yet()
            self.summary.show(lambda width: [told])
            self.table.show(Listing((), ()))
        else:
            most = max(2, min(6, self.size.height // 6))
            then = [[(_THEN, Token.ACCENT)]] if self.desk.replay is not None else []
            lacking = [[(f" {report.lacking}", Token.DIM)]] if report.lacking else []
            self.summary.show(
                lambda width: [*summary_lines(report, width, most), *then, *lacking, *_trouble_line(trouble)]
            )
            rows = rows_of(report.folded, self._folded, self.filter.text if self.filter else "")
            self._model = LineageTable(report, rows, self.size.width, self.desk.palette.glyphs)
            self.table.empty = "no line has these words"
            self.table.show(self._model)
        self.show_detail(frame)

    def _nothing_yet(self) -> Line:
        if self.desk.options.lineage is None:
            return [(" this console keeps no lineage", Token.DIM)]
        if self._trouble:
            return [(f" {self._trouble}", Token.WARNING)]
        return [(f" looking for {self._name}" if self._name else f" {_HOW}", Token.DIM)]

    def show_detail(self, frame: Frame) -> None:
        report, row = self._report, self._row()
        self.detail.show(lambda width: detail_lines(report, row, width) if report else [[]])

    def _row(self) -> Row | None:
        return self._model.row(self.table.cursor) if self._model is not None else None

    # -- the filter is about the words of lines

    def take_filter(self, text: str) -> None:
        """An empty text takes the filter away."""
        self.filter = Words(text) if text.strip() else None

    def rows_shown(self, frame: Frame) -> Rows:
        return Rows.ACCELERATORS

    def matched(self, chosen: Filter, frame: Frame) -> tuple[int, int]:
        if self._report is None:
            return 0, 0
        return len(rows_of(self._report.folded, (), chosen.text)), size(self._report.folded)

    def facts(self) -> Sequence[Line]:
        frame = self.desk.frame
        return [self.filter_fact(frame)] if frame is not None else ()

    def hints(self) -> Line:
        return hint_line("?", "help", "s", "another", "/", "filter", "Space", "fold", "Enter", "open", "q", "quit")

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "fold":
            return self.is_current and not self.is_typing
        return super().check_action(action, parameters)

    def action_fold(self) -> None:
        row = self._row()
        if row is not None and row.folded is not None:
            self._folded ^= {row.path}
            self.redraw()

    def action_fold_all(self) -> None:
        if self._report is not None:
            self._folded = set(foldable(self._report.folded))
            self.redraw()

    def action_unfold_all(self) -> None:
        self._folded = set()
        self.redraw()

    def go_back(self) -> bool:
        """Esc: the filter first, then what was told before."""
        if super().go_back():
            return True
        if not self._before:
            return False
        self._begin(self._before.pop())
        self.redraw()
        return True

    def open_row(self, identity: Hashable) -> None:
        """The page of the thing under the cursor; what has none is told itself."""
        row, frame = self._row(), self.desk.frame
        if row is None or frame is None:
            return
        key = row.branch.key
        if key.kind in (Kind.JOB, Kind.ATTEMPT):
            self._open_job(frame, key.id.rpartition("#")[0] if key.kind is Kind.ATTEMPT else key.id)
        elif key.kind in (Kind.NODE, *_PARTS):
            self._open_node(frame, key)
        elif key.kind is Kind.FINDING:
            self._open_finding(frame, key)
        elif key.kind in (Kind.RUN, Kind.STEP):
            self.desk.commands()["run"].run(key.id.partition("/")[0])
        elif name_of(key):
            self.tell(name_of(key))

    def _open_job(self, frame: Frame, job: str) -> None:
        subject = Subject(Scope.JOB, "", job)
        if frame.row(subject) is not None:
            self.desk.go("jobs", subject)
        else:
            self.say("its scheduler tells of it no longer: what is known of it is its lineage (y)", Token.DIM)

    def _open_node(self, frame: Frame, key: Key) -> None:
        node, _, part = key.id.partition("/")
        if node in frame.node_index:
            self.post_message(Drill(Subject(_PARTS.get(key.kind, Scope.NODE), node, part)))
        else:
            self.say(f"{node} is no node of this fleet", Token.DIM)

    def _open_finding(self, frame: Frame, key: Key) -> None:
        record = _record_of(frame, key)
        if record is None:
            self.say("it is over, and no longer among the findings", Token.DIM)
        else:
            self.desk.finding = record.key
            self.desk.go("findings", record.finding.subject)

    # -- commands

    def own_commands(self) -> Sequence[Command]:
        return [Command("lineage", "what happened to a job, node or user, and why", self._command, self._names, "NAME")]

    def _command(self, name: str) -> None:
        """Raises ConfigError where this console keeps none."""
        if self.desk.options.lineage is None:
            raise ConfigError("this console keeps no lineage", "watchfloor lineage NAME asks another one's store")
        if name:
            self.tell(name)
        else:
            self.desk.go(self.slug, None)

    def _names(self) -> Sequence[str]:
        """Of what is there now; what was is found by its whole name."""
        frame = self.desk.frame
        if frame is None:
            return ()
        jobs = [job.number for job in frame.jobs.rows[:_MOST_NAMES]]
        users = sorted({job.user for job in frame.jobs.rows if job.user})
        return [*jobs, *users, *(spec.name for spec in frame.specs)]


def _record_of(frame: Frame, key: Key) -> Record | None:
    for record in frame.records.by_key.values():
        finding = record.finding
        if any(finding_key(finding, subject) == key for subject in (finding.subject, *finding.others)):
            return record
    return None


def _trouble_line(trouble: str) -> Sequence[Line]:
    return [[(f" {trouble}", Token.WARNING)]] if trouble else []
