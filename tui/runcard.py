"""One run as a whole in a console that acts, and the key that carries it out; nowhere else is it bound.

It works where nothing is missing but somebody to begin: policy permits it, or enough persons approved. Whether that
still holds the harness decides, on the newest frame, as for `watchfloor run RUN --apply`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.asking import Asking, is_yes
from tui.carrying import Carrying
from tui.present.begin import asked_of_plan, why_not_begun
from tui.present.style import Palette, Token
from tui.sheet import Text

if TYPE_CHECKING:
    from watchfloor.runs import RunRecord


class RunCard(Asking):
    ACTS = frozenset({"carry_out"})
    BINDINGS: ClassVar[list[BindingType]] = [Binding("c", "carry_out", "carry it out", show=False)]

    def __init__(
        self,
        palette: Palette,
        run: Callable[[], RunRecord | None],
        name: str,
        text: Text,
        carrying: Carrying,
        now: Callable[[], float],
        asks: bool = False,
    ) -> None:
        """`asks`: at once, for who pressed the key on the page."""
        super().__init__(palette, f"run {name}", text)
        self._run, self._name, self._carrying, self._now, self._asks = run, name, carrying, now, asks

    def on_mount(self) -> None:
        if self._asks:
            self.call_after_refresh(self.action_carry_out)

    def _why_not(self) -> str:
        return why_not_begun(self._run(), self._now(), self._carrying.runs)

    def foot(self, end: int, total: int) -> str:
        rest = super().foot(end, total)
        return rest if self._why_not() else f"c carries it out, {rest}"

    def action_carry_out(self) -> None:
        run, why = self._run(), self._why_not()
        if run is None or run.plan is None or why:
            self.say([(f" {why}", Token.WARNING)])
        else:
            self.ask(f"carry out {asked_of_plan(run.plan)}?")

    def answered(self, text: str) -> str:
        if not is_yes(text):
            return "type yes to begin, or Esc"
        if why := self._why_not():
            self.say([(f" {why}", Token.WARNING)])
            return ""
        self._carrying.begin(self._name)
        self.say([(f" run {self._name} has begun: it goes on whichever page you look at", Token.OK)])
        return ""
