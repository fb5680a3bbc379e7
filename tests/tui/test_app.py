"""What the app does: frames in, pages over them, keys, filter, command line, palette, the end."""

from __future__ import annotations

import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from textual.command import CommandPalette
from textual.pilot import Pilot

from tests.support import frames
from tests.support.feeds import HandFeed, still_app
from tests.support.frames import settled
from tests.support.screens import screen_of, text_of
from tui.app import WatchfloorApp, run
from tui.base import AppOptions
from tui.help import HelpScreen
from tui.present.choice import Rows, Sort
from tui.present.header import summarise
from tui.screens.fleet import FleetPage
from tui.screens.node import NodePage
from tui.widgets.chart import Chart
from tui.widgets.commandline import CommandLine
from tui.widgets.filterbar import FilterBar
from tui.widgets.heatmap import HeatMap
from tui.widgets.table import VirtualTable
from watchfloor.model import Phase, Scope, Subject


def fleet(app: WatchfloorApp) -> FleetPage:
    page = app.pages["fleet"]
    assert isinstance(page, FleetPage)
    return page


def rows(table: VirtualTable) -> int:
    assert table._model is not None
    return table._model.count


async def type_text(pilot: Pilot[int], text: str) -> None:
    names = {" ": "space", ">": "greater_than_sign", "<": "less_than_sign", "=": "equals_sign", "-": "minus"}
    await pilot.press(*(names.get(letter, letter) for letter in text))


async def test_the_first_screen_comes_before_any_frame() -> None:
    app = still_app(None)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        assert "waiting for the first report" in text_of(app, "#header")
        assert "STARTING" in text_of(app, "#header")
        await pilot.press("t", "m", "r", "N", "enter", "space", "2", "n", "e", "w")  # nothing there to act on
        assert app.is_running


async def test_frames_don_t_pile_up_before_a_screen_that_stands_still() -> None:
    """As where its terminal takes nothing more: the app waits to write, and the collectors go on."""
    app = still_app(None)
    async with app.run_test() as pilot:
        await pilot.pause()
        before = app._message_queue.qsize()
        for second in range(100):
            app.receive(replace(settled(), at=1000.0 + second))
        assert app._message_queue.qsize() == before + 1
        await pilot.pause()
        assert app.desk.frame is not None
        assert app.desk.frame.at == 1099.0


async def test_a_frame_of_another_thread_is_shown() -> None:
    feed = HandFeed()
    app = WatchfloorApp(feed, AppOptions(now=lambda: settled().at))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        giver = threading.Thread(target=feed.give, args=(settled(),))
        giver.start()
        giver.join()
        await pilot.pause()
        assert "11/13" in text_of(app, "#header")
        assert rows(fleet(app).table) == 78  # 76 accelerators, and two nodes that have none


async def test_the_feed_is_stopped_at_the_end() -> None:
    feed = HandFeed(settled())
    app = WatchfloorApp(feed, AppOptions(now=lambda: settled().at))
    async with app.run_test() as pilot:
        await pilot.pause()
        assert feed.running
        await pilot.press("q")
    assert not feed.running
    assert app.return_value == 0


async def test_a_feed_that_fails_is_said_and_the_pages_stay() -> None:
    app = WatchfloorApp(HandFeed(error=OSError("no such fleet")), AppOptions(now=lambda: 0.0))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        await pilot.pause()
        assert "did not start: no such fleet" in text_of(app, "#status")
        await pilot.press("q")
    assert app.return_value == 0


async def test_frames_come_at_most_four_times_a_second_and_the_newest_wins() -> None:
    fleet_of_frames = frames.SyntheticFleet()
    fleet_of_frames.step(3)
    feed = HandFeed()
    app = WatchfloorApp(feed, AppOptions(now=lambda: fleet_of_frames.now))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        shown: list[int] = []
        page, show = fleet(app), fleet(app).show
        page.show = lambda frame: (shown.append(frame.number), show(frame))[1]  # type: ignore[method-assign]
        for _ in range(40):
            fleet_of_frames.step()
            feed.give(fleet_of_frames.frame())
        await pilot.pause(0.4)
        assert len(shown) <= 3
        assert shown[-1] == 40


async def test_silence_of_the_feed_is_said() -> None:
    now = settled().at
    app = WatchfloorApp(HandFeed(settled()), AppOptions(now=lambda: now))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        now += 12
        app.page.draw_bars()
        await pilot.pause()
        assert "NO FRAME FOR 12 s" in text_of(app, "#header")


async def test_the_badge_of_a_read_only_console() -> None:
    app = still_app(settled(), read_only=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "READ-ONLY" in text_of(app, "#header")


# -- the fleet page


async def test_sorting_keeps_the_selected_accelerator() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("N", "down", "down")
        selected = fleet(app).table.cursor
        await pilot.press("U")
        assert fleet(app).choice.sort == Sort("util", descending=True)
        assert fleet(app).table.cursor == selected
        await pilot.press("r")
        assert fleet(app).choice.sort == Sort("util", descending=False)
        assert fleet(app).table.cursor == selected


async def test_sort_by_a_letter_that_these_rows_lack_is_said() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("t", "X")
        assert "no column of these rows has the letter X" in text_of(app, "#status")


async def test_node_rows_and_back_keep_the_place() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("N", *["down"] * 10, "t")
        page = fleet(app)
        assert page.choice.rows is Rows.NODES
        assert rows(page.table) == 13
        assert page.table.cursor == Subject(Scope.NODE, "dgx-02")
        await pilot.press("t")
        assert page.table.cursor == Subject(Scope.ACCELERATOR, "dgx-02", "GPU-dgx-02-0")


async def test_the_map_and_the_table_move_together() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        page = fleet(app)
        await pilot.press("N", "down")
        assert app.screen.query_one(HeatMap).cursor == page.table.cursor
        await pilot.press("shift+tab", "right", "right")
        assert page.map.has_focus
        assert page.table.cursor == page.map.cursor


async def test_metric_of_the_map() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("m")
        assert fleet(app).choice.metric == "mem"
        await pilot.press("M")
        await type_text(pilot, "temp_mar")
        await pilot.press("tab", "enter")
        assert fleet(app).choice.metric == "temp_margin"


async def test_marks() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("N", "space", "space")
        assert len(fleet(app).choice.marks) == 2
        assert "2 marked" in text_of(app, "#status")
        await pilot.press("u")
        assert not fleet(app).choice.marks


# -- the filter


async def test_filter_while_typing_and_after() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("slash")
        await type_text(pilot, "rack == r3")
        table = fleet(app).table
        assert rows(table) == 13  # 12 boards, and the node of that rack that was never read
        await pilot.press("enter")
        assert table.has_focus
        assert "12 of 76" in text_of(app, "#status")
        await pilot.press("escape")
        assert rows(table) == 78


async def test_a_wrong_filter_points_at_the_column_and_keeps_the_rows() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("slash")
        await type_text(pilot, "util > 5 and tmp > 3")
        hint = text_of(app, "#filterbar .hint")
        assert "temp" in hint
        assert hint.index("^") == len(" / ") + len("util > 5 and ")
        await pilot.press("enter")
        assert app.screen.query_one(FilterBar).display, "a wrong filter is not kept"
        assert rows(fleet(app).table) == 78
        await pilot.press("escape")
        assert not app.screen.query_one(FilterBar).display
        assert fleet(app).filter is None


async def test_what_is_typed_behind_the_slash_never_reaches_the_table() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("slash", "t", "e", "m", "p")
        assert app.screen.query_one(FilterBar).text == "temp"
        assert fleet(app).choice.rows is Rows.ACCELERATORS


async def test_completion_and_history_of_the_filter(tmp_path: Path) -> None:
    app = still_app(settled(), state_folder=tmp_path / "state")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        bar = app.screen.query_one(FilterBar)
        await pilot.press("slash", *"temp_m", "tab")
        assert bar.text.startswith("temp_m")
        first = bar.text
        await pilot.press("tab")
        assert bar.text != first or first == "temp_margin"
        await pilot.press("escape", "slash")
        await type_text(pilot, "rack == r1")
        await pilot.press("enter", "slash", "ctrl+u")
        await type_text(pilot, "rack == r2")
        await pilot.press("enter", "slash", "up", "up")
        assert bar.text == "rack == r1"
        await pilot.press("down")
        assert bar.text == "rack == r2"
    kept = tmp_path / "state" / "filters"
    assert kept.read_text().splitlines() == ["rack == r1", "rack == r2"]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


# -- the node page


async def test_drill_down_and_back() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("N", *["down"] * 9, "enter")
        await pilot.pause()
        page = app.screen
        assert isinstance(page, NodePage)
        assert "dgx-02" in text_of(app, "#identity")
        assert page.boards.cursor == Subject(Scope.ACCELERATOR, "dgx-02", "GPU-dgx-02-1")
        await pilot.press("down", "escape")
        await pilot.pause()
        assert app.screen is fleet(app)
        assert fleet(app).table.cursor == Subject(Scope.ACCELERATOR, "dgx-02", "GPU-dgx-02-2")


async def test_stepping_through_nodes() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("2", "n")
        before = text_of(app, "#identity")
        await pilot.press("p", "n")
        assert text_of(app, "#identity") == before
        await pilot.press("p", "p", "p")
        assert "login-01" in text_of(app, "#identity"), "it goes round"
        assert not app.screen.query_one("#boards").display
        assert all(chart.display for chart in app.screen.query(Chart)), "the host's own history"


async def test_panels_of_a_small_screen() -> None:
    app = still_app(settled())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        page = app.screen
        assert isinstance(page, NodePage)
        names = ("charts", "host", "processes", "links", "everything")
        for wanted in names:
            assert [name for name in names if page.query_one(f"#{name}").display] == [wanted]
            await pilot.press("v")


async def test_a_node_that_falls_silent_while_it_is_looked_at() -> None:
    moving = frames.SyntheticFleet()
    moving.step(39)
    feed = HandFeed(moving.frame())
    app = WatchfloorApp(feed, AppOptions(now=lambda: moving.now))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        app.open("node", Subject(Scope.ACCELERATOR, "dgx-04", "GPU-dgx-04-2"))
        await pilot.pause()
        moving.step(10)
        feed.give(moving.frame())
        await pilot.pause(0.3)
        page = app.screen
        assert isinstance(page, NodePage)
        assert page.boards.cursor == Subject(Scope.ACCELERATOR, "dgx-04", "GPU-dgx-04-2")
        assert "connection closed by the node" in text_of(app, "#identity")


# -- command line, palette, help


async def command(pilot: Pilot[int], text: str) -> None:
    await pilot.press("colon")
    await type_text(pilot, text)
    await pilot.press("enter")
    await pilot.pause()


async def test_commands() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await command(pilot, "node l40-02")
        assert "l40-02" in text_of(app, "#identity")
        await command(pilot, "filter rack == r1")
        assert app.screen is fleet(app)
        assert rows(fleet(app).table) == 32
        await command(pilot, "sort temp")
        assert fleet(app).choice.sort.column == "temp"
        await command(pilot, "theme mono")
        assert fleet(app).table.palette.name == "mono"
        await pilot.press("colon", "q", "enter")
    assert app.return_value == 0


async def test_a_wrong_command_says_the_nearest() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await command(pilot, "sotr util")
        hint = text_of(app, "#commandline .hint")
        assert "did you mean 'sort'" in hint
        assert hint.index("^") == len(" : ")
        await pilot.press("escape")
        await command(pilot, "node dgx-0l")
        hint = text_of(app, "#commandline .hint")
        assert "there is no node 'dgx-0l'" in hint
        assert hint.index("^") == len(" : node "), "below what is wrong"
        await pilot.press("escape")
        assert not app.screen.query_one(CommandLine).display
        assert fleet(app).table.has_focus


async def test_completion_of_commands() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        line = app.screen.query_one(CommandLine)
        await pilot.press("colon", "n", "o", "tab")
        assert line.text == "node "
        await pilot.press("l", "tab")
        assert line.text == "node l40-0" or line.text.startswith("node l")


async def test_the_palette_finds_nodes() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("ctrl+p")
        assert isinstance(app.screen, CommandPalette)
        await type_text(pilot, "node dgx-05")
        await pilot.pause()
        assert "node dgx-05" in screen_of(app).splitlines()[3], "what is typed is seen"
        await pilot.app.workers.wait_for_complete()
        await pilot.pause(0.2)
        await pilot.press("enter")
        await pilot.pause()
        assert "dgx-05" in text_of(app, "#identity")


@pytest.mark.parametrize("page", ["1", "2"])
async def test_a_node_that_waits_for_its_next_try_is_tried_at_once(page: str) -> None:
    frame = settled()
    waiting = next(node for node, status in enumerate(frame.statuses) if status.phase is Phase.BACKOFF)
    app = still_app(frame)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert isinstance(app.feed, HandFeed)
        for node in (waiting, 0):
            app.desk.selected = Subject(Scope.NODE, frame.specs[node].name)
            await pilot.press(page, "ctrl+r")
            await pilot.pause()
            said = "trying to connect now" if node == waiting else "is live: there is no wait to cut short"
            assert f"{frame.specs[node].name}{':' if node == waiting else ''} {said}" in text_of(app, "#status")
        assert app.feed.reconnected == [waiting]


async def test_help_opens_and_closes() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.pause()
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        shown = text_of(app, "#helptext")
        assert "filter rows by a query" in shown
        assert "unsupported" in shown
        assert "critical" in shown
        await pilot.press("escape")
        assert app.screen is fleet(app)


async def test_hosts_only() -> None:
    frame = frames.hosts_only()
    app = still_app(frame)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert not app.screen.query_one(HeatMap).display
        assert rows(fleet(app).table) == 2
        assert summarise(frame).power_watts is None


async def test_collectors_that_ended_by_themselves_are_told() -> None:
    feed = HandFeed()
    app = WatchfloorApp(feed)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        feed.says = "RuntimeError: out of descriptors"
        app._each_second()
        await pilot.pause()
        assert "the collectors ended: RuntimeError: out of descriptors" in text_of(app, "#status")


def test_an_app_that_breaks_does_not_end_with_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WatchfloorApp, "run", lambda self: setattr(self, "_return_code", 1))
    assert run(HandFeed()) != 0


async def test_a_tiny_screen_still_shows_the_line_that_is_typed_into() -> None:
    app = still_app(settled())
    async with app.run_test(size=(40, 10)) as pilot:
        await pilot.pause()
        await pilot.press("2", "colon")
        await type_text(pilot, "node")
        line, boards = app.screen.query_one(CommandLine), app.screen.query_one("#boards")
        assert line.text == "node"
        assert line.region.bottom == 9 and line.region.height == 2, "right above the status bar"
        assert boards.region.height >= 2, "a row below the titles"


async def test_a_machine_without_accelerators_points_at_the_demo() -> None:
    fleet_of_hosts = frames.hosts_only()
    here = replace(fleet_of_hosts, specs=[replace(spec, local=True) for spec in fleet_of_hosts.specs])
    for frame, hinted in ((here, True), (fleet_of_hosts, False)):
        app = still_app(frame)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            status = text_of(app, "#status")
            assert ("watchfloor demo" in status) is hinted
            assert "? help" in status and "q quit" in status, "the hint leaves room for the keys"
