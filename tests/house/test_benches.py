"""The benches: each is told of, and none leaves a console behind that would be measured with the next."""

from __future__ import annotations

import re
import signal
import sys

from bench.__main__ import benches
from bench.pty_console import Console
from tests.support.parts import ROOT
from tests.support.patience import PATIENCE_SECONDS


def test_every_bench_is_told_of() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    assert sorted(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == benches()


def test_a_console_ends_with_its_terminal_also_where_hangups_are_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    console = Console([sys.executable, "-IS", "-c", "import signal; print(repr(signal.getsignal(signal.SIGHUP)))"])
    try:
        console.until(b"SIG_DFL", PATIENCE_SECONDS)
    finally:
        signal.signal(signal.SIGHUP, before)
        console.close()
