"""What would you do about a finding, in a console that acts: what fits, the plan of one, and the key that proposes it.

Making a plan changes nothing; the plan is proposed once all of it was in view, and policy decides what becomes of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.base import Desk
from tui.present.line import Line
from tui.present.plans import told
from tui.present.remedies import choice_lines, weighed_lines
from tui.present.style import Token
from tui.sheet import Sheet
from tui.widgets.lines import Lines
from watchfloor.errors import WatchfloorError
from watchfloor.model import Finding
from watchfloor.ports import Acting, Remedy, Weighed


class Remedies(Sheet):
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(digit), f"weigh({digit})", show=False) for digit in range(1, 10)),
        Binding("p", "propose", show=False),
        Binding("escape,q", "leave", show=False),
    ]

    def __init__(self, desk: Desk, finding: Finding, remedies: Sequence[Remedy], acting: Acting) -> None:
        super().__init__(desk.palette, f"{finding.code}: what would you do?", self._lines)
        self._desk, self._finding, self._remedies, self._acting = desk, finding, remedies, acting
        self._weighed: Weighed | None = None
        self._busy = False
        self._said: Line = ()

    def compose_foot(self) -> ComposeResult:
        foot = Lines(self.palette, id="cardfoot")
        foot.show(lambda width: [self._said])
        yield foot

    def _lines(self, width: int) -> Sequence[Line]:
        if self._weighed is None:
            return choice_lines(self._finding, self._remedies, width)
        return weighed_lines(self._weighed, self._desk.options.now(), width)

    def foot(self, end: int, total: int) -> str:
        if self._weighed is None:
            return "a digit makes a plan, Esc closes"
        if self.read:
            return "p proposes it, Esc goes back"
        return f"line {end} of {total}: PgDn goes on; p proposes it once all was in view"

    def _say(self, line: Line) -> None:
        self._said = line
        self.query_one("#cardfoot", Lines).show(lambda width: [self._said])

    def _show(self, weighed: Weighed | None) -> None:
        self._weighed, self.seen_to = weighed, 0
        self.action_end(-1)
        self.redraw()

    # -- keys

    def action_leave(self) -> None:
        """The plan first, then the sheet."""
        self._say(())
        if self._weighed is None:
            self.dismiss()
        else:
            self._show(None)

    def action_weigh(self, digit: int) -> None:
        if self._weighed is not None or self._busy or digit > len(self._remedies):
            return
        remedy = self._remedies[digit - 1]
        if not remedy.is_whole:
            self._say([(" something of it has to be filled in: type its command", Token.WARNING)])
            return
        self._begin(" making the plan …", self._weigh(remedy))

    def action_propose(self) -> None:
        if self._weighed is None or self._busy:
            return
        if not self.read:
            self._say([(" read the whole plan first: PgDn", Token.WARNING)])
            return
        self._begin(" proposing it …", self._propose(self._weighed))

    def _begin(self, words: str, work: object) -> None:
        self._busy = True
        self._say([(words, Token.TEXT)])
        self.run_worker(work, name="remedy")  # pyright: ignore[reportArgumentType]

    async def _weigh(self, remedy: Remedy) -> None:
        try:
            weighed = await asyncio.to_thread(self._acting.weigh, remedy, self._finding)
            self._say(())
            self._show(weighed)
        except WatchfloorError as error:
            self._complain(error)
        finally:
            self._busy = False

    async def _propose(self, weighed: Weighed) -> None:
        try:
            came = await asyncio.to_thread(self._acting.propose, weighed)
            self._show(None)
            self._say(next(told(f"{came}: the runs page (7) has it", 10_000, Token.OK)))
        except WatchfloorError as error:
            self._complain(error)
        finally:
            self._busy = False

    def _complain(self, error: WatchfloorError) -> None:
        advice = f": {error.advice}" if error.advice else ""
        self._say(next(told(f"{error.message}{advice}", 10_000, Token.CRITICAL)))
