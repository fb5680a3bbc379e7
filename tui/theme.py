"""The colours of what Textual itself draws: backgrounds, borders, what is typed. Ours are in `tui.present.style`."""

from textual.theme import Theme

COLOURS = Theme(
    "watchfloor",
    primary="#5fd7d7",
    background="#11151a",
    surface="#11151a",
    panel="#1a2027",
    foreground="#d0d0d0",
    accent="#5fd7d7",
    variables={"input-cursor-background": "#5fd7d7", "block-cursor-background": "#005f87"},
)
