"""A sheet that asks at its foot before it does something, and says there what came of it."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from textual import on
from textual.app import ComposeResult

from tui.present.line import Line
from tui.present.plans import told
from tui.present.style import Token
from tui.remember import Remembered
from tui.sheet import Sheet
from tui.widgets.lineinput import LineInput
from tui.widgets.lines import Lines
from watchfloor.errors import WatchfloorError

_MUTE = frozenset({"scroll", "page", "end", "dismiss"})  # while it asks, these are the line's


class SureLine(LineInput):
    """Nothing is begun by a single key."""

    PROMPT = " > "
    HINTS = ("type yes, then Enter   Esc doesn't",)


class Asking(Sheet):
    """A subclass says what its keys do, and takes what was typed."""

    LINE: ClassVar[type[LineInput]] = SureLine
    ACTS: ClassVar[frozenset[str]] = frozenset()  # its own keys' actions, which rest while it asks
    _said: Line = ()

    def compose_foot(self) -> ComposeResult:
        yield self.LINE(self.palette, Remembered(None), lambda text, cursor: (), id="reason")
        foot = Lines(self.palette, id="cardfoot")
        foot.show(lambda width: [self._said])
        yield foot

    @abstractmethod
    def answered(self, text: str) -> str:
        """Enter was pressed: what is wrong with this, "" where it was taken."""

    def declined(self) -> None:
        self.say([(" nothing was done", Token.DIM)])

    # -- the line

    @property
    def is_asking(self) -> bool:
        return bool(self.query("#reason")) and self.query_one("#reason", LineInput).display

    def ask(self, words: str) -> None:
        self.say([(f" {words}", Token.STRONG)])
        self.query_one("#reason", LineInput).open("")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in _MUTE or action in self.ACTS:
            return not self.is_asking
        return super().check_action(action, parameters)

    @on(LineInput.Left, "#reason")
    def _leave_line(self) -> None:
        self._close_line()
        self.declined()

    @on(LineInput.Entered, "#reason")
    def _take(self, event: LineInput.Entered) -> None:
        if wrong := self.answered(event.text.strip()):
            event.line.point(1, wrong)
        else:
            self._close_line()

    def _close_line(self) -> None:
        self.query_one("#reason", LineInput).close()
        self.set_focus(None)

    # -- what is said

    def say(self, line: Line) -> None:
        self._said = line
        if self.is_mounted and self.query("#cardfoot"):
            self.query_one("#cardfoot", Lines).show(lambda width: [self._said])

    def complain(self, error: WatchfloorError, what: str = "") -> None:
        advice = f": {error.advice}" if error.advice else ""
        self.say(next(told(f"{what}{error.message}{advice}", 10_000, Token.CRITICAL)))


def is_yes(text: str) -> bool:
    return text.casefold() == "yes"
