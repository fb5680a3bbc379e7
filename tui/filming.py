"""What the terminal shows, for a recording: looked at a few times a second, told where it changed.

Must not do: decide what is recorded, or where.
"""

from __future__ import annotations

from collections.abc import Callable

from textual.app import App
from textual.widgets import Input

from watchfloor.ports import Recording
from watchfloor.session.cast import Line, ScreenTape

FILM_SECONDS = 0.25


class Film:
    """`now` is console time in seconds since the epoch."""

    def __init__(self, app: App[int], recording: Recording, now: Callable[[], float]) -> None:
        self._app, self._recording, self._now = app, recording, now
        self._tape = ScreenTape()

    def take(self) -> None:
        """A picture, where it is another one than the last."""
        if self._recording.trouble or not self._app.screen_stack:
            return
        size, at = self._app.size, self._now()
        events = self._tape.told(at, (size.width, size.height), self._lines(), self._typed())
        if events:
            self._recording.terminal(at, events)

    def _typed(self) -> str:
        """What stands in lines to type into, as long as they are drawn: one that was just closed is, for a moment."""
        drawn = self._app.screen._compositor.visible_widgets
        return "\n".join(widget.value for widget in drawn if isinstance(widget, Input))

    def _lines(self) -> list[Line]:
        """The screen as it is drawn; those beneath it are part of its picture."""
        strips = self._app.screen._compositor.render_strips(self._app.size)
        return [(strip.text, strip.render(self._app.console)) for strip in strips]
