"""What widgets that draw their own lines have in common: a palette, the style under their lines, and messages."""

from __future__ import annotations

from collections.abc import Hashable

from rich.style import Style
from textual.message import Message
from textual.widget import Widget

from tui.present.style import DEFAULT, Palette


class Drawn(Widget):
    """A widget with a `render_line` of its own. Textual lays no background under such lines: `ground` is for that.

    `ground` is kept, since working it out walks up the page, and asked for again when styles or frames change.
    """

    ALLOW_SELECT = False

    def __init__(self, *, palette: Palette = DEFAULT, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._palette = palette
        self.ground = Style()

    @property
    def palette(self) -> Palette:
        return self._palette

    @palette.setter
    def palette(self, palette: Palette) -> None:
        self._palette = palette
        self.restyled()
        self.refresh()

    def check_ground(self) -> None:
        """Notice a background or a text colour that has changed."""
        ground = self.rich_style
        if ground != self.ground:
            self.ground = ground
            self.restyled()
            self.refresh()

    def restyled(self) -> None:
        """The palette or the ground has changed: what was kept of the old look must go."""
        raise NotImplementedError

    def on_mount(self) -> None:
        self.check_ground()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        if self.is_attached:
            self.check_ground()


class Said(Message):
    """A message about one identity: a row of a table, an accelerator of a map."""

    def __init__(self, sender: Widget, identity: Hashable) -> None:
        super().__init__()
        self.sender_widget = sender
        self.identity = identity

    @property
    def control(self) -> Widget:
        return self.sender_widget


def grow_height(widget: Widget, lines: int, most: int) -> None:
    """A height for so many lines. What has grown stays so, `most` at most: what is above it stands still meanwhile."""
    height = widget.styles.height
    give_height(widget, min(most, max(lines, int(height.value) if height is not None else 0)))


def give_height(widget: Widget, lines: int) -> None:
    """A height that is set anew costs a layout of the page, even where it is the same."""
    if widget.styles.height is None or widget.styles.height.value != lines:
        widget.styles.height = lines
