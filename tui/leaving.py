"""Asked before the program ends while it carries something out: a run that is left stands where it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.present.line import Line
from tui.present.plans import told
from tui.present.style import Palette, Token
from tui.sheet import Sheet


class Leaving(Sheet):
    """Over whatever is seen; `leave` ends the program."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", show=False),
        Binding("escape", "dismiss", show=False),
    ]

    def __init__(self, palette: Palette, runs: Callable[[], Sequence[str]], leave: Callable[[], None]) -> None:
        super().__init__(palette, "quit?", self._lines)
        self._runs, self._leave = runs, leave

    def _lines(self, width: int) -> Sequence[Line]:
        runs = self._runs()
        if not runs:
            return list(told("What this console carried out is over.", width))
        stops = "it stops where it is" if len(runs) == 1 else "they stop where they are"
        return [
            *told(f"This console carries out {', '.join(runs)}.", width, Token.STRONG),
            [],
            *told(
                f"If you quit now, {stops}: what was begun on a node ends there, nothing more is begun, and the ledger "
                f"has how far it came. `watchfloor run {runs[0]} --apply`, a running `watchfloor watch` or this "
                "console, opened again, goes on from there and repeats nothing.",
                width,
            ),
        ]

    def foot(self, end: int, total: int) -> str:
        return "q quits, Esc stays"

    def action_leave(self) -> None:
        self._leave()
