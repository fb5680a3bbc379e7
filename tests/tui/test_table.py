"""The table: what it asks for, what stays selected, what a key does. Driven through a real Textual app."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Button

from tui.present.format import Text
from tui.present.rows import Column
from tui.present.style import Token, palette
from tui.widgets.table import VirtualTable

COLUMNS = (
    Column("name", "NAME", 8, fixed=True),
    Column("util", "UTIL", 6, "right"),
    Column("command", "COMMAND", 10, flexible=True),
)


@dataclass
class Rows:
    """Rows of names; remembers which rows were asked for."""

    names: Sequence[str]
    sort: tuple[str, bool] | None = ("util", True)
    columns: Sequence[Column] = COLUMNS
    marks: frozenset[str] = frozenset()
    commands: dict[str, str] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.names)

    def identity(self, index: int) -> Hashable:
        return self.names[index]

    def index_of(self, identity: Hashable) -> int | None:
        return self.names.index(str(identity)) if identity in self.names else None

    def cells(self, index: int) -> Sequence[Text]:
        self.asked.append(index)
        name = self.names[index]
        return [(name, Token.STRONG), (str(len(name)), Token.TEXT), (self.commands.get(name, "-"), Token.DIM)]

    def marked(self, index: int) -> bool:
        return self.names[index] in self.marks


class TableApp(App[None]):
    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self.rows = rows
        self.said: list[tuple[str, object]] = []
        self.table = VirtualTable(empty="nothing here", marks=True)

    def compose(self) -> ComposeResult:
        yield self.table
        yield Button("elsewhere")

    def on_mount(self) -> None:
        self.query_one(Button).display = False
        self.table.show(self.rows)
        self.table.focus()

    def on_virtual_table_highlighted(self, event: VirtualTable.Highlighted) -> None:
        self.said.append(("highlighted", event.identity))

    def on_virtual_table_chosen(self, event: VirtualTable.Chosen) -> None:
        self.said.append(("chosen", event.identity))

    def on_virtual_table_marked(self, event: VirtualTable.Marked) -> None:
        self.said.append(("marked", event.identity))

    def on_virtual_table_header_clicked(self, event: VirtualTable.HeaderClicked) -> None:
        self.said.append(("header", event.column))


def names(count: int) -> list[str]:
    return [f"g{number:05}" for number in range(count)]


def lines(table: VirtualTable) -> list[str]:
    return [table.render_line(y).text for y in range(table.size.height)]


def line_of(table: VirtualTable, text: str) -> int:
    return next(y for y, line in enumerate(lines(table)) if text in line)


async def test_asks_for_visible_rows_only() -> None:
    app = TableApp(Rows(names(80_000)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert set(app.rows.asked) == set(range(23))
        app.rows.asked.clear()
        await pilot.press("pagedown")
        await pilot.pause()
        assert set(app.rows.asked) == set(range(23, 46))


async def test_asks_once_for_each_row_of_a_frame() -> None:
    app = TableApp(Rows(names(1000)))
    async with app.run_test(size=(80, 24)) as pilot:
        following = Rows(names(1000))
        app.table.show(following)
        await pilot.pause()
        assert sorted(following.asked) == list(range(23))


async def test_an_unchanged_frame_repaints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    app = TableApp(Rows(names(1000)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        painted: list[int] = []
        draw = app.table.render_line
        monkeypatch.setattr(app.table, "render_line", lambda y: painted.append(y) or draw(y))
        app.table.show(Rows(names(1000)))
        await pilot.pause()
        assert painted == []
        app.table.show(Rows(names(1000), commands={"g00004": "train.py"}))
        await pilot.pause()
        assert painted == [5]


async def test_cursor_follows_its_row_through_a_sort_on_the_same_screen_line() -> None:
    app = TableApp(Rows(names(1000)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j", "j", "j")
        line = line_of(app.table, "g00003")
        app.table.show(Rows(list(reversed(names(1000)))))
        await pilot.pause()
        assert app.table.cursor == "g00003"
        # it is now the fourth from the end: its line can't be kept, it stays visible
        assert line_of(app.table, "g00003") == 20
        app.table.show(Rows([*names(1000)[500:], *names(1000)[:500]]))
        await pilot.pause()
        assert app.table.cursor == "g00003"
        assert line_of(app.table, "g00003") == 20 != line


async def test_cursor_out_of_view_does_not_pull_the_view() -> None:
    app = TableApp(Rows(names(1000)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j")
        app.table.scroll_to(y=500, animate=False)
        await pilot.pause()
        app.table.show(Rows(["new", *names(1000)]))
        await pilot.pause()
        assert app.table.cursor == "g00001"
        assert app.table.scroll_offset.y == 500


async def test_before_the_first_key_the_cursor_follows_the_first_row() -> None:
    app = TableApp(Rows(names(50)))
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.show(Rows(["hot", *names(50)]))
        await pilot.pause()
        assert app.table.cursor == "hot"
        await pilot.press("space")
        app.table.show(Rows(["hotter", "hot", *names(50)]))
        await pilot.pause()
        assert app.table.cursor == "g00000"
        assert app.said[-2:] == [("marked", "hot"), ("highlighted", "g00000")]


async def test_growth_and_shrink() -> None:
    app = TableApp(Rows(names(100)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("G")
        assert app.table.cursor == "g00099"
        app.table.show(Rows(names(5000)))
        await pilot.pause()
        assert app.table.cursor == "g00099"
        app.table.show(Rows(names(10)))
        await pilot.pause()
        assert app.table.cursor == "g00009"
        assert "g00000" in lines(app.table)[1]
        assert lines(app.table)[11].strip() == ""


async def test_no_rows_and_back() -> None:
    app = TableApp(Rows(names(10)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j", "j")
        app.table.show(Rows([]))
        await pilot.pause()
        assert app.table.cursor is None
        assert lines(app.table)[1].strip() == "nothing here"
        app.said.clear()
        await pilot.press("enter", "space", "j", "k", "pagedown", "G", "g", "l", "h")
        assert app.said == []
        app.table.show(Rows(names(10)))
        await pilot.pause()
        assert app.table.cursor == "g00002"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["down"], 1),
        (["j", "j", "k"], 1),
        (["up"], 0),
        (["end"], 999),
        (["G", "home"], 0),
        (["G", "g"], 0),
        (["pagedown"], 23),
        (["ctrl+d", "ctrl+d", "ctrl+u"], 23),
        (["j", "pagedown", "pageup"], 1),
        (["pageup"], 0),
        (["G", "pagedown"], 999),
    ],
)
async def test_keys_move_the_cursor(keys: list[str], expected: int) -> None:
    app = TableApp(Rows(names(1000)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*keys)
        assert app.table.cursor == f"g{expected:05}"
        assert f"g{expected:05}" in "".join(lines(app.table))


async def test_enter_click_and_double_click() -> None:
    app = TableApp(Rows(names(100)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j", "enter")
        assert app.said[-1] == ("chosen", "g00001")
        await pilot.click(app.table, offset=(5, 4))
        assert app.said[-1] == ("highlighted", "g00003")
        await pilot.click(app.table, offset=(5, 6), times=2)
        assert app.said[-1] == ("chosen", "g00005")
        await pilot.click(app.table, offset=(13, 0))
        assert app.said[-1] == ("header", "util")


async def test_select_brings_into_view_and_refuses_strangers() -> None:
    app = TableApp(Rows(names(1000)))
    async with app.run_test(size=(80, 24)) as pilot:
        assert app.table.select("g00700")
        await pilot.pause()
        assert "g00700" in "".join(lines(app.table))
        assert not app.table.select("stranger")
        assert app.table.cursor == "g00700"


async def test_text_that_looks_like_markup_is_shown_literally() -> None:
    app = TableApp(Rows(["[gpu0]", "[/b]", "x"], commands={"x": "python \x1b[2J\nrm"}))
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.pause()
        shown = lines(app.table)
        assert "[gpu0]" in shown[1]
        assert "[/b]" in shown[2]
        assert "python ?[2J?rm" in shown[3]


async def test_wide_characters_keep_columns_aligned() -> None:
    app = TableApp(Rows(["訓練-0", "訓練訓練訓練", "plain"]))
    async with app.run_test(size=(60, 8)) as pilot:
        await pilot.pause()
        strips = [app.table.render_line(y) for y in range(1, 4)]
        assert {strip.cell_length for strip in strips} == {60}
        assert "…" in strips[1].text


@pytest.mark.parametrize("width", [20, 12, 3])
async def test_a_narrow_table_scrolls_sideways(width: int) -> None:
    app = TableApp(Rows(names(5), commands={"g00000": "train.py"}))
    async with app.run_test(size=(width, 8)) as pilot:
        await pilot.pause()
        assert all(app.table.render_line(y).cell_length == width for y in range(8))
        await pilot.press("l", "l", "l")
        await pilot.pause()
        assert "train.py"[: min(8, width)] in lines(app.table)[1]
        assert all(app.table.render_line(y).cell_length == width for y in range(8))
        await pilot.press("h", "h", "h", "h")
        await pilot.pause()
        assert app.table.scroll_offset.x == 0


async def test_fixed_column_stays_when_scrolled_sideways() -> None:
    app = TableApp(Rows(names(5), commands={"g00000": "abcdefghij"}))
    async with app.run_test(size=(24, 8)) as pilot:
        await pilot.press("l")
        await pilot.pause()
        assert "g00000" in lines(app.table)[1]
        assert "abcdefghij" in lines(app.table)[1]


async def test_marks_sort_arrow_and_the_cursor_of_an_unfocused_table() -> None:
    app = TableApp(Rows(names(5), marks=frozenset({"g00002"})))
    async with app.run_test(size=(60, 8)) as pilot:
        await pilot.pause()
        assert lines(app.table)[3].startswith("◆ g00002")
        assert "UTIL▼" in lines(app.table)[0]
        focused = app.table.render_line(1)
        app.query_one(Button).display = True
        app.query_one(Button).focus()
        await pilot.pause()
        assert app.table.render_line(1) != focused


async def test_ascii_palette_draws_ascii_only() -> None:
    app = TableApp(Rows(["a" * 30, "b"], marks=frozenset({"b"}), commands={"b": "é" * 3}))
    app.table.palette = palette("mono", ascii_only=True)
    async with app.run_test(size=(60, 8)) as pilot:
        await pilot.pause()
        assert "".join(lines(app.table)).isascii()
        assert lines(app.table)[2].startswith("* b             1 ???")


async def test_other_columns_are_drawn_at_once() -> None:
    app = TableApp(Rows(names(5)))
    async with app.run_test(size=(60, 8)) as pilot:
        await pilot.pause()
        app.table.show(Rows(names(5), columns=[Column("name", "NAME", 8), Column("temp", "TEMP °C", 8), COLUMNS[2]]))
        await pilot.pause()
        shown = str(app.export_screenshot())
        assert "TEMP" in shown
        assert "UTIL" not in shown


async def test_a_view_of_the_first_rows_keeps_them_in_view() -> None:
    app = TableApp(Rows(names(50)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", "down")
        app.table.show(Rows(["worst", *names(50)]))
        await pilot.pause()
        assert app.table.cursor == "g00002"
        assert "worst" in lines(app.table)[1]
        app.table.show(Rows([*(f"h{number}" for number in range(100)), *names(50)]))
        await pilot.pause()
        assert "g00002" in lines(app.table)[4], "where they don't fit, it stays on its line"


async def test_a_table_that_holds_keeps_its_first_row_though_no_key_was_pressed() -> None:
    app = TableApp(Rows(names(50)))
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.hold()
        app.table.show(Rows(["worst", *names(50)]))
        await pilot.pause()
        assert app.table.cursor == "g00000"
