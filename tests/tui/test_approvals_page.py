"""The approvals page: what waits, the whole plan before any key that signs; no such key where the console watches."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.actinghands import NotedActing
from tests.support.ledgerpages import NOW, SIZES, app_over, rows_shown
from tests.support.patience import until
from tests.support.runstory import ANNA, Story, decided, drain, planned, proposed
from tests.support.screens import screen_of, text_of
from tui.app import WatchfloorApp
from tui.card import Card
from tui.help import entries
from tui.screens.approvals import ApprovalsPage
from tui.sheet import Sheet
from watchfloor.change import Origin
from watchfloor.errors import ConfigError
from watchfloor.records import ledgerwords as words


def shown(app: WatchfloorApp) -> list[str]:
    return rows_shown(app, "approvals")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture(size: tuple[int, int], story: Story, snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app_over(), press=["8"], terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture_of_the_card(size: tuple[int, int], story: Story, snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(
        app_over(acting=NotedActing()), press=["8", "enter", *["pagedown"] * 4, "a"], terminal_size=size
    )


async def test_what_waits_longest_comes_first_with_its_whole_plan_and_the_header_counts(story: Story) -> None:
    app = app_over()
    async with app.run_test(size=(120, 60)) as pilot:
        await until(lambda: "approvals 2" in text_of(app, "#header"))
        await pilot.press("8")
        assert shown(app) == ["r9f3e07d5b1", "re6a8b90412"]
        told = text_of(app, "#detail")
        for text in (
            "2 must approve; so far 1 of 2: bob", "two persons have to approve", "$ scontrol requeue 4100",
            "2.7 accelerator hours lost since its checkpoint", "POST /issues", "Digest, which is what is signed",
        ):  # fmt: skip
            assert text in told, text


async def test_a_console_that_watches_binds_no_key_that_signs(story: Story) -> None:
    app = app_over()
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.press("8")
        assert not any("approve" in does or "reject" in does for _, does in entries(app.page))
        await pilot.press("a", "x", "enter", "end", "a", "x", *"yes", "enter")
        assert isinstance(app.screen, Sheet) and not isinstance(app.screen, Card)
        bound = {key for screen in (app.screen, app.page) for key in screen._bindings.key_to_bindings}
        assert not {"a", "x"} & bound
        assert not hasattr(app.screen, "action_choose")
    assert "a" not in ApprovalsPage._merge_bindings().key_to_bindings


async def test_the_keys_sign_once_the_end_of_the_plan_was_in_view_and_with_a_reason(story: Story) -> None:
    acting = NotedActing()
    app = app_over(acting=acting)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("8", "enter", "end", "a")
        assert "read the whole plan first" in text_of(app, "#cardfoot")
        await pilot.press("home", "pagedown", "pagedown", "pagedown", "a")
        assert "\n > " in screen_of(app)
        await pilot.press("enter")
        assert acting.signed == []
        assert "say why" in screen_of(app)
        await pilot.press(*"a x q", "enter")
        await until(lambda: "on record as entry 40" in text_of(app, "#cardfoot"))
        assert acting.signed == [("r9f3e07d5b1", "approve", "a x q")]
        await pilot.press("x", *"no", "enter")
        await until(lambda: len(acting.signed) == 2)
        assert acting.signed[-1][1:] == ("reject", "no")
        await until(lambda: "ACTING" in text_of_page(app))  # once the feed has given its frame


def text_of_page(app: WatchfloorApp) -> str:
    from tui.widgets.lines import Lines  # noqa: PLC0415

    header = app.page.query_one("#header", Lines)
    return "\n".join("".join(segment.text for segment in header.render_line(y)) for y in range(2))


async def test_what_refuses_the_signature_is_said_and_leaving_signs_nothing(story: Story) -> None:
    acting = NotedActing(error=ConfigError("no key of ~/.ssh is in signers", "name yours by --key"))
    app = app_over(acting=acting)
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.press("8", "enter", "end", "a", "escape")
        assert isinstance(app.screen, Card) and "nothing was signed" in text_of(app, "#cardfoot")
        await pilot.press("a", *"go", "enter")
        await until(lambda: "not signed: no key of ~/.ssh is in signers" in text_of(app, "#cardfoot"))
        await pilot.press("escape")
        assert app.page is app.screen


async def test_a_card_comes_within_a_frame_of_its_entry_and_tells_when_it_is_over(story: Story) -> None:
    app = app_over(acting=NotedActing())
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.press("8")
        plan = planned("drain-node", ANNA, Origin("a second fan"), [drain("dgx-01", "a second fan")], NOW)
        story.run("r00000000aa", plan, proposed(plan, 0.0), decided(0.0, "needs-approval", ["so it is"], 1))
        story.write()
        await until(lambda: "r00000000aa" in shown(app))
        await pilot.press("end", "enter", "end")
        story.run("r00000000aa", plan, (0.0, ANNA, words.Outcome(outcome="refused", text="moved: it is drained")))
        story.write()
        await until(lambda: "It waits no longer: refused" in screen_of(app))
        assert shown(app) == ["r9f3e07d5b1", "re6a8b90412", "r00000000aa"]
        await pilot.press("escape")
        await until(lambda: "r00000000aa" not in shown(app))


async def test_what_enough_approved_says_how_it_is_carried_out(story: Story) -> None:
    app = app_over()
    async with app.run_test(size=(160, 60)) as pilot:
        await pilot.press("8")
        run = app.desk.ledger.run("re6a8b90412") if app.desk.ledger is not None else None
        assert run is not None and run.plan is not None and "Enough approved" not in screen_of(app)
        story.run("re6a8b90412", run.plan, (0.0, ANNA, words.Approval(reason="swap it")))
        story.write()
        await until(lambda: "approvals 1" in text_of(app, "#header"))
        await pilot.press("end")
        assert "Enough approved. It is carried out by `watchfloor run re6a8b90412 --apply`" in text_of(app, "#detail")


async def test_no_character_of_a_plan_is_lost_or_moves_the_cursor(story: Story) -> None:
    argument = "x" * 300 + "END"
    step = drain("dgx-01", f"why\x1b[2J\u202e {argument}")
    plan = planned("drain-node", ANNA, Origin("long"), [step], NOW)
    story.run("r00000000bb", plan, proposed(plan, 0.0), decided(0.0, "needs-approval", ["so it is"], 1))
    story.write()
    app = app_over()
    async with app.run_test(size=(80, 200)) as pilot:
        await pilot.press("8", "end", "enter")
        await pilot.pause()
        told = screen_of(app)
        assert told.count("x") >= 3 * 300 and "END" in told
        assert "\x1b" not in told and "\u202e" not in told
