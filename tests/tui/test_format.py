"""Texts and tokens: numbers, units, ages, reasons, widths; palettes and what the environment chooses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console

from tui.present import format as formats
from tui.present.format import age, exact, fit, legend, meter, number, quantity, reason, value
from tui.present.style import ASCII, THEMES, UNICODE, Palette, Token, palette
from watchfloor.frame import Cell
from watchfloor.metrics import CATALOGUE, Unit
from watchfloor.model import Missing, Scope, State

ACCELERATOR = CATALOGUE[Scope.ACCELERATOR]
NODE = CATALOGUE[Scope.NODE]


@pytest.mark.parametrize(
    ("amount", "unit", "short", "full"),
    [
        (97.4, Unit.PERCENT, "97", "97 %"),
        (0.0, Unit.PERCENT, "0", "0 %"),
        (79.6 * 2**30, Unit.BYTES, "79.6G", "79.6 GiB"),
        (512 * 2**20, Unit.BYTES, "512M", "512 MiB"),
        (1000 * 2**20, Unit.BYTES, "1.0G", "1.0 GiB"),
        (12.0, Unit.BYTES, "12", "12 B"),
        (1.25e9, Unit.BYTES_PER_SECOND, "1.2G", "1.2 GB/s"),
        (450e9, Unit.BYTES_PER_SECOND, "450G", "450 GB/s"),
        (0.0, Unit.BYTES_PER_SECOND, "0", "0 B/s"),
        (700.6, Unit.WATTS, "701", "701 W"),
        (64.0, Unit.CELSIUS, "64", "64 °C"),
        (-5.0, Unit.CELSIUS, "-5", "-5 °C"),
        (1980.0, Unit.MEGAHERTZ, "1980", "1980 MHz"),
        (3.2e9, Unit.JOULES, "3.2G", "3.2 GJ"),
        (3.0, Unit.COUNT, "3", "3"),
        (1_234_567.0, Unit.COUNT, "1.2M", "1.2M"),
        (0.42, Unit.NONE, "0.42", "0.42"),
        (4.0, Unit.NONE, "4", "4"),
        (125.0, Unit.SECONDS, "2 m", "2 m"),
    ],
)
def test_numbers(amount: float, unit: Unit, short: str, full: str) -> None:
    assert number(amount, unit) == short
    assert quantity(amount, unit) == full


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0 ms"),
        (0.004, "4 ms"),
        (0.42, "0.4 s"),
        (0.97, "1 s"),
        (3.9, "3 s"),
        (59.9, "59 s"),
        (60, "1 m"),
        (3599, "59 m"),
        (7200, "2 h"),
        (86400 * 12.5, "12 d"),
        (-1.5, "-1 s"),
        (-0.004, "-4 ms"),
        (-0.0001, "0 ms"),
    ],
)
def test_ages(seconds: float, expected: str) -> None:
    assert age(seconds) == expected


@pytest.mark.parametrize(
    ("name", "cell", "width", "expected"),
    [
        ("util", Cell(97.0), 4, ("97", Token.TEXT)),
        ("util", Cell(0.0), 4, ("0", Token.DIM)),
        ("util", Cell(None, Missing.UNSUPPORTED), 4, ("n/s", Token.DIM)),
        ("util", Cell(None, Missing.UNSUPPORTED), 12, ("unsupported", Token.DIM)),
        ("util", Cell(97.0, Missing.STALE), 4, ("97~", Token.STALE)),
        ("util", Cell(97.0, Missing.TIMED_OUT), 4, ("97~", Token.STALE)),
        ("util", Cell(97.0, Missing.NOT_PERMITTED), 4, ("n/p", Token.DIM)),
        ("model", Cell("H100", Missing.STALE), 8, ("H100", Token.STALE)),
        ("model", Cell(""), 8, ("-", Token.DIM)),
        ("model", Cell("", Missing.STALE), 8, ("stale", Token.DIM)),
        ("ecc_mode", Cell(1.0), 4, ("yes", Token.TEXT)),
        ("ecc_mode", Cell(0.0), 4, ("no", Token.DIM)),
        ("state", Cell(float(State.CRITICAL)), 12, ("✖ critical", Token.CRITICAL)),
        ("state", Cell(float(State.WARNING)), 2, ("▲", Token.WARNING)),
        ("throttle", Cell(0.0), 8, ("-", Token.DIM)),
        ("throttle", Cell(0.0, Missing.STALE), 8, ("-", Token.STALE)),
        ("throttle", Cell(1.0), 8, ("idle", Token.DIM)),
        ("throttle", Cell(4.0), 8, ("power", Token.TEXT)),
        ("throttle", Cell(float(0x44)), 8, ("power+1", Token.WARNING)),
        ("throttle", Cell(float(0x44)), 20, ("power hw-therm", Token.WARNING)),
        ("throttle", Cell(float(0x9)), 20, ("hw-slow idle", Token.WARNING)),
        ("throttle", Cell(float(0x4000)), 8, ("0x4000", Token.TEXT)),
        ("recovery", Cell(0.0), 8, ("-", Token.DIM)),
        ("recovery", Cell(1.0), 20, ("reset the GPU", Token.WARNING)),
    ],
)
def test_cells(name: str, cell: Cell, width: int, expected: tuple[str, Token]) -> None:
    assert value(cell, ACCELERATOR[name], width) == expected


@pytest.mark.parametrize(
    ("name", "cell", "expected"),
    [
        ("mem_used", Cell(79.6 * 2**30), ("79.6 GiB", Token.TEXT)),
        ("util", Cell(97.0, Missing.TIMED_OUT), ("timed out, last 97 %", Token.STALE)),
        ("util", Cell(None, Missing.NOT_YET), ("not yet", Token.DIM)),
        ("util", Cell(5.0, Missing.UNSUPPORTED), ("unsupported", Token.DIM)),
        ("throttle", Cell(float(0x44)), ("power cap, thermal (hardware)", Token.WARNING)),
        ("throttle", Cell(0.0), ("none", Token.DIM)),
        ("recovery", Cell(2.0), ("reboot the node", Token.WARNING)),
        ("mig", Cell(1.0), ("yes", Token.TEXT)),
        ("model", Cell("H100"), ("H100", Token.TEXT)),
    ],
)
def test_cells_in_full(name: str, cell: Cell, expected: tuple[str, Token]) -> None:
    assert exact(cell, ACCELERATOR[name]) == expected


def test_every_metric_has_a_text_for_every_reason() -> None:
    for table in CATALOGUE.values():
        for metric in table.values():
            for missing in Missing:
                for known in (None, 1.0) if missing is not Missing.NO else (1.0,):
                    text, _ = value(Cell(known, missing), metric, 8)
                    assert text.strip(), (metric.name, missing)
                    assert exact(Cell(known, missing), metric)[0].strip()


def test_a_missing_value_never_reads_as_a_number() -> None:
    for missing in Missing:
        if missing is not Missing.NO:
            assert not any(character.isdigit() for character in reason(missing, 4) + reason(missing))


def test_legend_explains_every_short_reason() -> None:
    assert [words for _, words in legend()] == [missing.label for missing in Missing if missing is not Missing.NO]
    assert len({short for short, _ in legend()}) == len(Missing) - 1


@given(text=st.text(max_size=40), width=st.integers(0, 30), align=st.sampled_from(["left", "right", "center"]))
def test_fit_is_exact_and_harmless(text: str, width: int, align: formats.Align) -> None:
    fitted = fit(text, width, align)
    assert cell_len(fitted) == width
    assert fitted.isprintable()


def test_fit_cuts_and_aligns() -> None:
    assert fit("accelerator", 6) == "accel…"
    assert fit("ab", 5, "right") == "   ab"
    assert fit("ab", 5, "center") == " ab  "
    assert fit("訓練訓練", 5) == "訓練…"
    assert fit("[gpu0]\x1b[2J", 14) == "[gpu0]?[2J    "


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [(0.0, "    "), (0.5, "━━  "), (0.6, "━━╸ "), (1.0, "━━━━"), (1.5, "━━━━"), (-1.0, "    ")],
)
def test_meter(fraction: float, expected: str) -> None:
    assert meter(fraction, 4) == expected


# palettes


@pytest.mark.parametrize("theme", THEMES)
def test_a_theme_has_a_style_for_every_token(theme: str) -> None:
    assert set(palette(theme).styles) == set(Token)


def test_mono_has_no_colour() -> None:
    assert all(style.color is None and style.bgcolor is None for style in THEMES["mono"].values())


@pytest.mark.parametrize("theme", ["default", "colorblind"])
@pytest.mark.parametrize("scale", ["load", "heat"])
def test_levels_grow_lighter(theme: str, scale: str) -> None:
    colours = [palette(theme).style(Token(f"{scale}_{level}")).color for level in range(10)]
    lightness = [
        0.2126 * red + 0.7152 * green + 0.0722 * blue
        for red, green, blue in (colour.get_truecolor() for colour in colours if colour)
    ]
    assert lightness == sorted(lightness)
    assert len(set(lightness)) == 10


@pytest.mark.parametrize("scale", ["load", "heat"])
def test_levels_for_the_colour_blind_are_none_of_them_grey_where_a_terminal_has_256_colours(scale: str) -> None:
    colours = [palette("colorblind").style(Token(f"{scale}_{level}")).color for level in range(10)]
    rounded = [colour.downgrade(ColorSystem.EIGHT_BIT).get_truecolor() for colour in colours if colour]
    assert len(set(rounded)) == 10
    assert all(max(colour) - min(colour) >= 40 for colour in rounded), "grey is what is missing"


def test_glyphs_are_one_cell_each_and_ascii_where_said() -> None:
    for glyphs in (UNICODE, ASCII):
        single = [*glyphs.states.values(), glyphs.missing, glyphs.stale, glyphs.left_out, glyphs.mark, glyphs.ellipsis]
        single += [glyphs.ascending, glyphs.descending, glyphs.rule, *glyphs.steps, *glyphs.shades, *glyphs.bar]
        assert all(cell_len(glyph) == 1 for glyph in single)
        assert (len(glyphs.steps), len(glyphs.shades), len(glyphs.bar)) == (8, 10, 2)
        assert glyphs is UNICODE or all(glyph.isascii() for glyph in single)


@pytest.mark.parametrize(
    ("env", "name", "glyphs"),
    [
        ({"LANG": "C.UTF-8"}, "default", UNICODE),
        ({"LANG": "en_US.utf8"}, "default", UNICODE),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, "default", ASCII),
        ({"LC_ALL": "", "LC_CTYPE": "de_DE.ISO-8859-1", "LANG": "en_US.UTF-8"}, "default", ASCII),
        ({"LANG": "de_DE.UTF-8@euro"}, "default", UNICODE),
        ({}, "default", ASCII),
        ({"NO_COLOR": "1", "LANG": "C.UTF-8", "WATCHFLOOR_THEME": "colorblind"}, "mono", UNICODE),
        ({"NO_COLOR": "", "LANG": "C.UTF-8"}, "default", UNICODE),
        ({"WATCHFLOOR_THEME": "colorblind", "WATCHFLOOR_ASCII": "1", "LANG": "C.UTF-8"}, "colorblind", ASCII),
        ({"WATCHFLOOR_THEME": "neon", "WATCHFLOOR_ASCII": "0"}, "default", UNICODE),
    ],
)
def test_the_environment_chooses(env: dict[str, str], name: str, glyphs: object) -> None:
    chosen = Palette.from_environment(env)
    assert (chosen.name, chosen.glyphs) == (name, glyphs)


def test_styles_reach_a_terminal_of_256_colours() -> None:
    console = Console(color_system="256", force_terminal=True, width=20)
    with console.capture() as capture:
        console.print("x", style=palette("default").style(Token.LOAD_9))
    assert "38;5;" in capture.get()
