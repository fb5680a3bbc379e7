"""The stack page: groups, what differs, the way from a version to its nodes, and what the row under the cursor says."""

from __future__ import annotations

from dataclasses import replace

from tests.support.feeds import HandFeed, still_app
from tests.support.frames import settled
from tests.support.screens import screen_of, text_of
from tui.app import WatchfloorApp
from tui.base import AppOptions
from tui.present.choice import Rows
from tui.present.stack import Row, StackTable
from tui.screens.fleet import FleetPage
from tui.screens.stack import StackPage
from watchfloor.model import NodeSpec
from watchfloor.stack import Grouping


def page(app: WatchfloorApp) -> StackPage:
    found = app.pages["stack"]
    assert isinstance(found, StackPage)
    return found


def model(app: WatchfloorApp) -> StackTable:
    found = page(app)._model
    assert found is not None
    return found


def versions(app: WatchfloorApp) -> list[Row]:
    rows = [model(app).row(model(app).identity(index)) for index in range(model(app).count)]
    return [row for row in rows if row is not None and row.version is not None]


def put_cursor(app: WatchfloorApp, name: str, version: str) -> None:
    (row,) = (
        r for r in versions(app) if r.thing and r.version and (r.thing.name, r.version.version) == (name, version)
    )
    assert page(app).table.select(row.identity)


async def test_a_version_leads_to_its_nodes() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        put_cursor(app, "nvidia", "570.86.15")
        await pilot.press("enter")
        await pilot.pause()
        fleet = app.page
        assert isinstance(fleet, FleetPage)
        assert fleet.choice.rows is Rows.NODES
        assert fleet.table.cursor is not None
        assert "dgx-06" in str(fleet.table.cursor)
        await pilot.press("escape", "escape")
        assert app.page is page(app)


async def test_the_row_under_the_cursor_is_told_in_full() -> None:
    app = still_app(settled())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        put_cursor(app, "nvidia-fabricmanager", "570.124.06")
        await pilot.pause()
        told = text_of(app, "#detail")
        assert "dgx-06 has nvidia-fabricmanager 570.124.06 and nvidia 570.86.15" in told
        await pilot.press("home")
        await pilot.pause()
        assert "1 differs where it ought to be equal" in text_of(app, "#detail")
        assert "firmware" in text_of(app, "#detail"), "a layer's title tells what the layer comes to"


async def test_only_what_differs() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "d")
        names = {row.thing.name for row in versions(app) if row.thing}
        assert names == {"nic MT_0000000838", "nvidia", "nvidia-fabricmanager"}
        await pilot.press("escape")
        assert len(versions(app)) > 20


async def test_groups_that_agree_share_a_row() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        (kernel,) = (row for row in versions(app) if row.thing and row.thing.name == "kernel")
        assert kernel.thing is not None
        assert (kernel.thing.group, kernel.thing.nodes) == ("train, serve, login", 12)


async def test_grouping_by_key_and_by_command() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "b")
        assert page(app).grouping is Grouping.MODEL
        await pilot.press("B", *"fleet", "enter")
        await pilot.pause()
        assert page(app).grouping is Grouping.FLEET
        assert {row.thing.group for row in versions(app) if row.thing} == {"fleet"}
        await pilot.press("colon", *"groupby", "space", *"nonsense", "enter")
        assert page(app).grouping is Grouping.FLEET
        await pilot.press("escape", "5")


async def test_a_filter_leaves_out_nodes() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "slash", *"rack==r3", "enter")
        await pilot.pause()
        assert {row.thing.group for row in versions(app) if row.thing} == {"serve"}
        assert "no things differ" in text_of(app, "#summary")


async def test_too_many_nodes_for_a_filter_are_said_to_be() -> None:
    frame = settled()
    specs = [NodeSpec(f"{spec.name}-{'x' * 400}", group="train") for spec in frame.specs]
    app = still_app(replace(frame, specs=specs))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "B", *"fleet", "enter", "down", "enter")
        await pilot.pause()
        assert app.page is page(app)
        assert "too many for a filter" in text_of(app, "#status")


async def test_before_any_frame_there_is_nothing_to_act_on() -> None:
    app = still_app(None)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "b", "d", "down", "enter", "escape")
        assert app.is_running


async def test_new_software_is_drawn_and_old_is_not_drawn_again() -> None:
    feed = HandFeed(settled())
    app = WatchfloorApp(feed, AppOptions(now=lambda: settled().at))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        before = model(app)
        page(app).receive(replace(settled(), number=2))
        assert model(app) is before
        without = [replace(detail, details={}) for detail in settled().detail]
        page(app).receive(replace(settled(), number=3, detail=without))
        assert not [row for row in versions(app) if row.thing and row.thing.name == "kernel"]


async def test_a_second_that_passes_while_a_page_is_made_does_no_harm() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        made = StackPage(app.desk)
        made.draw_bars()
        made.receive(settled())
        await pilot.press("5")
        assert versions(app)


async def test_one_thing_is_no_things() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "d", "b", "b", "home")
        await pilot.pause()
        assert " 1 thing on " in text_of(app, "#detail")


async def test_names_and_versions_are_whole_on_a_narrow_terminal() -> None:
    app = still_app(settled())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        shown = []
        for _ in range(4):
            shown.append(screen_of(app))
            await pilot.press("pagedown")
            await pilot.pause()
        said = "\n".join(shown)
        for whole in ("nvidia-container-toolkit", "nvidia-fabricmanager", "6.8.0-45-generic", "Ubuntu 24.04.2 LTS"):
            assert whole in said
