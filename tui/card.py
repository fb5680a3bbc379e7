"""The approval card: a whole plan, and in a console that acts the keys that sign it; nowhere else are they bound.

They work once every line of it was in view, ask for a reason, and sign in a thread: a key may wait to be touched.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.present.line import Line
from tui.present.plans import told
from tui.present.style import Palette, Token
from tui.remember import Remembered
from tui.sheet import Sheet, Text
from tui.widgets.lineinput import LineInput
from tui.widgets.lines import Lines
from watchfloor.errors import WatchfloorError
from watchfloor.ports import Acting


class ReasonLine(LineInput):
    PROMPT = " > "
    HINTS = ("why? It is signed, and it is in the ledger   Enter signs, Esc doesn't",)


class Card(Sheet):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "choose('approve')", "approve", show=False),
        Binding("x", "choose('reject')", "reject", show=False),
    ]

    def __init__(self, palette: Palette, run: str, text: Text, acting: Acting) -> None:
        super().__init__(palette, f"run {run}", text)
        self._run, self._acting = run, acting
        self._choice = ""
        self._said: Line = ()
        self._signing = False

    def compose_foot(self) -> ComposeResult:
        yield ReasonLine(self.palette, Remembered(None), lambda text, cursor: (), id="reason")
        yield Lines(self.palette, id="cardfoot")

    def on_mount(self) -> None:
        self._say(())

    def foot(self, end: int, total: int) -> str:
        if self.read:
            return "a approves, x rejects, Esc closes"
        return f"line {end} of {total}: PgDn goes on; the keys that sign come once all was in view"

    def _say(self, line: Line) -> None:
        self._said = line
        self.query_one("#cardfoot", Lines).show(lambda width: [self._said])

    # -- signing

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("choose", "scroll", "page", "end", "dismiss"):
            return not self.query_one(ReasonLine).display
        return super().check_action(action, parameters)

    def action_choose(self, choice: str) -> None:
        if self._signing:
            return
        if not self.read:
            self._say([(" read the whole plan first: PgDn", Token.WARNING)])
            return
        self._choice = choice
        self._say([(f" {choice} run {self._run}", Token.STRONG)])
        self.query_one(ReasonLine).open("")

    @on(LineInput.Left, "#reason")
    def _leave(self) -> None:
        self._close_line()
        self._say([(" nothing was signed", Token.DIM)])

    @on(LineInput.Entered, "#reason")
    def _sign(self, event: LineInput.Entered) -> None:
        line = self.query_one(ReasonLine)
        if not event.text.strip():
            line.point(1, "say why: it is what an auditor reads")
            return
        self._close_line()
        self._signing = True
        self._say([(" signing; a hardware key waits to be touched …", Token.TEXT)])
        self.run_worker(self._signed(self._choice, event.text.strip()), name="sign")

    def _close_line(self) -> None:
        self.query_one(ReasonLine).close()
        self.set_focus(None)

    async def _signed(self, choice: str, reason: str) -> None:
        try:
            came = await asyncio.to_thread(self._acting.sign, self._run, choice, reason)
            self._say([(f" {came}", Token.OK)])
        except WatchfloorError as error:
            advice = f": {error.advice}" if error.advice else ""
            self._say(next(told(f"not signed: {error.message}{advice}", 10_000, Token.CRITICAL)))
        finally:
            self._signing = False
