"""The compare page: two moments held against one another; what differs, what matters most first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.timer import Timer

from tui.base import Desk, hint_line
from tui.commands import Command
from tui.messages import Drill
from tui.present.choice import Filter
from tui.present.compare import DifferenceTable, detail_lines, passing, summary_line
from tui.present.line import Line
from tui.present.listing import Listing
from tui.present.plans import told
from tui.present.style import Token
from tui.widgets.drawn import give_height
from tui.worded import WordedPage
from watchfloor.compare import Comparison, compare
from watchfloor.errors import ConfigError, WatchfloorError
from watchfloor.frame import Frame
from watchfloor.ports import Replay
from watchfloor.session.seeking import Stretch, time_of

_LEAST = 5  # lines of the detail
_SELDOM = 4.0  # as it goes on, it is compared anew after so many times as long as that takes


class ComparePage(WordedPage):
    slug = "compare"
    key = "equals_sign"
    help_text = (
        "Two moments of the fleet, before and after: whose state, findings or values differ, changed states first. "
        "What moves by itself (traffic, ages, energy) isn't told, and of a value only what a person would see. Before "
        "is the moment at which this page was opened first; after is the one that is shown, live or recorded, and goes "
        "with it. `:compare 14:03:20 14:05:00` takes two moments of a session."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "before", "before: the moment that is shown"),
        Binding("a", "after", "after: the moment that is shown, for good; once more: as it goes on"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._before: Frame | None = None
        self._after: Frame | None = None  # None: the one that is shown
        self._instead = ""  # why one of them is another than was asked for
        self._model: DifferenceTable | None = None
        self._compared: tuple[Frame, Frame, Comparison] | None = None
        self._due = 0.0  # monotonic seconds: when what goes on is compared again
        self._later: Timer | None = None

    # -- drawing

    def show(self, frame: Frame) -> None:
        self._before = self._before or frame
        found, frames = self._comparison(self._before, self._after or frame)
        rows, glyphs = passing(found.differences, self.words, frames), self.desk.palette.glyphs
        zone, follows = self.desk.zone, self._after is None
        instead = self._instead
        self.summary.show(
            lambda width: [
                summary_line(found, len(rows), follows, zone, width),
                *(told(instead, width, Token.WARNING) if instead else ()),
            ]
        )
        self._model = DifferenceTable(frames, rows, self.size.width - 1, glyphs)
        self.table.empty = "nothing passes the filter" if self.words else "nothing differs that a person would see"
        self.table.show(self._model)
        self.show_detail(frame)

    def _comparison(self, before: Frame, after: Frame) -> tuple[Comparison, tuple[Frame, Frame]]:
        """What differs, and between which two; of the same two the same one, and a moment ago's where it is not due."""
        known, begun = self._compared, time.monotonic()
        if known is None or known[0] is not before or (known[1] is not after and begun >= self._due):
            known = self._compared = before, after, compare(before, after)
            ended = time.monotonic()
            self._due = ended + (ended - begun) * _SELDOM
        elif known[1] is not after and self._later is None:
            self._later = self.set_timer(self._due - begun, self._compare_later)
        return known[2], (known[0], known[1])

    def _compare_later(self) -> None:
        self._later = None
        self.redraw()

    def on_screen_suspend(self) -> None:
        """On another page nothing is held but the moments that were asked for: frames are large."""
        if self not in self.app.screen_stack:
            self._compared = self._model = None
            self.table.show(Listing((), ()))
            self.detail.show(lambda width: ())

    def show_detail(self, frame: Frame) -> None:
        row = self._model.row(self.table.cursor) if self._model is not None else None
        most, glyphs = max(_LEAST, self.size.height // 3), self.desk.palette.glyphs
        give_height(self.detail, most)
        self.detail.show(lambda width: detail_lines(row, width, most, glyphs))

    def matched(self, chosen: Filter, frame: Frame) -> tuple[int, int]:
        shown = self._model.count if self._model is not None else 0
        return shown, self._compared[2].count if self._compared is not None else 0

    def aim_at(self, identity: Hashable) -> None:
        row = self._model.row(identity) if self._model is not None else None
        if row is not None:
            self.desk.selected = row.subject

    def open_row(self, identity: Hashable) -> None:
        frame, row = self.desk.frame, self._model.row(identity) if self._model is not None else None
        if frame is not None and row is not None and row.subject.node in frame.node_index:
            self.post_message(Drill(row.subject))
        else:
            self.say("it is on no node of this fleet", Token.DIM)

    def facts(self) -> Sequence[Line]:
        return self.filter_facts()

    def hints(self) -> Line:
        return hint_line("?", "help", "b", "before", "a", "after", "/", "filter", "Enter", "node", "q", "quit")

    # -- which moments

    def action_before(self) -> None:
        self._before, self._instead = self.desk.frame, ""
        self.redraw()

    def action_after(self) -> None:
        self._after, self._due, self._instead = self.desk.frame if self._after is None else None, 0.0, ""
        self.redraw()

    def own_commands(self) -> Sequence[Command]:
        return [Command("compare", "two moments, side by side", self._command, argument="[BEFORE [AFTER]]")]

    def _command(self, text: str) -> None:
        """Raises ConfigError, SessionError."""
        words = text.split()
        if len(words) > 2:
            raise ConfigError("two moments can be compared", "as in compare 14:03:20 14:05:00")
        if words:
            replay, close = self._session()
            standing = replay.standing
            stretch = Stretch(standing.begin, standing.end, standing.at, self.desk.zone)
            self.run_worker(self._fetch(replay, [time_of(word, stretch) for word in words], close), name="compare")
        self.desk.go(self.slug, None)

    def _session(self) -> tuple[Replay, Callable[[], None]]:
        """What is replayed; else what this console records, to be closed again. Raises ConfigError, SessionError."""
        if self.desk.replay is not None:
            return self.desk.replay, lambda: None
        if self.desk.options.past is None:
            raise ConfigError("this console doesn't record", "start it with --record; = compares from now on")
        opened = self.desk.options.past()
        return opened, opened.stop

    async def _fetch(self, replay: Replay, times: Sequence[float], close: Callable[[], None]) -> None:
        try:
            read = [await asyncio.to_thread(replay.frame_at, at) for at in times]
        except WatchfloorError as error:
            self.say(str(error), Token.WARNING)
            return
        finally:
            close()
        frames, troubles = zip(*read, strict=True)
        why = "; ".join(dict.fromkeys(filter(None, troubles)))
        self._instead = f"another moment is shown than was asked for: {why}" if why else ""
        self._before, self._after, self._due = frames[0], frames[1] if len(frames) > 1 else None, 0.0
        self.redraw()
