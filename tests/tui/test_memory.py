"""What a console must not hold: lines that were drawn long ago, and stores that nothing is kept in."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

from rich.segment import Segment
from textual.strip import Strip

import tui.app  # noqa: F401 - it is what changes Textual's strips


class Words(str):
    """A text of which it can be seen whether anybody still has it."""


def test_a_line_that_is_drawn_as_a_whole_is_let_go_of_at_once() -> None:
    gc.disable()
    try:
        words = Words("one")
        held = weakref.ref(words)
        strip = Strip([Segment(words), Segment("two")], 6)
        assert strip.divide([6]) == [strip]
        del words, strip
        assert held() is None, "a strip that holds itself"
    finally:
        gc.enable()


def test_a_line_is_divided_as_ever() -> None:
    strip = Strip([Segment("one"), Segment("two")], 6)
    assert [part.text for part in strip.divide([2, 6, 9])] == ["on", "etwo"]
    assert [part.text for part in strip.divide([2, 6, 9])] == ["on", "etwo"]


def test_a_console_without_files_loads_no_database() -> None:
    code = """
import sys
from watchfloor import wiring
import tui.app
from tui.pages import keys, load
for name in keys():
    load(name)
wiring.Collection([])
sys.exit("sqlite3" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
