"""The runs page: what stands where, the steps as they go, a run as a whole, and nothing on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import pytest

from tests.support import frames
from tests.support.feeds import still_app
from tests.support.ledgerpages import LEDGER, SIZES, app_over, rows_shown
from tests.support.patience import until
from tests.support.runstory import Story, over, seen
from tests.support.screens import screen_of, text_of
from tui.app import WatchfloorApp
from tui.screens.runs import RunsPage
from watchfloor.ledgerfollower import LedgerFollower


def page(app: WatchfloorApp) -> RunsPage:
    found = app.pages["runs"]
    assert isinstance(found, RunsPage)
    return found


def shown(app: WatchfloorApp) -> list[str]:
    return rows_shown(app, "runs")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("keys", [(), ("enter",)], ids=["runs", "run"])
def test_picture(keys: tuple[str, ...], size: tuple[int, int], story: Story, snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app_over(), press=["7", "down", "down", *keys], terminal_size=size)


async def test_the_newest_come_first_and_each_says_where_it_stands(story: Story) -> None:
    app = app_over()
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("7")
        assert shown(app)[0] == "re6a8b90412" and shown(app)[-1] == "r1c07a9e2b4"
        told = screen_of(app)
        for words in ("waits", "running", "failed", "succeeded", "refused", "2/8", "fatal-xid", "agent desk"):
            assert words in told
        assert "2 wait for approval" in text_of(app, "#summary")


async def test_the_steps_of_a_run_are_seen_as_they_go(story: Story) -> None:
    app = app_over()
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("7")
        assert page(app).table.select("r55b20c1f7a")
        await pilot.pause()
        assert "operation r55b20c1f7a.cap-2.1" in text_of(app, "#detail")
        assert "exit 0" in text_of(app, "#detail")
        run = page(app).run
        assert run is not None and run.plan is not None
        story.run("r55b20c1f7a", run.plan, seen(run.plan.steps[2], 0.0, "took-effect", "its limit is 550 W"))
        story.run("r55b20c1f7a", run.plan, over(0.0, "abandoned", "the lease was lost to another console"))
        story.write()
        await until(lambda: "abandoned" in screen_of(app))
        assert "3/8" in screen_of(app) and "the lease was lost" in text_of(app, "#detail")


async def test_a_run_as_a_whole_has_its_commands_what_they_printed_and_the_plan(story: Story) -> None:
    app = app_over()
    async with app.run_test(size=(120, 120)) as pilot:
        await pilot.press("7")
        page(app).table.select("r8d41f00c3e")
        await pilot.press("enter")
        await pilot.pause()
        told = screen_of(app)
        for words in (
            "Verdict: needs-approval", "it takes a node out", "by policy takes-out", "approval of anna", "seen the log",
            "$ scontrol requeue 4090", "exit 1", "nobody knows how it ended", "Job/step already completing",
            "The plan as it was shown", "undone by:", "operation r8d41f00c3e.requeue.2",
        ):  # fmt: skip
            assert words in told, words
        await pilot.press("escape")
        assert app.page.slug == "runs"


async def test_a_filter_is_of_words_and_one_key_leaves_what_is_over_out(story: Story) -> None:
    app = app_over()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("7", "slash", *"dgx-02 mira", "enter")
        assert shown(app) == []
        await pilot.press("escape", "slash", *"fatal-xid", "enter")
        assert shown(app) == ["r9f3e07d5b1", "r8d41f00c3e"]
        await pilot.press("o")
        assert shown(app) == ["r9f3e07d5b1"]
        await pilot.press("o", "escape", "S")
        assert shown(app)[0] == "r55b20c1f7a"


async def test_without_a_ledger_the_page_says_where_it_would_be(tmp_path: Path) -> None:
    app = app_over(tmp_path / "none.db")
    async with app.run_test(size=(200, 40)) as pilot:
        await pilot.press("7", "enter", "o", "S")
        assert "no ledger is at" in text_of(app, "#summary") and "none.db" in text_of(app, "#summary")
    unfollowed = still_app(frames.settled())
    async with unfollowed.run_test(size=(120, 40)) as pilot:
        await pilot.press("7")
        assert "follows no ledger" in text_of(unfollowed, "#summary")


async def test_it_is_there_before_any_frame(story: Story) -> None:
    app = still_app(None, ledger=LedgerFollower(LEDGER), zone=UTC)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("7")
        await until(lambda: "fatal-xid" in screen_of(app))
