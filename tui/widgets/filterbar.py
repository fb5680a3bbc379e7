"""The filter bar: `/`, a query, and how many rows pass it while it is typed."""

from __future__ import annotations

from tui.widgets.lineinput import LineInput


class FilterBar(LineInput):
    PROMPT = " / "
    HINTS = (
        "util < 5 and mem_used > 10GB   node ~ dgx   state >= warning   Tab completes, Enter keeps, Esc undoes",
        "util < 5 and node ~ dgx   Tab completes, Enter keeps, Esc undoes",
        "Tab completes, Enter keeps, Esc undoes",
    )
