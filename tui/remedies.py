"""What would you do about it: playbooks and actions that fit; in a console that acts the plan of one, and its keys.

Making a plan changes nothing. It is proposed, or where policy permits it carried out, once all of it was in view.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from tui.asking import Asking, is_yes
from tui.base import Desk
from tui.carrying import Carrying
from tui.present.begin import asked_of_plan
from tui.present.line import Line
from tui.present.plans import told
from tui.present.remedies import choice_lines, told_lines, weighed_lines
from tui.present.style import Token
from tui.sheet import Sheet
from watchfloor.errors import WatchfloorError
from watchfloor.ports import Acting, Concern, Put, Remedy, Weighed

_TITLE = "what would you do?"


class Offers(Sheet):
    """For a console that only watches: the commands to type."""

    def __init__(self, desk: Desk, concern: Concern) -> None:
        super().__init__(desk.palette, f"{concern.title}: {_TITLE}", self._lines)
        self._sought = Sought(desk, concern)

    def on_mount(self) -> None:
        self.run_worker(self._sought.look(self.redraw), name="offers")

    def _lines(self, width: int) -> Sequence[Line]:
        return told_lines(self._sought.concern, self._sought.remedies, width)


class Sought:
    """What fits, looked for off the screen's loop: it reads files."""

    def __init__(self, desk: Desk, concern: Concern) -> None:
        self._desk, self.concern = desk, concern
        self.remedies: Sequence[Remedy] | None = None

    async def look(self, then: Callable[[], None]) -> None:
        from watchfloor.offers import offers  # noqa: PLC0415 - with the first question

        assert self._desk.frame is not None
        self.remedies = await asyncio.to_thread(offers, self.concern, self._desk.frame, self._desk.ledger)
        then()


class Remedies(Asking):
    ACTS = frozenset({"weigh", "choose", "propose", "carry_out", "leave"})
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(digit), f"weigh({digit})", show=False) for digit in range(1, 10)),
        Binding("enter", "weigh(0)", show=False),
        Binding("p", "propose", show=False),
        Binding("c", "carry_out", show=False),
        Binding("escape,q", "leave", show=False),
    ]

    def __init__(self, desk: Desk, concern: Concern, acting: Acting, carrying: Carrying) -> None:
        super().__init__(desk.palette, f"{concern.title}: {_TITLE}", self._lines)
        self._desk, self._acting, self._carrying = desk, acting, carrying
        self._sought = Sought(desk, concern)
        self._at = 0  # the remedy that Enter takes
        self._starts: list[int] = []  # the line in which each remedy begins
        self._weighed: Weighed | None = None
        self._busy = False

    def on_mount(self) -> None:
        self.run_worker(self._sought.look(self.redraw), name="offers")

    def _lines(self, width: int) -> Sequence[Line]:
        if self._weighed is not None:
            return weighed_lines(self._weighed, self._desk.options.now(), width)
        lines, self._starts = choice_lines(self._sought.concern, self._sought.remedies, self._at, width)
        return lines

    def foot(self, end: int, total: int) -> str:
        if self._weighed is None:
            return "Up Down choose, Enter makes the plan, Esc closes"
        if not self.read:
            return f"line {end} of {total}: PgDn goes on; its keys work once all was in view"
        begin = "c carries it out, " if self._weighed.ruling == "permit" else ""
        return f"{begin}p proposes it, Esc goes back"

    def _show(self, weighed: Weighed | None) -> None:
        self._weighed, self.seen_to = weighed, 0
        self.action_end(-1)
        self.redraw()

    # -- keys

    def action_scroll(self, lines: int) -> None:
        """Over the list they choose."""
        if self._weighed is not None or not self._starts:
            super().action_scroll(lines)
            return
        self._at = max(0, min(len(self._starts) - 1, self._at + lines))
        self.redraw()
        top = self._starts[self._at] if self._at else 0
        box = self._box
        if not box.scroll_y <= top < box.scroll_y + box.scrollable_content_region.height - 3:
            box.scroll_to(y=max(0, top - 3), animate=False)

    def action_leave(self) -> None:
        """The plan first, then the sheet."""
        self.say(())
        if self._weighed is None:
            self.dismiss()
        else:
            self._show(None)

    def action_weigh(self, digit: int) -> None:
        remedies = self._sought.remedies or ()
        at = digit - 1 if digit else self._at
        if self._weighed is not None or self._busy or at >= len(remedies):
            return
        self._at, remedy = at, remedies[at]
        if not remedy.is_whole:
            self.say([(f" something of it has to be filled in: {remedy.command}", Token.WARNING)])
            return
        self._begin(" making the plan …", self._weigh(remedy))

    def action_propose(self) -> None:
        if self._may("read the whole plan first: PgDn"):
            assert self._weighed is not None
            self._begin(" proposing it …", self._propose(self._weighed))

    def action_carry_out(self) -> None:
        if not self._may("read the whole plan first: PgDn"):
            return
        assert self._weighed is not None
        if self._weighed.ruling != "permit":
            self.say([(f" it is not permitted ({self._weighed.ruling}): p proposes it", Token.WARNING)])
            return
        self.ask(f"carry out {asked_of_plan(self._weighed.plan)}?")

    def answered(self, text: str) -> str:
        if not is_yes(text):
            return "type yes to begin, or Esc"
        assert self._weighed is not None
        self._begin(" proposing it, and carrying it out …", self._carry_out(self._weighed))
        return ""

    def _may(self, else_say: str) -> bool:
        if self._weighed is None or self._busy:
            return False
        if not self.read:
            self.say([(f" {else_say}", Token.WARNING)])
        return self.read

    def _begin(self, words: str, work: Coroutine[Any, Any, None]) -> None:
        self._busy = True
        self.say([(words, Token.TEXT)])
        self.run_worker(self._done(work), name="remedy")

    async def _done(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except WatchfloorError as error:
            self.complain(error)
        finally:
            self._busy = False

    async def _weigh(self, remedy: Remedy) -> None:
        weighed = await asyncio.to_thread(self._acting.weigh, remedy, self._sought.concern)
        self.say(())
        self._show(weighed)

    async def _propose(self, weighed: Weighed) -> None:
        put = await self._proposed(weighed)
        self._put(
            put, f"{put.said}: the {'approvals page (8)' if put.ruling == 'needs-approval' else 'runs page (7)'} has it"
        )

    async def _carry_out(self, weighed: Weighed) -> None:
        """What was permitted when the plan was made may not be by now: then it is only proposed."""
        put = await self._proposed(weighed)
        if put.ruling == "permit":
            self._carrying.begin(put.run)
            self._put(put, f"run {put.run} has begun: the runs page (7) shows its steps")
        else:
            self._put(put, f"{put.said}: the runs page (7) has it")

    async def _proposed(self, weighed: Weighed) -> Put:
        put = await asyncio.to_thread(self._acting.propose, weighed)
        self._desk.acted(f"propose {asked_of_plan(weighed.plan)}: run {put.run}")
        return put

    def _put(self, put: Put, words: str) -> None:
        self._show(None)
        self.say(next(told(words, 10_000, Token.OK if put.ruling in ("permit", "needs-approval") else Token.WARNING)))
