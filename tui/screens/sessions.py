"""The sessions page: which recordings there are, whether they are what was recorded; Enter shows one again.

Files are read, and verified, in threads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.base import Desk, hint_line
from tui.commands import Command
from tui.messages import ShowAgain
from tui.present.choice import Filter
from tui.present.line import Line
from tui.present.plans import told as told_lines
from tui.present.sessions import SessionTable, detail_lines, has, summary_line
from tui.present.style import Token
from tui.widgets.drawn import give_height
from tui.worded import WordedPage
from watchfloor.errors import WatchfloorError
from watchfloor.frame import Frame
from watchfloor.lineage.times import Times

if TYPE_CHECKING:
    from watchfloor.session.told import Told

_AGAIN_SECONDS = 5.0  # while the page is seen: what is being written grows
_LINES = 12  # of the detail, at most


class SessionsPage(WordedPage):
    slug = "sessions"
    key = "at"
    help_text = (
        "The recordings of this user, the newest first: when, how long, by whom, with which command; sealed (it has "
        "its end), torn (whoever wrote it was killed, or could write no more: what there is can be shown), being "
        "written, or unreadable. v reads every byte of the one under the cursor, and asks the ledger whether these are "
        "what was sealed. Enter shows it again, in these screens; Esc returns to now. In a replay it tells the command "
        "that does."
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("v", "verify", "verify: every byte, and the ledger's word")]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._sessions: Sequence[Told] = ()
        self._known: dict[Path, tuple[tuple[int, int], Told]] = {}  # as of which size and time
        self._read_at, self._reading = float("-inf"), False
        self._verified: dict[str, str] = {}
        self._model: SessionTable | None = None

    # -- what is read

    def _read_on(self, folder: Path) -> None:
        if not self._reading and time.monotonic() - self._read_at >= _AGAIN_SECONDS:
            self._reading = True
            self.run_worker(self._fetch(folder), name="sessions")

    async def _fetch(self, folder: Path) -> None:
        self._sessions = await asyncio.to_thread(self._look, folder)
        self._read_at, self._reading = time.monotonic(), False
        self.redraw()

    def _look(self, folder: Path) -> Sequence[Told]:
        """The newest first; what has not changed is not read again."""
        from watchfloor.session.folder import files  # noqa: PLC0415 - with the first look
        from watchfloor.session.told import told  # noqa: PLC0415

        known = {}
        for path in reversed(files(folder)):
            try:
                found = path.stat()
            except OSError:
                continue  # somebody has just removed it
            stamp, before = (found.st_size, found.st_mtime_ns), self._known.get(path)
            known[path] = before if before and before[0] == stamp else (stamp, told(path, with_digest=False))
        self._known = known
        return [one for _, one in known.values()]

    # -- drawing

    def show(self, frame: Frame) -> None:
        self.draw()

    def on_screen_resume(self) -> None:
        self.redraw()

    def redraw(self) -> None:
        if self.is_drawable and self.is_current:
            self.draw()
            self.draw_bars()

    def draw(self) -> None:
        folder, times = self.desk.options.sessions, Times(self.desk.options.now(), self.desk.zone)
        shown = [one for one in self._sessions if has(one, self.words)]
        if folder is None:
            self.summary.show(lambda width: list(told_lines("this console has no folder of sessions", width)))
        else:
            self._read_on(folder)
            self.summary.show(lambda width: [summary_line(folder, self._sessions, len(shown))])
        self._model = SessionTable(shown, times, self.size.width - 1, self.desk.palette.glyphs)
        self.table.empty = "no recording passes" if self._sessions else "nothing is recorded: --record, watch, run do"
        self.table.show(self._model)
        self.draw_detail()

    def draw_detail(self) -> None:
        one = self._one()
        verified = self._verified.get(one.path.name, "") if one is not None else ""
        most = max(4, min(_LINES, self.size.height // 3))
        give_height(self.detail, most)
        self.detail.show(lambda width: list(detail_lines(one, verified, width))[:most])

    def _one(self) -> Told | None:
        return self._model.row(self.table.cursor) if self._model is not None else None

    def matched(self, chosen: Filter, frame: Frame) -> tuple[int, int]:
        words = chosen.text.casefold().split()
        return sum(has(one, words) for one in self._sessions), len(self._sessions)

    def facts(self) -> Sequence[Line]:
        return self.filter_facts()

    def hints(self) -> Line:
        return hint_line("?", "help", "Enter", "show again", "v", "verify", "/", "filter", "q", "quit")

    # -- one of them

    def open_row(self, identity: Hashable) -> None:
        one = self._one()
        if one is None:
            return
        if self.desk.replay is not None:
            self.say(f"watchfloor replay {one.path.name}", Token.ACCENT)
        else:
            self.post_message(ShowAgain(one.path))

    def action_verify(self) -> None:
        one = self._one()
        if one is not None:
            self._verified[one.path.name] = "reading all of it …"
            self.run_worker(self._verify(one.path), name="verify")
            self.redraw()

    async def _verify(self, path: Path) -> None:
        ledger = self.desk.options.ledger
        try:
            said = await asyncio.to_thread(_verified, path, ledger.place if ledger is not None else None)
        except (WatchfloorError, OSError) as error:
            said = str(error)
        self._verified[path.name] = said
        self.redraw()

    def own_commands(self) -> Sequence[Command]:
        return [Command("sessions", "recordings: show one again, verify it", lambda _: self.desk.go(self.slug, None))]


def _verified(path: Path, ledger: Path | None) -> str:
    """Raises StoreError."""
    from watchfloor.session.told import told, vouched  # noqa: PLC0415 - with the first that is verified
    from watchfloor.snapshot.sessions import said  # noqa: PLC0415

    one = told(path, with_digest=True)
    return said(one, vouched(one, ledger) if ledger is not None else "nothing")
