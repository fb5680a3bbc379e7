"""The heat map: every accelerator is drawn once at any size; colours, glyphs and the pinned cursor."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from textual.app import App, ComposeResult
from textual.strip import Strip

from tui.present.heat import MISSING, STALE, Group, Levels, Scale, levels_of, scale_for
from tui.present.heat_layout import HeatLayout, lay_out
from tui.present.style import LOAD, Palette, palette
from tui.widgets.heatmap import HeatMap
from watchfloor.metrics import Unit
from watchfloor.model import State


def groups_of(racks: Sequence[Sequence[int]]) -> list[Group]:
    groups, start = [], 0
    for number, blocks in enumerate(racks):
        groups.append(Group(f"rack-{number:02}", start, start + sum(blocks), tuple(blocks)))
        start += sum(blocks)
    return groups


class Heat:
    """Accelerators named g0, g1 ... with levels, all well."""

    def __init__(self, racks: Sequence[Sequence[int]], names: Sequence[str] | None = None) -> None:
        self.groups: Sequence[Group] = groups_of(racks)
        count = sum(map(sum, racks))
        self.names = names or [f"g{position}" for position in range(count)]
        self.levels: Levels = np.full(count, 5, np.int8)
        self.states: Levels = np.zeros(count, np.int8)
        self.dimmed: NDArray[np.bool_] | None = None
        self.scale = Scale("util", Unit.PERCENT, 0.0, 100.0)

    def identity(self, position: int) -> Hashable:
        return self.names[position]

    def index_of(self, identity: Hashable) -> int | None:
        return self.names.index(str(identity)) if identity in self.names else None

    def short(self, position: int) -> str:
        return "" if self.levels[position] == MISSING else str(self.levels[position] * 10)

    def describe(self, position: int) -> str:
        return f"{self.names[position]} [b]in words"


class HeatApp(App[None]):
    def __init__(self, heat: Heat, look: Palette | None = None) -> None:
        super().__init__()
        self.heat = heat
        self.map = HeatMap(palette=look or palette("default"))
        self.said: list[tuple[str, Hashable]] = []

    def compose(self) -> ComposeResult:
        yield self.map

    def on_mount(self) -> None:
        self.map.show(self.heat)
        self.map.focus()

    def on_heat_map_highlighted(self, event: HeatMap.Highlighted) -> None:
        self.said.append(("highlighted", event.identity))

    def on_heat_map_chosen(self, event: HeatMap.Chosen) -> None:
        self.said.append(("chosen", event.identity))


def lines(heatmap: HeatMap) -> list[str]:
    return [heatmap.render_line(y).text for y in range(heatmap.size.height)]


def styles_of(strip: Strip, text: str) -> list[str]:
    return [str(segment.style) for segment in strip if text in segment.text]


async def test_signs_that_are_drawn_come_first_in_the_legend_and_in_short_where_there_is_little_room() -> None:
    heat = Heat([[8]])
    heat.levels[:] = STALE
    app = HeatApp(heat)
    async with app.run_test(size=(57, 6)):
        assert lines(app.map)[-1].endswith(" 100%  ~ stale ")
        heat.states[3] = State.CRITICAL
        app.map.show(heat)
        assert lines(app.map)[-1].endswith(" 100%  ✖ crit  ~ stale ")


# layout

racks = st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=12), min_size=1, max_size=12)


@given(racks=racks, width=st.integers(1, 120), height=st.integers(1, 30), pairs=st.booleans())
def test_every_accelerator_is_drawn_exactly_once(racks: list[list[int]], width: int, height: int, pairs: bool) -> None:
    groups = groups_of(racks)
    layout = lay_out(groups, width, height, pairs=pairs)
    drawn = [position for tile in range(layout.tiles) for position in layout.positions(tile)]
    assert drawn == list(range(groups[-1].stop))
    places = set(zip(layout.rows.tolist(), layout.xs.tolist(), strict=True))
    assert len(places) == layout.tiles
    assert layout.lines <= height
    assert all(layout.line_of(tile) < layout.lines for tile in range(layout.tiles))
    assert layout.tiles == 0 or int(layout.xs.max()) < width


@given(racks=racks, width=st.integers(1, 120), height=st.integers(1, 30))
def test_a_tile_belongs_to_one_rack_unless_there_is_no_other_way(
    racks: list[list[int]], width: int, height: int
) -> None:
    groups = groups_of(racks)
    layout = lay_out(groups, width, height, pairs=True)
    if not layout.density.across:
        edges = {group.start for group in groups} | {groups[-1].stop}
        assert edges <= set(layout.starts.tolist())


@pytest.mark.parametrize(
    ("racks", "width", "height", "tile", "merge"),
    [
        ([[8, 8]], 80, 4, 4, 1),  # two nodes: tiles with a number
        ([[8] * 8] * 4, 80, 8, 2, 1),  # 256: squares
        ([[8] * 8] * 4, 80, 4, 1, 1),
        ([[8] * 8] * 16, 80, 8, 1, 1),  # 1,024 on eight lines
        ([[8] * 8] * 1250, 200, 48, 1, 8),  # 80,000: one tile a node
    ],
)
def test_density_follows_the_room(racks: list[list[int]], width: int, height: int, tile: int, merge: int) -> None:
    density = lay_out(groups_of(racks), width, height, pairs=True).density
    assert (density.tile, density.merge) == (tile, merge)


def test_equal_nodes_share_their_lines_alike() -> None:
    layout = lay_out(groups_of([[8] * 8] * 4), 110, 8, pairs=True)
    assert [int((layout.rows == row).sum()) for row in range(layout.lines)] == [32] * 8


def test_labels_stand_where_their_rack_begins() -> None:
    layout = lay_out(groups_of([[8] * 8] * 4), 80, 8, pairs=True)
    assert layout.labels == ((0, 0, "rack-00"), (2, 0, "rack-01"), (4, 0, "rack-02"), (6, 0, "rack-03"))


@given(racks=racks, width=st.integers(8, 120), height=st.integers(1, 30), data=st.data())
def test_steps_stay_on_the_map_and_reach_every_tile(
    racks: list[list[int]], width: int, height: int, data: st.DataObject
) -> None:
    layout = lay_out(groups_of(racks), width, height, pairs=True)
    if not layout.tiles:
        return
    tile = data.draw(st.integers(0, layout.tiles - 1))
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        there = layout.step(tile, dx, dy)
        assert 0 <= there < layout.tiles
        assert dy == 0 or there == tile or (layout.rows[there] - layout.rows[tile]) * dy > 0
    assert len(_walk(layout)) == layout.tiles


def _walk(layout: HeatLayout) -> set[int]:
    """The tiles met on the way from the first in reading order to the last."""
    tile = int(np.lexsort((layout.xs, layout.rows))[0])
    met = {tile}
    while (following := layout.step(tile, 1, 0)) != tile:
        tile = following
        met.add(tile)
    return met


# values


def test_scales_and_levels() -> None:
    values = np.array([0.0, 55.0, 100.0, 120.0, np.nan, 40.0])
    stale = np.array([False, False, False, False, False, True])
    levels = levels_of(values, stale, scale_for("U", Unit.PERCENT, "util", values))
    assert levels.tolist() == [0, 5, 9, 9, MISSING, STALE]
    temperature = scale_for("T", Unit.CELSIUS, "temp", values)
    assert (temperature.low, temperature.high, temperature.load) == (20.0, 95.0, False)
    watts = scale_for("P", Unit.WATTS, "power", np.array([100.0, 700.0, np.nan]))
    assert (watts.low, watts.high) == (0.0, 700.0)
    nothing = scale_for("P", Unit.WATTS, "power", np.array([np.nan]))
    assert nothing.high > nothing.low


# drawing


async def test_numbers_states_and_reasons_on_a_small_fleet() -> None:
    heat = Heat([[4, 4]])
    heat.levels[:] = [0, 5, 9, MISSING, STALE, 5, 5, 5]
    heat.states[5:7] = [State.WARNING, State.CRITICAL]
    app = HeatApp(heat)
    async with app.run_test(size=(80, 6)) as pilot:
        await pilot.press("G")
        first = lines(app.map)[0]
        assert first.startswith("rack-00   0  50  90  ░   ")
        assert "▲50" in first
        assert "✖50" in first
        assert "g7 [b]in words" in lines(app.map)[-1]
        assert all(app.map.render_line(y).cell_length == 80 for y in range(6))


async def test_half_blocks_hold_two_and_flag_states() -> None:
    heat = Heat([[8] * 8] * 4)
    heat.levels[8:16] = MISSING
    heat.states[20] = State.CRITICAL
    app = HeatApp(heat)
    async with app.run_test(size=(80, 5)) as pilot:
        await pilot.press("G")
        line = lines(app.map)[0]
        assert line.startswith("rack-00 ▀▀▀▀ ░░░░ ✖▀▀▀")


async def test_an_idle_one_without_a_neighbour_is_drawn() -> None:
    heat = Heat([[8] * 8, [8] * 8, [1]])
    heat.levels[-1] = 0
    app = HeatApp(heat)
    async with app.run_test(size=(80, 4)):
        assert lines(app.map)[2].startswith("rack-02 ▀ ")


async def test_one_missing_of_two_is_hatched_on_the_colour_of_the_other() -> None:
    heat = Heat([[8] * 8] * 4)
    heat.levels[16] = MISSING
    app = HeatApp(heat)
    async with app.run_test(size=(80, 5)):
        strip = app.map.render_line(0)
        assert "░" in strip.text
        behind = palette("default").style(LOAD[5]).color
        assert behind is not None
        assert styles_of(strip, "░")[0].endswith(f"on {behind.name}")


async def test_a_filter_dims_the_rest_and_hides_its_states() -> None:
    heat = Heat([[4]])
    heat.states[:] = State.CRITICAL
    heat.dimmed = np.array([True, True, True, False])
    app = HeatApp(heat)
    async with app.run_test(size=(80, 4)):
        assert lines(app.map)[0].count("✖") == 1
        assert lines(app.map)[0].count("·") == 3


async def test_eighty_thousand_show_the_mean_and_the_worst_of_each_tile() -> None:
    heat = Heat([[8] * 8] * 1250)
    heat.levels[:8] = [9, 9, 9, 9, 1, 1, 1, MISSING]
    heat.states[12] = State.WARNING
    heat.levels[16:24] = MISSING
    heat.levels[24:32] = STALE
    app = HeatApp(heat)
    async with app.run_test(size=(200, 50)) as pilot:
        await pilot.press("G")
        line = lines(app.map)[0]
        assert line.startswith("rack-00   ▲~▀▀ ▀▀▀▀ ")
        assert "mean of 8" in lines(app.map)[-1]
        app.map.select("g0")
        await pilot.pause()
        await pilot.press("down")
        # of the eight in the tile the one with the warning is meant
        assert app.map.cursor == "g12"


@pytest.mark.parametrize(("theme", "ascii_only"), [("mono", False), ("mono", True), ("default", True)])
async def test_without_colours_or_unicode_characters_tell_the_levels(theme: str, ascii_only: bool) -> None:
    heat = Heat([[8] * 8] * 4)
    heat.levels[:] = np.arange(256) % 10
    heat.scale = Scale("temp", Unit.CELSIUS, 20.0, 95.0, load=False)
    heat.groups = [Group(f"räck-{group.label[-2:]}", group.start, group.stop, group.blocks) for group in heat.groups]
    app = HeatApp(heat, palette(theme, ascii_only=ascii_only))
    async with app.run_test(size=(90, 9)):
        shown = "".join(lines(app.map))
        assert shown.isascii() == ascii_only
        assert set("0123456789" if ascii_only else "·▁▂▃▄▅▆▇█") <= set(shown)


async def test_cursor_stays_with_its_accelerator() -> None:
    app = HeatApp(Heat([[8, 8]]))
    async with app.run_test(size=(80, 6)) as pilot:
        await pilot.press("l", "l", "l")
        assert app.map.cursor == "g3"
        app.map.show(Heat([[2], [8, 8]], ["new0", "new1", *[f"g{position}" for position in range(16)]]))
        await pilot.pause()
        assert app.map.cursor == "g3"
        app.map.show(Heat([[2]], ["g8", "g9"]))
        await pilot.pause()
        assert app.map.cursor == "g9"
        assert app.said[-1] == ("highlighted", "g9")


async def test_keys_mouse_and_messages() -> None:
    app = HeatApp(Heat([[8], [8]]))
    async with app.run_test(size=(50, 6)) as pilot:
        await pilot.press("right", "down", "enter")
        assert app.said[-1] == ("chosen", "g9")
        await pilot.press("k", "h", "h")
        assert app.map.cursor == "g0"
        await pilot.press("G")
        assert app.map.cursor == "g15"
        await pilot.click(app.map, offset=(8 + 4 * 2 + 1, 1), times=2)
        assert app.said[-1] == ("chosen", "g10")
        assert app.map.select("g4")
        assert not app.map.select("stranger")


async def test_only_lines_that_differ_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    app = HeatApp(Heat([[8] * 8] * 4))
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.pause()
        painted: list[int] = []
        draw = app.map.render_line
        monkeypatch.setattr(app.map, "render_line", lambda y: painted.append(y) or draw(y))
        following = Heat([[8] * 8] * 4)
        following.levels[70] = 9
        app.map.show(following)
        await pilot.pause()
        assert sorted(painted) == [2, 9]  # the rack's line, and the legend


async def test_nothing_to_show() -> None:
    app = HeatApp(Heat([[]]))
    async with app.run_test(size=(20, 4)) as pilot:
        await pilot.press("l", "j", "enter", "G", "g")
        assert app.map.cursor is None
        assert app.said == []
        assert all(app.map.render_line(y).cell_length == 20 for y in range(4))


@pytest.mark.parametrize("size", [(20, 3), (3, 2), (1, 1), (80, 1)])
async def test_tiny_rooms(size: tuple[int, int]) -> None:
    app = HeatApp(Heat([[8] * 8] * 40))
    async with app.run_test(size=size) as pilot:
        await pilot.press("l", "j")
        assert all(app.map.render_line(y).cell_length == size[0] for y in range(size[1]))
        assert cast(str, app.map.cursor).startswith("g")


async def test_lines_wanted_is_what_the_layout_takes() -> None:
    app = HeatApp(Heat([[8] * 8] * 4))
    async with app.run_test(size=(80, 24)):
        assert app.map.lines_wanted(9) == 9
        assert app.map.lines_wanted(5) == 5
        assert app.map.lines_wanted(40) == 17
