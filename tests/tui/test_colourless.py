"""NO_COLOR: a terminal gets no colour of any page, and what is bold, reverse or underlined still tells states apart."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from rich.style import Style
from textual.command import CommandList
from textual.strip import Strip

from tests.support import fabrics, frames
from tests.support.feeds import still_app
from tui.app import WatchfloorApp
from tui.present.style import palette
from watchfloor.errors import ConfigError
from watchfloor.frame import Frame

LOOKS: Sequence[tuple[str, ...]] = (
    ("1",), ("1", "t", "slash"), ("2",), ("3", "t"), ("5", "down"), ("6", "d"), ("question_mark",), ("1", "colon", "x"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


def colourless(frame: Frame) -> WatchfloorApp:
    return still_app(frame, palette=palette("mono"))


def lines(app: WatchfloorApp) -> list[Strip]:
    return app.screen._compositor.render_strips()


def styles(app: WatchfloorApp) -> list[Style]:
    return [segment.style for line in lines(app) for segment in line if segment.style]


@pytest.mark.parametrize("keys", LOOKS, ids="-".join)
async def test_a_terminal_gets_no_colour(keys: Sequence[str]) -> None:
    app = colourless(fabrics.settled() if keys[0] == "3" else frames.settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(*keys)
        await pilot.pause()
        assert [style for style in styles(app) if style.color or style.bgcolor] == []


async def test_states_and_the_cursor_are_told_apart_without_one() -> None:
    app = colourless(frames.settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("down", "down")
        await pilot.pause()
        looks = {
            sign: {
                (bool(segment.style.bold), bool(segment.style.reverse))
                for line in lines(app)
                for segment in line
                if segment.style and sign in segment.text
            }
            for sign in ("✖", "▲", "●")
        }
        assert (True, True) in looks["✖"] and (True, False) in looks["▲"] and looks["●"] == {(False, False)}
        cursor = [segment.text for line in lines(app) for segment in line if segment.style and segment.style.reverse]
        assert app.desk.selected is not None and any(app.desk.selected.node in text for text in cursor)


async def test_where_one_types_and_what_is_chosen_in_the_palette_are_seen() -> None:
    app = colourless(frames.settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("colon")
        typed = app.screen.query_one("#commandline Input")
        assert typed.get_component_rich_style("input--cursor").reverse
        await pilot.press("escape", "ctrl+p")
        await pilot.pause()
        chosen = app.screen.query_one(CommandList).get_visual_style("option-list--option-highlighted")
        assert chosen.underline


async def test_themes_of_colours_are_not_to_be_had() -> None:
    app = colourless(frames.settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        with pytest.raises(ConfigError, match="mono"):
            app.commands()["theme"].run("default")


async def test_an_empty_no_color_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    app = still_app(frames.settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        found = {style.color.triplet for style in styles(app) if style.color and style.color.triplet}
        assert any(len(set(triplet)) > 1 for triplet in found)  # not greys alone
