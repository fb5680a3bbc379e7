"""The runs page: what stands where, the steps as they go, a run as a whole, and nothing on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import pytest

from tests.support import frames
from tests.support.actinghands import NotedActing
from tests.support.feeds import still_app
from tests.support.ledgerpages import LEDGER, SIZES, app_over, rows_shown
from tests.support.patience import until
from tests.support.runstory import ANNA, Story, begun, done, over, seen
from tests.support.screens import screen_of, text_of
from tui.app import WatchfloorApp
from tui.help import entries
from tui.screens.runs import RunsPage
from tui.sheet import Sheet
from watchfloor.ledgerfollower import LedgerFollower
from watchfloor.records import ledgerwords as words
from watchfloor.runs import Grounds, Heard, Rule, RunRecord


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
        for word in ("waits", "running", "failed", "succeeded", "refused", "2/8", "fatal-xid", "agent desk"):
            assert word in told
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
        for text in (
            "Evidence", "by trigger xid in (79, 48, 95)", "xid 48", "Verdict: needs-approval", "it takes a node out",
            "by policy takes-out", "approval of anna", "seen the log", "which count, is not looked at here",
            "$ scontrol requeue 4090", "exit code 1", "nobody knows how it ended", "Job/step already completing",
            "The plan as it was shown", "undone by:", "operation r8d41f00c3e.requeue.2",
            "seen afterwards: job 4090 is completing", "of what became of jobs nothing is on record",
        ):  # fmt: skip
            assert text in told, text
        parts = ("Evidence", "The plan as it was shown", "Verdict:", "Approvals: 1 needed", "What was done", "Impact ")
        assert sorted(parts, key=told.index) == list(parts)  # read from top to bottom
        await pilot.press("escape")
        assert app.page.slug == "runs"


async def test_a_review_says_whose_approvals_count_by_which_rule_and_leads_to_the_lineage(story: Story) -> None:
    asked: list[str] = []

    def grounds(run: RunRecord, now: float) -> Grounds:
        asked.append(run.run)
        (given,) = run.given
        rule = Rule("own/lab.cedar:7", '@id("takes-out.needs-a-person")')
        return Grounds({given.number: Heard("", "unknown-key")}, {"takes-out.needs-a-person": rule}, moved=True)

    options = {"ledger": LedgerFollower(LEDGER), "zone": UTC, "grounds": grounds}
    app = still_app(frames.settled(), **options)
    async with app.run_test(size=(120, 120)) as pilot:
        await pilot.press("7")
        page(app).table.select("r8d41f00c3e")
        await pilot.press("enter")
        await until(lambda: "own/lab.cedar:7" in screen_of(app))
        told = screen_of(app)
        assert "doesn't count, unknown-key" in told and "Approvals: 1 needed, 0 count" in told
        assert "policies are others by now" in told and asked == ["r8d41f00c3e"]
        await pilot.press("y")
        await pilot.pause()
        assert app.page.slug == "runs" and "keeps no lineage" in text_of(app, "#status")


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


# -- in a console that acts


async def test_a_console_that_watches_binds_no_key_that_carries_out(story: Story) -> None:
    app = app_over()
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("7", "home", "c", "enter", "c", *"no", "enter")
        assert type(app.screen) is Sheet
        bound = {key for screen in (app.screen, app.page) for key in screen._bindings.key_to_bindings}
        assert "c" not in bound and app.desk.carrying is None
        assert not any("carry out" in does for _, does in entries(app.page))


async def test_a_run_that_enough_approved_is_carried_out_and_its_steps_are_seen(story: Story) -> None:
    acting = NotedActing()
    app = app_over(acting=acting)
    async with app.run_test(size=(160, 50)) as pilot:
        assert any("carry out" in does for _, does in entries(app.pages["runs"]))
        await pilot.press("7")
        assert page(app).table.select("r9f3e07d5b1")
        await pilot.press("c")
        assert "it waits for approval: the approvals page (8) has it" in text_of(app, "#cardfoot")
        run = page(app).run
        assert run is not None and run.plan is not None
        approval = words.Approval(reason="the job has a checkpoint")
        story.run("r9f3e07d5b1", run.plan, (0.0, ANNA, approval))
        story.write()
        await until(lambda: "c carries it out" in screen_of(app))
        await pilot.press("c")
        asked = "carry out fatal-xid on dgx-02, slurm:4100 (4 steps, R3)?"
        assert asked in text_of(app, "#cardfoot")
        await pilot.press(*"no", "enter", "escape", "c", *"yes", "enter")
        assert list(acting.carried) == ["r9f3e07d5b1"]
        await pilot.press("escape")
        assert "approved" in screen_of(app) and "carries out 1" in text_of(app, "#status")
        await pilot.press("c")
        assert "this console carries it out already" in text_of(app, "#cardfoot")
        await pilot.press("escape")
        step = run.plan.steps[0]
        applied = done(step, 0.0, "r9f3e07d5b1")[1]
        for told, stage in (
            (begun(step, 0.0, "r9f3e07d5b1"), "drain     intent"),
            (applied, "drain     verifying"),
            (seen(step, 0.0, "took-effect", "it is draining"), "drain     verified"),
        ):
            story.run("r9f3e07d5b1", run.plan, told)
            story.write()
            await until(lambda stage=stage: stage in text_of(app, "#detail"))
        assert "requeue   precheck" in text_of(app, "#detail")
        acting.carried["r9f3e07d5b1"].set_result("run r9f3e07d5b1 succeeded: 4 of 4 steps done")
        await until(lambda: "r9f3e07d5b1 succeeded" in text_of(app, "#status"))


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ("r1c07a9e2b4", "it is over: succeeded"),
        ("re6a8b90412", "it waits for approval"),
        ("rb71d00ee25", "it is over: refused"),
    ],
)
async def test_why_a_run_is_not_carried_out_is_said(run: str, why: str, story: Story) -> None:
    acting = NotedActing()
    app = app_over(acting=acting)
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("7")
        assert page(app).table.select(run)
        await pilot.press("c", *"yes", "enter")
        assert why in text_of(app, "#cardfoot") and not acting.carried


async def test_what_a_console_left_behind_is_gone_on_with(story: Story) -> None:
    acting = NotedActing()
    app = app_over(acting=acting)
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("7")
        assert page(app).table.select("r55b20c1f7a")
        await pilot.press("enter", "c", *"yes", "enter")
        assert list(acting.carried) == ["r55b20c1f7a"]


async def test_undoing_is_a_stage_of_its_own(story: Story) -> None:
    app = app_over()
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("7")
        assert page(app).table.select("r55b20c1f7a")
        run = page(app).run
        assert run is not None and run.plan is not None
        step = run.plan.steps[1]
        undo = words.Intent(step=step.key, action=step.action, operation="r55-1-undo", attempt=1, facts={"undo": True})
        story.run("r55b20c1f7a", run.plan, (0.0, ANNA, undo))
        story.write()
        await until(lambda: "cap-1  undoing" in text_of(app, "#detail"))
        assert "precheck" not in text_of(app, "#detail")
        story.run("r55b20c1f7a", run.plan, seen(step, 0.0, "took-effect", "undone"))
        story.write()
        await until(lambda: "cap-1  undone" in text_of(app, "#detail"))
