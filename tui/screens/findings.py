"""The findings page: what is wrong, the worst first, since when, and who has seen it; on request what is over."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.base import Desk, hint_line
from tui.commands import Command
from tui.messages import Acknowledge, Clear, Drill
from tui.present.choice import Filter, Rows
from tui.present.findings import (
    FindingTable,
    bare_word,
    columns_for,
    detail_lines,
    gone_lines,
    gone_words,
    longest_subject,
    rows_of,
    summary_line,
)
from tui.present.line import Line
from tui.present.style import Token
from tui.tabled import TablePage
from tui.widgets.drawn import give_height, grow_height
from watchfloor.errors import ConfigError, QueryError
from watchfloor.frame import Frame
from watchfloor.lineage.watch import finding_key
from watchfloor.lineagebook import name_of
from watchfloor.nosecret import refuse_secret
from watchfloor.ports import Concern
from watchfloor.record import Record, RecordKey

_LEAST, _MOST = 7, 22  # lines of the detail
_ROUND = 11  # lines that stay for what is around it, and a few rows, where it has most of the page


class FindingsPage(TablePage):
    slug = "findings"
    key = "6"
    help_text = (
        "What the checks find, the worst first, each from when it was first seen. What has been away for half a minute "
        "is over; coming back it counts once more. What a silent node had is not over: nobody knows. Acknowledged ones "
        "stay here, dim, and are not counted in the header, until they get worse or come anew. Acknowledging and "
        "clearing are notes of this console, kept in its own file; nothing is ever done to a machine."
    )
    acts = frozenset({"acknowledge", "unacknowledge", "clear", "ask"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "over", "what is over, too"),
        Binding("d", "detail", "more lines for the finding under the cursor, or fewer"),
        Binding("a", "acknowledge", "acknowledge: seen, no more reminding"),
        Binding("A", "ask('ack ')", "acknowledge with a note", priority=True),
        Binding("u", "unacknowledge", "take the acknowledgement back"),
        Binding("c", "clear", "forget what is over"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.over = False
        self.tall = False  # the detail has most of the page
        self._model: FindingTable | None = None
        self._asked_for: tuple[bool, Filter | None] = (False, None)  # which findings were shown last
        self._cleared: RecordKey | None = None  # what a key of this page made vanish
        self._asked_about: RecordKey | None = None  # what the cursor was on when the command line was opened

    def rows_shown(self, frame: Frame) -> Rows:
        return Rows.ACCELERATORS

    def matched(self, chosen: Filter, frame: Frame) -> tuple[int, int]:
        return len(rows_of(frame, self.over, chosen)), len(rows_of(frame, self.over, None))

    def take_filter(self, text: str) -> None:
        """A bare word may be that of a metric here, too: findings are called so. Raises QueryError."""
        try:
            super().take_filter(text)
        except QueryError:
            if not bare_word(text):
                raise
            super().take_filter(f'"{text.strip()}"')

    # -- drawing

    def show(self, frame: Frame) -> None:
        rows, glyphs = rows_of(frame, self.over, self.filter), self.desk.palette.glyphs
        self.summary.show(lambda width: [summary_line(frame, rows, self.over, glyphs)])
        columns = columns_for(self.size.width - 1, longest_subject(frame, rows), rows)
        self._model = FindingTable(frame, rows, columns, glyphs)
        self.table.empty = "nothing passes the filter" if self.filter else "nothing is wrong"
        self.table.show(self._model)
        if self._asked_for != (self.over, self.filter) or self.table.gone == self._cleared:
            self._asked_for = self.over, self.filter
            self.table.settle()
        self.table.hold()  # keys act on what the cursor is on: nothing else may come under it by itself
        self.show_detail(frame)

    def show_detail(self, frame: Frame) -> None:
        record, height = self.record, self.size.height
        most = min(height * 2 // 3, height - _ROUND) if self.tall else max(_LEAST, min(_MOST, height // 3))
        gone = self._gone()

        def lines(width: int) -> Sequence[Line]:
            return gone_lines(gone, width) if gone else detail_lines(frame, record, width, most)

        grow_height(self.detail, len(lines(self.size.width)), most)
        self.detail.show(lines)

    @property
    def record(self) -> Record | None:
        """What the cursor is on; nothing where that is gone, until the cursor moves: no key may hit its neighbour."""
        return None if self._model is None or self.table.gone else self._model.row(self.table.cursor)

    def _gone(self) -> str:
        """What the cursor was on until it vanished: `xid-fatal of dgx-02/GPU-3`."""
        gone = self.table.gone
        return f"{gone[1]} of {gone[0]}" if isinstance(gone, tuple) else ""

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.table.settle()  # what went while another page was looked at, nobody has in mind
        self.redraw()

    def aim_at(self, identity: Hashable) -> None:
        record = self.record
        if record is not None:
            self.desk.selected = record.finding.subject

    def show_selected(self) -> None:
        """One that was opened from another page; where it is over, with the others that are."""
        key, self.desk.finding, frame = self.desk.finding, None, self.desk.frame
        record = frame.records.by_key.get(key) if frame is not None and key is not None else None
        if record is None:
            return
        if not record.holds and not self.over:
            self.action_over()
        self.table.select(record.key)

    def lineage_of(self) -> str:
        record = self.record
        return name_of(finding_key(record.finding, record.finding.subject)) if record is not None else ""

    def concern(self) -> Concern | None:
        record = self.record
        return None if record is None else self.concern_of(record.finding.subject, record.finding)

    def open_row(self, identity: Hashable) -> None:
        frame, record = self.desk.frame, self.record
        if frame is None or record is None:
            self._say_none("there is nothing to open")
            return
        if record.finding.subject.node in frame.node_index:
            self.post_message(Drill(record.finding.subject))
        else:
            self.say("it is about no node of this fleet", Token.DIM)

    def facts(self) -> Sequence[Line]:
        frame = self.desk.frame
        if frame is None:
            return ()
        over = [("what is over, too", Token.MATCH)] if self.over else []
        return [self.filter_fact(frame), over]

    def hints(self) -> Line:
        acting = () if self.withheld else ("a", "acknowledge")
        return hint_line(
            "?",
            "help",
            "/",
            "filter",
            "o",
            "over",
            *acting,
            "w",
            "what to do",
            "y",
            "why",
            "Enter",
            "open",
            "q",
            "quit",
        )

    # -- keys

    def action_over(self) -> None:
        self.over = not self.over
        self.redraw()

    def action_detail(self) -> None:
        self.tall = not self.tall
        give_height(self.detail, 0)  # it grows to what is asked for now
        self.redraw()

    def action_acknowledge(self) -> None:
        self.desk.acted(self._acknowledge(self.record, ""))

    def action_unacknowledge(self) -> None:
        self.desk.acted(self._unacknowledge())

    def action_clear(self) -> None:
        self.desk.acted(self._clear())

    # -- what keys and commands do: each says what was done, "" where it was nothing

    def _acknowledge(self, record: Record | None, note: str) -> str:
        if record is None:
            return self._say_none("there is nothing to acknowledge")
        if not record.holds:
            return self._refuse("it is over: it can be cleared", Token.DIM)
        self.post_message(Acknowledge(*record.key, note))
        return self._did(record, "acknowledged")

    def _unacknowledge(self) -> str:
        record = self.record
        if record is None:
            return self._say_none("there is nothing to take back")
        if record.ack is None:
            return self._refuse("it is not acknowledged", Token.DIM)
        self.post_message(Acknowledge(*record.key, None))
        return self._did(record, "no longer acknowledged")

    def _clear(self) -> str:
        record = self.record
        if record is None:
            return self._say_none("there is nothing to clear")
        if record.holds:
            return self._refuse("it still holds: it can be acknowledged, not cleared", Token.WARNING)
        self._cleared = record.key
        self.post_message(Clear(*record.key))
        return self._did(record, "forgotten")

    def _did(self, record: Record, what: str) -> str:
        words = f"{record.finding.code} of {record.finding.subject}: {what}"
        self.say(words)
        return words

    def _refuse(self, words: str, token: Token) -> str:
        self.say(words, token)
        return ""

    def _say_none(self, words: str) -> str:
        gone = self._gone()
        return self._refuse(gone_words(gone) if gone else words, Token.WARNING if gone else Token.DIM)

    def go_back(self) -> bool:
        """Esc: the filter first, then what is over."""
        if super().go_back():
            return True
        over, self.over = self.over, False
        self.redraw()
        return over

    # -- commands

    def prompt(self, text: str = "") -> None:
        self._asked_about = self.record.key if self.record is not None else None
        super().prompt(text)

    def own_commands(self) -> Sequence[Command]:
        shown = Command("findings", "what is wrong, the worst first", lambda _: self.desk.go(self.slug, None))
        if self.withheld:
            return [shown]
        return [
            shown,
            Command("ack", "acknowledge the finding under the cursor", self._command_ack, argument="NOTE"),
            Command("unack", "take an acknowledgement back", lambda _: self._here(self._unacknowledge)),
            Command("clear", "forget the finding under the cursor, which is over", lambda _: self._here(self._clear)),
        ]

    def _command_ack(self, note: str) -> None:
        """What the cursor was on when this was begun, whatever it is on now. Raises ConfigError."""
        refuse_secret(note, "the note", "the record of findings")
        asked = self._model.row(self._asked_about) if self._model is not None and self._asked_about else None
        if asked is None and self._asked_about is not None:
            self._here(lambda: self.say("it is over by now", Token.DIM))
        else:
            self._here(lambda: self._acknowledge(asked, note))

    def _here(self, act: Callable[[], object]) -> None:
        """Raises ConfigError on another page, where no finding is under the cursor."""
        if not self.is_current:
            raise ConfigError("no finding is selected", "open the findings page (6) and select one")
        act()
