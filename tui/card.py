"""The approval card: a whole plan, and in a console that acts the keys that sign it; nowhere else are they bound.

They work once every line of it was in view, ask for a reason, and sign in a thread: a key may wait to be touched. A key
with a passphrase that no agent has asks for it itself, while the terminal is left to it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.asking import Asking
from tui.present.style import Palette, Token
from tui.prompting import at_prompt
from tui.sheet import Text
from tui.widgets.lineinput import LineInput
from watchfloor.errors import KeyLocked, WatchfloorError
from watchfloor.ports import Acting


class ReasonLine(LineInput):
    PROMPT = " > "
    HINTS = ("why? It is signed, and it is in the ledger   Enter signs, Esc doesn't",)


class Card(Asking):
    LINE = ReasonLine
    ACTS = frozenset({"choose"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "choose('approve')", "approve", show=False),
        Binding("x", "choose('reject')", "reject", show=False),
    ]

    def __init__(self, palette: Palette, run: str, text: Text, acting: Acting, acted: Callable[[str], None]) -> None:
        """`acted` is told what was signed."""
        super().__init__(palette, f"run {run}", text)
        self._run, self._acting, self._acted = run, acting, acted
        self._choice = ""
        self._signing = False

    def foot(self, end: int, total: int) -> str:
        if self.read:
            return "a approves, x rejects, Esc closes"
        return f"line {end} of {total}: PgDn goes on; the keys that sign come once all was in view"

    def action_choose(self, choice: str) -> None:
        if self._signing:
            return
        if not self.read:
            self.say([(" read the whole plan first: PgDn", Token.WARNING)])
            return
        self._choice = choice
        self.ask(f"{choice} run {self._run}")

    def declined(self) -> None:
        self.say([(" nothing was signed", Token.DIM)])

    def answered(self, text: str) -> str:
        if not text:
            return "say why: it is what an auditor reads"
        self._signing = True
        self.say([(" signing; a hardware key waits to be touched …", Token.TEXT)])
        self.run_worker(self._signed(self._choice, text), name="sign")
        return ""

    async def _signed(self, choice: str, reason: str) -> None:
        try:
            self.say([(f" {await self._came(choice, reason)}", Token.OK)])
            self._acted(f"{choice} run {self._run}")
        except WatchfloorError as error:
            self.complain(error, "not signed: ")
        finally:
            self._signing = False

    async def _came(self, choice: str, reason: str) -> str:
        try:
            return await asyncio.to_thread(self._acting.sign, self._run, choice, reason)
        except KeyLocked:
            return at_prompt(self.app, lambda: self._asked_for(choice, reason))

    def _asked_for(self, choice: str, reason: str) -> str:
        sys.stdout.write(f"\n{choice} run {self._run}: your key takes a passphrase, and the screen returns.\n")
        sys.stdout.flush()
        return self._acting.sign_at_prompt(self._run, choice, reason)
