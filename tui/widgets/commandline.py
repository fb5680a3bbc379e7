"""The command line: `:` and a command."""

from __future__ import annotations

from tui.widgets.lineinput import LineInput


class CommandLine(LineInput):
    PROMPT = " : "
    HINTS = ("Tab completes, Enter runs, Esc closes",)
