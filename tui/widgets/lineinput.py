"""A line to type into at the foot of a page: prompt, field, a note, and below it a hint or an error with its caret."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, Protocol

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from tui.present.completion import Completion, completion
from tui.present.line import Line, Piece, cut, fitting, paragraphs, spread
from tui.present.style import Palette, Token
from tui.widgets.lines import Lines


class Memory(Protocol):
    """What was typed before (tui.remember.Remembered)."""

    def add(self, text: str) -> None: ...

    def rewind(self) -> None: ...

    def older(self) -> str | None: ...

    def newer(self) -> str | None: ...


Complete = Callable[[str, int], Sequence[str]]  # text and cursor -> words that may stand where the cursor is


class LineInput(Vertical):
    """Hidden until `open`. It says what was typed; what that means is the page's business."""

    PROMPT: ClassVar[str] = ""
    HINTS: ClassVar[tuple[str, ...]] = ("",)  # the first that there is room for

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "older", "earlier text", show=False),
        Binding("down", "newer", "later text", show=False),
        Binding("tab", "complete(1)", "complete", show=False),
        Binding("shift+tab", "complete(-1)", "complete backwards", show=False),
        Binding("escape", "leave", "close", show=False),
    ]

    class Edited(Message):
        """The text has changed."""

        def __init__(self, line: LineInput, text: str) -> None:
            super().__init__()
            self.line = line
            self.text = text

        @property
        def control(self) -> LineInput:
            return self.line

    class Entered(Edited):
        """Enter was pressed."""

    class Left(Edited):
        """Closed without Enter."""

    def __init__(self, palette: Palette, memory: Memory, complete: Complete, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="lineinput")
        self._palette, self._memory, self._complete = palette, memory, complete
        self._field = Input(compact=True, select_on_focus=False)
        self._note = Lines(palette, classes="note")
        self._hint = Lines(palette, classes="hint")
        self._words: Completion | None = None
        self.display = False

    def compose(self) -> ComposeResult:
        with Horizontal():
            prompt = Lines(self._palette, classes="prompt")
            prompt.show(lambda width: [[(self.PROMPT, Token.ACCENT)]])
            yield prompt
            yield self._field
            yield self._note
        yield self._hint

    @property
    def text(self) -> str:
        return self._field.value

    def open(self, text: str) -> None:
        """Show the line with this text, cursor behind it."""
        self.display = True
        self._memory.rewind()
        self._put(text, len(text))
        self.note(())
        self.screen.set_focus(self._field)  # at once: what is typed next belongs here

    def close(self) -> None:
        self.display = False
        self._words = None

    def note(self, note: Line) -> None:
        """All is well: `note` at the right of the field, what the keys do below it."""
        hints = [partial(_hint, words) for words in self.HINTS]
        self._hint.show(lambda width: [fitting(hints, width)])
        self._note.show(lambda width: [spread((), [*note, (" ", Token.TEXT)], width)])

    def point(self, column: int, message: str) -> None:
        """An error at a column of the text (from 1; 0 is nowhere in particular)."""
        self._note.show(lambda width: [spread((), [("not understood ", Token.WARNING)], width)])
        self._hint.show(lambda width: _pointed(column + len(self.PROMPT) - 1, message, width))

    def remember(self) -> None:
        """What is typed now is worth keeping."""
        self._memory.add(self.text)

    def _put(self, text: str, cursor: int) -> None:
        self._field.value = text
        self._field.cursor_position = cursor

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._words is not None and event.value != self._words.current[0]:
            self._words = None
        if self.display:
            self.post_message(self.Edited(self, event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Entered(self, event.value))

    def action_leave(self) -> None:
        self.post_message(self.Left(self, self.text))

    def action_older(self) -> None:
        """The text before this one; the newest is often what stands here already."""
        older = self._memory.older()
        self._recall(self._memory.older() if older == self.text else older)

    def action_newer(self) -> None:
        self._recall(self._memory.newer())

    def _recall(self, text: str | None) -> None:
        if text is not None:
            self._put(text, len(text))

    def action_complete(self, by: int) -> None:
        """Put the next word that fits before the cursor; list them all below."""
        if self._words is None:
            words = self._complete(self._field.value, self._field.cursor_position)
            self._words = completion(self._field.value, self._field.cursor_position, words)
        if self._words is None:
            return
        self._words = self._words.step(by)
        self._put(*self._words.current)
        self.call_after_refresh(self._list_words)

    def _list_words(self) -> None:
        if self._words is not None and len(self._words.words) > 1:
            words = self._words.line()
            self._hint.show(lambda width: [cut([(" ", Token.TEXT), *words], width)])

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """The focus went elsewhere (a click): an abandoned line doesn't stay in the way."""
        if self.display and self.app.focused is not None and self.app.focused is not self._field:
            self.action_leave()


def _hint(words: str) -> Line:
    return [(f" {words}", Token.DIM)]


def _pointed(column: int, message: str, width: int) -> Sequence[Line]:
    """A caret below the column and the message behind it, before it, or on lines of its own: where there is room."""
    caret: Piece = ("^", Token.CRITICAL)
    at = max(0, min(column, width - 1))
    if len(message) + 2 <= width - at:
        return [[(" " * at, Token.TEXT), caret, (" " + message, Token.WARNING)]]
    if len(message) + 2 <= at:
        return [[(" " * (at - len(message) - 1), Token.TEXT), (message + " ", Token.WARNING), caret]]
    told = paragraphs(message, width - 2)
    return [[(" " * at, Token.TEXT), caret], *([(f" {line}", Token.WARNING)] for line in told)]
