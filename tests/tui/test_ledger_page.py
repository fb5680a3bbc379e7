"""The ledger page: the newest entries as they come, filters, one as a whole, and how far it is what was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.ledgerpages import LEDGER, SIZES, app_over, rows_shown
from tests.support.ledgers import tampered
from tests.support.patience import until
from tests.support.runstory import ANNA, Story
from tests.support.screens import screen_of, text_of
from tui.app import WatchfloorApp
from tui.present.entries import summary_line, wanted_of
from watchfloor.errors import QueryError
from watchfloor.records import ledgerwords as words


def shown(app: WatchfloorApp) -> list[int]:
    return [int(number) for number in rows_shown(app, "ledger")]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("keys", [(), ("enter",)], ids=["ledger", "entry"])
def test_picture(keys: tuple[str, ...], size: tuple[int, int], story: Story, snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app_over(), press=["9", "down", "down", *keys], terminal_size=size)


async def test_what_is_appended_comes_to_stand_first(story: Story) -> None:
    app = app_over()
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("9")
        await until(lambda: len(shown(app)) == story.ledger.checkpoint(ANNA, None).size or bool(shown(app)))
        first = shown(app)[0]
        story.tell(0.0, ANNA, words.Stop(reason="a storm of findings"))
        story.write()
        await until(lambda: shown(app)[0] > first and "a storm of findings" in screen_of(app))
        assert "acts are stopped" in text_of(app, "#header")
        assert "all acts are stopped: a storm of findings (anna)" in text_of(app, "#summary")


async def test_how_far_it_is_what_was_written_and_that_it_is_not(story: Story) -> None:
    app = app_over()
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("9")
        await until(lambda: "intact up to entry" in text_of(app, "#summary"))
        with tampered(LEDGER) as base:
            base.execute("UPDATE entry SET text = replace(text, 'cron', 'crom') WHERE number = 3")
        story.tell(0.0, ANNA, words.Heartbeat(session="s1"))
        story.write()
        await until(lambda: "not what was written: entry 3 has been altered" in text_of(app, "#summary"))


async def test_filters_by_kind_node_person_and_run(story: Story) -> None:
    app = app_over()
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("9", "slash", *"kind:approval", "enter")
        await until(lambda: len(shown(app)) == 2)
        await pilot.press("slash", "ctrl+u", *"run:r8d41f00c3e kind:applied", "enter")
        await until(lambda: len(shown(app)) == 3)
        await pilot.press("slash", "ctrl+u", *"nod", "tab")
        assert "node:" in screen_of(app)
        await pilot.press(*"dgx-03 person:ops", "enter")
        await until(lambda: len(shown(app)) == 9)
        await pilot.press("slash", "ctrl+u", *"verdict:de", "tab", "enter")
        await until(lambda: len(shown(app)) == 1)
        await pilot.press("slash", "ctrl+u", *"playbook:coll", "tab", *"kind:verified", "enter")
        await until(lambda: len(shown(app)) == 2)
        await pilot.press("escape")
        await until(lambda: len(shown(app)) > 30)


async def test_an_entry_as_a_whole_has_its_hashes(story: Story) -> None:
    app = app_over()
    async with app.run_test(size=(160, 60)) as pilot:
        await pilot.press("9")
        await until(lambda: bool(shown(app)))
        await pilot.press("enter")
        await pilot.pause()
        told = screen_of(app)
        assert '"hash":' in told and '"prev":' in told


async def test_the_run_of_an_entry_is_reviewed_from_here_however_old(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchfloor.ledgerfollower.MOST_RUNS", 1)
    app = app_over()
    async with app.run_test(size=(160, 60)) as pilot:
        await pilot.press("9", "slash", *"kind:approval person:anna", "enter")
        await until(lambda: len(shown(app)) == 1)
        await pilot.press("v")
        await until(lambda: "run r8d41f00c3e: failed" in screen_of(app))
        await pilot.press("escape", "slash", "ctrl+u", *"kind:heartbeat", "enter")
        await until(lambda: len(shown(app)) == 1 and shown(app)[0] > 28)
        await pilot.press("v")
        assert "this entry is of no run" in text_of(app, "#status")


async def test_without_a_ledger_nothing_is_read(tmp_path: Path) -> None:
    app = app_over(tmp_path / "none.db")
    async with app.run_test(size=(200, 40)) as pilot:
        await pilot.press("9", "enter")
        assert "no ledger is at" in text_of(app, "#summary")


def test_what_the_filter_asks_for_and_where_it_is_wrong() -> None:
    wanted = wanted_of("node:n2 kind:applied kind:intent since:2h", 10_000.0)
    assert (wanted.node, wanted.kinds, wanted.since) == ("n2", ("applied", "intent"), 2_800.0)
    for text, column, advice in (
        ("node:n2 knd:x", 9, "did you mean kind:?"),
        ("kind:aplied", 6, "did you mean applied?"),
        ("verdict:denied", 9, "did you mean deny?"),
        ("since:soon", 7, "how long ago: 12h, 7d"),
    ):
        with pytest.raises(QueryError) as told:
            wanted_of(text, 0.0)
        assert (told.value.column, told.value.advice) == (column, advice)


def test_how_many_pass_is_told_before_a_place_that_may_be_long() -> None:
    line = summary_line("/home/anna/.local/state/watchfloor/ledger.db" * 2, 43, 8, filtered=True)
    assert "".join(text for text, _ in line).startswith(" 43 entries   the newest 8 that pass, as they come   /home")
