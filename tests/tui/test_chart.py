"""Charts: exact size at any size, gaps where nothing was known, the shade of the maximum, sparklines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult

from tui.present.chart import Plot, draw, round_up, spark
from tui.present.style import ASCII, UNICODE, Glyphs, Token, palette
from tui.widgets.chart import Chart
from watchfloor.history import Series
from watchfloor.metrics import Unit


def plot(values: list[float], maxima: list[float] | None = None, seconds: float = 1.0, **options: float | str) -> Plot:
    mean = np.array(values, np.float64)
    series = Series(seconds, mean, np.array(maxima, np.float64) if maxima else mean)
    return Plot("UTIL", Unit.PERCENT, series, **options)  # pyright: ignore[reportArgumentType]


def texts(of: Plot, width: int, height: int, glyphs: Glyphs = UNICODE) -> list[str]:
    return ["".join(text for text, _ in line) for line in draw(of, width, height, glyphs)]


def test_a_rising_minute_reads_as_a_slope() -> None:
    assert texts(plot([float(value) for value in range(60)], high=59.0), 36, 6) == [
        "UTIL  59 %                          ",
        "59 %                         ⢀⣀⣤⣤⣶⣶⣿",
        "                      ⣀⣀⣤⣴⣶⣾⣿⣿⣿⣿⣿⣿⣿⣿",
        "              ⣀⣀⣤⣴⣶⣾⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿",
        " 0 % ⣀⣀⣀⣠⣤⣴⣶⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿",
        "     -1 m                        now",
    ]


@given(
    values=st.lists(st.floats(-10, 1e13) | st.just(float("nan")), max_size=200),
    width=st.integers(0, 70),
    height=st.integers(0, 12),
    seconds=st.sampled_from([1.0, 10.0]),
    unit=st.sampled_from(list(Unit)),
    glyphs=st.sampled_from([UNICODE, ASCII]),
)
def test_every_line_has_exactly_the_width(
    values: list[float], width: int, height: int, seconds: float, unit: Unit, glyphs: Glyphs
) -> None:
    mean = np.array(values, np.float64)
    lines = draw(Plot("m", unit, Series(seconds, mean, mean)), width, height, glyphs)
    assert len(lines) == (height if width else 0)
    assert {cell_len("".join(text for text, _ in line)) for line in lines} <= {width}
    assert glyphs is UNICODE or all(text.isascii() for line in lines for text, _ in line)


def test_gap_is_blank_and_zero_is_not() -> None:
    nan = float("nan")
    body = texts(plot([0.0] * 30 + [nan] * 30, high=100.0), 36, 3)[-1]
    assert set(body[6:20]) == {"⣀"}
    assert set(body[-14:]) == {" "}


def test_newest_value_missing_shows_the_note() -> None:
    missing = plot([50.0, float("nan")], note="timed out")
    assert draw(missing, 40, 4)[0] == [("UTIL", Token.HEADER), ("  timed out" + " " * 25, Token.DIM)]


def test_a_last_value_that_would_be_cut_is_left_out() -> None:
    missing = plot([50.0, float("nan")], note="timed out, last 1980 MHz")
    assert texts(missing, 40, 4)[0].rstrip() == "UTIL  timed out, last 1980 MHz"
    assert texts(missing, 24, 4)[0].rstrip() == "UTIL  timed out"


def test_maximum_above_the_mean_is_shaded() -> None:
    lines = draw(plot([25.0] * 180, [100.0] * 180, seconds=10.0, high=100.0), 40, 5)
    tokens = [line[1][1] for line in lines[1:-1]]
    assert tokens == [Token.DIM, Token.DIM, Token.LOAD_3]


def test_what_was_seen_beyond_the_usual_end_is_on_the_axis() -> None:
    load = Plot("LOAD1", Unit.NONE, Series(1.0, np.full(60, 6.4), np.full(60, 6.4)), high=2.0)
    assert load.top == 6.4
    assert texts(load, 40, 5)[1].lstrip().startswith("6.40 ")


def test_an_ascii_terminal_gets_aligned_labels() -> None:
    of = Plot("TEMP", Unit.CELSIUS, Series(1.0, np.full(60, 95.0), np.full(60, 95.0)), low=20.0, high=95.0)
    assert [line[:8] for line in texts(of, 40, 5, ASCII)] == [
        "TEMP  95",
        "95 C ###",
        "     ###",
        "20 C ###",
        "     -1 ",
    ]


def test_a_short_history_stands_at_the_right() -> None:
    body = texts(plot([100.0] * 6, high=100.0), 36, 3)[-1]
    assert body[6:].strip() == "⣿⣿⣿"


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (40.0, Unit.PERCENT, 100.0),
        (130.0, Unit.PERCENT, 130.0),
        (701.0, Unit.WATTS, 1000.0),
        (200.0, Unit.WATTS, 200.0),
        (3e9, Unit.BYTES_PER_SECOND, 5e9),
        (70e9, Unit.BYTES, 2.0**37),
        (0.0, Unit.WATTS, 1.0),
    ],
)
def test_round_top(value: float, unit: Unit, expected: float) -> None:
    assert round_up(value, unit) == expected


def test_spark() -> None:
    assert spark(np.array([0.0, 50.0, 99.0, np.nan]), 4, 100.0) == "▁▅█ "
    assert spark(np.array([0.0, 50.0, 99.0, np.nan]), 4, 100.0, ASCII) == "_=# "
    assert spark(np.array([]), 3) == "   "
    assert spark(np.zeros(3), 3) == "▁▁▁"


async def test_the_widget_redraws_what_changed_and_follows_its_size() -> None:
    class ChartApp(App[None]):
        def compose(self) -> ComposeResult:
            yield Chart()

    app = ChartApp()
    async with app.run_test(size=(40, 6)) as pilot:
        chart = app.query_one(Chart)
        chart.show(plot([50.0] * 60))
        await pilot.pause()
        assert "UTIL  50 %" in chart.render_line(0).text
        assert all(chart.render_line(y).cell_length == 40 for y in range(6))
        await pilot.resize_terminal(60, 10)
        await pilot.pause()
        assert all(chart.render_line(y).cell_length == 60 for y in range(10))
        chart.palette = palette("mono", ascii_only=True)
        assert "".join(chart.render_line(y).text for y in range(10)).isascii()
        chart.show(None)
        assert chart.render_line(0).text.strip() == ""


def test_a_chart_of_nothing_has_no_axes_that_look_like_a_measured_zero() -> None:
    lines = texts(plot([np.nan] * 60, note="unsupported"), 36, 6)
    assert lines[0].rstrip() == "UTIL  unsupported"
    assert [line.strip() for line in lines[1:]] == [""] * 5
