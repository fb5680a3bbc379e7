"""The ledger page: the newest entries as they come, one of them as a whole, and whether all are what was written.

The file is read, and verified, in threads: neither a slow disk nor a million entries keep the screen waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.base import Desk, hint_line
from tui.commands import Command
from tui.present.choice import Filter
from tui.present.entries import (
    FIELDS,
    Check,
    EntryTable,
    badge_lines,
    brief_lines,
    entry_lines,
    held_lines,
    kinds,
    summary_line,
    verdicts,
    wanted_of,
)
from tui.present.line import Line
from tui.present.recorded import nothing_on_record, with_trouble
from tui.present.style import Token
from tui.reviewing import ReviewingPage
from tui.widgets.drawn import give_height
from tui.worded import Words, WordsBar
from watchfloor.errors import StoreError
from watchfloor.frame import Frame
from watchfloor.ledgerfollower import Followed, LedgerFollower, LedgerPicture

if TYPE_CHECKING:
    from watchfloor.records.ledgerentry import Entry

_MOST_ENTRIES = 1_000  # of the newest that pass
_LEAST = 5  # lines of the detail
_SELDOM = 20.0  # times as long as verification took it is left alone


class LedgerBar(WordsBar):
    HINTS = (
        "node:n2  person:anna  job:42  run:r1…  playbook:fatal-xid  verdict:deny  kind:applied  since:2h   "
        "Tab completes, Enter keeps, Esc undoes",
        "node:n2  person:anna  playbook:fatal-xid  verdict:deny   Tab completes, Enter keeps, Esc undoes",
        "node:n2  person:anna  verdict:deny   Tab completes, Esc undoes",
    )


class LedgerPage(ReviewingPage):
    slug = "ledger"
    key = "9"
    help_text = (
        "The newest entries of the ledger, as they come: what was asked for, decided, approved, done, seen and "
        "refused, by whom, where. The second line says up to which entry each is what was written, hash by hash; that "
        "its tail wasn't cut only an anchor elsewhere can tell (watchfloor audit). The filter takes person:, node:, "
        "job:, run:, plan:, playbook: (its plans and runs, and why there were none), verdict: (decisions), kind:, "
        "since: and until:. Enter shows an entry as a whole, v the review of its run. "
        "Nothing here is ever changed."
    )

    BINDINGS: ClassVar[list[BindingType]] = [Binding("v", "review_run", "review the run of the entry")]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._entries: Sequence[Entry] = ()
        self._read: tuple[LedgerPicture | None, str] = (None, "")  # as of which picture, with which filter
        self._reading = False
        self._trouble = ""
        self._check = Check()
        self._checked_at = 0.0  # monotonic time in seconds
        self._model: EntryTable | None = None

    # -- what is read

    def _read_on(self, picture: LedgerPicture, ledger: Followed) -> None:
        """Ask for the entries, and whether they are sound, where that is due; one question of each at a time."""
        text = self.filter.text if self.filter else ""
        if (picture, text) != self._read and not self._reading:
            self._reading = True
            self.run_worker(self._fetch(ledger, picture, text), name="entries")
        if not isinstance(ledger, LedgerFollower):
            self._check = Check()  # a session holds some of the entries: its own seal vouches for them
        elif picture.size != self._check.size and not self._check.going_on:
            self._check = replace(self._check, going_on=True)
            self.run_worker(self._verify(ledger), name="verify")

    async def _fetch(self, ledger: Followed, picture: LedgerPicture, text: str) -> None:
        wanted = wanted_of(text, self.desk.now())
        try:
            self._entries = await asyncio.to_thread(ledger.entries, wanted, _MOST_ENTRIES)
            self._trouble = ""
        except StoreError as error:
            self._trouble = f"{error.message}{': ' if error.advice else ''}{error.advice}"
        self._read, self._reading = (picture, text), False
        self.redraw()

    async def _verify(self, ledger: LedgerFollower) -> None:
        """Rests for many times as long as it takes: a ledger that grows all the time costs a few percent of a core."""
        await asyncio.sleep(self._checked_at + self._check.seconds * _SELDOM - time.monotonic())
        picture = self.picture
        size, begun = picture.size if picture is not None else 0, time.monotonic()
        verdict, trouble = self._check.verdict, ""
        try:
            verdict = await asyncio.to_thread(ledger.verified)
        except StoreError as error:
            trouble = error.message
        self._checked_at = time.monotonic()
        self._check = Check(size, verdict, trouble, self._checked_at - begun)
        self.redraw()

    # -- drawing

    def draw(self) -> None:
        picture, ledger, times = self.picture, self.desk.follower, self.times()
        if picture is None or ledger is None or not picture.size:
            self._entries, self._read, self._check = (), (None, ""), Check(going_on=self._check.going_on)
            self.summary.show(lambda width: nothing_on_record(picture, ledger, "", width))
        else:
            self._read_on(picture, ledger)
            self.summary.show(lambda width: self._summary(picture, width))
        self._model = EntryTable(self._entries, times, self.size.width - 1)
        self.table.empty = self._trouble or ("no entry passes" if self.filter and not self._reading else "")
        self.table.show(self._model)
        super().draw()

    def _summary(self, picture: LedgerPicture, width: int) -> Sequence[Line]:
        line = summary_line(str(picture.place), picture.size, len(self._entries), self.filter is not None)
        if picture.as_of:
            badge = held_lines(self._entries, width)
        else:
            badge = badge_lines(self._check, picture.size, self.desk.palette.glyphs, width)
        return [*with_trouble(line, picture, width, exact=True), *badge]

    def draw_detail(self) -> None:
        entry = self._entry()
        most = max(_LEAST, min(14, self.size.height // 4))
        give_height(self.detail, most)
        self.detail.show(lambda width: brief_lines(entry, width, most))

    def _entry(self) -> Entry | None:
        return self._model.row(self.table.cursor) if self._model is not None else None

    # -- the filter

    def compose_filter(self) -> ComposeResult:
        yield LedgerBar(self.desk.palette, self.desk.typed_filters, self.complete_words, id="filterbar")

    def take_filter(self, text: str) -> None:
        """Raises QueryError."""
        wanted_of(text, self.desk.now())
        self.filter = Words(text.strip()) if text.strip() else None

    def complete_words(self, text: str, cursor: int) -> Sequence[str]:
        word = text[:cursor].rpartition(" ")[2]
        field, colon, begun = word.partition(":")
        if colon:
            return [f"{field}:{value} " for value in self._values(field) if value.startswith(begun)]
        return [f"{field}:" for field in FIELDS if field.startswith(word)]

    def _values(self, field: str) -> Sequence[str]:
        """That are known of a field."""
        runs = self.picture.runs if self.picture is not None else ()
        known: Mapping[str, Callable[[], Sequence[str]]] = {
            "kind": kinds,
            "verdict": verdicts,
            "playbook": lambda: sorted({run.plan.playbook for run in runs if run.plan}),
            "run": lambda: [run.run for run in runs],
        }
        return known[field]() if field in known else ()

    def matched(self, chosen: Filter, frame: Frame) -> tuple[int, int]:
        return len(self._entries), self.picture.size if self.picture is not None else 0

    def facts(self) -> Sequence[Line]:
        return self.filter_facts()

    def hints(self) -> Line:
        return hint_line("?", "help", "/", "filter", "Enter", "whole entry", "v", "review run", "q", "quit")

    # -- one entry

    def open_row(self, identity: Hashable) -> None:
        entry = self._entry()
        if entry is not None:
            self.whole(f"entry {entry.number}", lambda width: entry_lines(entry, width))

    def action_review_run(self) -> None:
        entry = self._entry()
        name = self._run_of(entry) if entry is not None else ""
        if name:
            self.review(name)
        else:
            self.say("this entry is of no run", Token.DIM)

    def _run_of(self, entry: Entry) -> str:
        """An approval names a plan: its newest run."""
        runs = self.picture.runs if entry.plan and self.picture is not None else ()
        return entry.run or next((run.run for run in runs if run.digest == entry.plan), "")

    def lineage_of(self) -> str:
        """Of the first subject of the entry that has one."""
        entry = self._entry()
        return next(
            (name for name in (entry.subjects if entry else ()) if name.startswith(("node:", "job:", "accelerator:"))),
            "",
        )

    def own_commands(self) -> Sequence[Command]:
        return [
            Command("ledger", "what was asked for, done and refused, entry by entry", self._command, argument="WORDS")
        ]

    def _command(self, text: str) -> None:
        """Raises QueryError."""
        if text:
            self.take_filter(text)
        self.desk.go(self.slug, None)
        self.redraw()
