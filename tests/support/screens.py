"""What a page shows, as text."""

from __future__ import annotations

from tui.app import WatchfloorApp
from tui.widgets.lines import Lines


def text_of(app: WatchfloorApp, selector: str) -> str:
    """What a Lines widget of the page that is seen says."""
    lines = app.screen.query_one(selector, Lines)
    return "\n".join("".join(segment.text for segment in lines.render_line(y)) for y in range(lines.size.height))


def screen_of(app: WatchfloorApp) -> str:
    """All that the screen shows."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line) for line in lines)
