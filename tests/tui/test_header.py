"""The header: what is counted as what, and which form fits which width."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support import frames
from tui.present.header import badge, first_line, second_line, summarise
from tui.present.line import cut, spread, width_of
from tui.present.style import UNICODE, Token


def test_every_accelerator_is_counted_once() -> None:
    summary = summarise(frames.settled())
    assert (summary.nodes_up, summary.nodes) == (11, 13)
    assert summary.busy + summary.idle + summary.faulted + summary.unknown == summary.accelerators == 76
    assert (summary.faulted, summary.unknown) == (1, 16)  # one fell off the bus; a lost node and a hung driver
    assert (summary.criticals, summary.warnings) == (2, 3)


def test_no_power_where_nobody_tells_it() -> None:
    summary = summarise(frames.hosts_only())
    assert summary.power_watts is None
    assert summary.budget_watts is None
    assert "power" not in "".join(text for text, _ in second_line(summary, UNICODE, 200))


@pytest.mark.parametrize("width", [20, 60, 80, 100, 120, 200])
def test_the_lines_fill_the_width_exactly(width: int) -> None:
    summary = summarise(frames.settled())
    assert width_of(second_line(summary, UNICODE, width)) == width
    assert width_of(first_line("a lab with a long name", summary, ("LIVE", Token.OK), width, 0.2)) == width


@pytest.mark.parametrize(
    ("live", "stale", "width", "said"),
    [
        (0.2, None, 120, "oldest sample 0.3 s  LIVE"),
        (0.2, 18.0, 120, "oldest live sample 0.3 s  stale up to 18 s  LIVE"),
        (0.2, 18.0, 60, "oldest sample 18 s  LIVE"),  # the true one, where there is room for one
        (None, 18.0, 120, "oldest sample 18 s  LIVE"),
        (None, None, 120, "LIVE"),
        (0.2, 18.0, 40, "LIVE"),
    ],
)
def test_the_ages_leave_out_no_sample_that_is_shown(
    live: float | None, stale: float | None, width: int, said: str
) -> None:
    summary = replace(summarise(frames.settled()), oldest_seconds=live, stale_seconds=stale)
    line = "".join(text for text, _ in first_line("lab", summary, ("LIVE", Token.OK), width, 0.1))
    assert line.split("lab")[1].strip() == said


def test_a_node_that_fell_silent_has_the_oldest_sample() -> None:
    summary = summarise(frames.settled())
    assert summary.oldest_seconds is not None and summary.oldest_seconds < 1
    assert summary.stale_seconds is not None and summary.stale_seconds > 5


def test_the_badge() -> None:
    frame = frames.hosts_only()
    assert badge(None, False, 0.0)[0] == "STARTING"
    assert badge(frame, False, frame.at + 1)[0] == "LIVE"
    assert badge(frame, True, frame.at + 1)[0] == "READ-ONLY"
    assert badge(frame, True, frame.at + 60)[0] == "NO FRAME FOR 1 m"
    assert badge(replace(frame, replay=True), False, frame.at + 60)[0] == "REPLAY"


def test_lines_are_cut_and_spread() -> None:
    line = [("watch", Token.TEXT), ("floor", Token.DIM)]
    assert cut(line, 10) == line
    assert "".join(text for text, _ in cut(line, 8)) == "watchfl…"
    assert width_of(spread(line, line, 24)) == 24
    assert width_of(spread(line, line, 15)) == 15
