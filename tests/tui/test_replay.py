"""A session shown again: what the header says, what keys ask for, what can't be done; and the past of a live floor."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from tests.support.feeds import HandFeed, still_app
from tests.support.frames import START, settled
from tests.support.ledgerpages import LEDGER, NOW, SIZES
from tests.support.onrecord import on_record
from tests.support.patience import until
from tests.support.replays import HandReplay, recorded
from tests.support.runstory import Story
from tests.support.screens import screen_of, text_of
from tests.tui.test_ascii import foreign_of
from tui.app import WatchfloorApp
from tui.base import AppOptions
from tui.help import entries
from tui.past import NOT_RECORDED
from tui.present.style import ASCII, UNICODE, palette
from tui.present.timeline import bar, replay_badge
from watchfloor.errors import SessionError
from watchfloor.model import Scope, Subject
from watchfloor.ports import Replay
from watchfloor.records.ledgerreader import LedgerReader
from watchfloor.session.heldledger import HeldLedger
from watchfloor.session.seeking import Jump

SIZE = (120, 40)
Compare = Callable[..., bool]


def replayed(replay: HandReplay, **options: object) -> WatchfloorApp:
    chosen = AppOptions("morning.session", read_only=True, replay=replay, zone=UTC, **options)  # pyright: ignore[reportArgumentType]
    return WatchfloorApp(replay, chosen)


def live(past: Callable[[], Replay] | None) -> WatchfloorApp:
    frame = on_record()
    return WatchfloorApp(HandFeed(frame), AppOptions("lab", now=lambda: frame.at + 0.2, past=past, zone=UTC))


@pytest.fixture
def held(story: Story) -> HandReplay:
    """It holds a morning on record, and stands a minute before its end."""
    frame = replace(on_record(), at=NOW - 60)
    replay = HandReplay(frame, at=NOW - 60, begin=NOW - 600, end=NOW)
    replay.ledger = ledger = HeldLedger(Path("morning.session"), lambda: replay.standing.at)
    with LedgerReader(LEDGER) as reader:
        ledger.take(list(reader.kept()))
    return replay


# -- what it looks like


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_fleet_as_it_was(size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(replayed(HandReplay()), terminal_size=size)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_two_moments_side_by_side(size: tuple[int, int], snap_compare: Compare) -> None:
    replay = HandReplay()
    replay.at = lambda at: recorded(on_record() if at > START + 100 else settled(20))
    words = ("colon", *"compare start end", "enter")
    assert snap_compare(replayed(replay), press=["6", *words, "down", "down"], terminal_size=size)


async def test_a_terminal_of_ascii_alone_shows_it_too() -> None:
    app = replayed(HandReplay(), palette=palette("mono", ascii_only=True))
    assert await foreign_of(app, ("equals_sign",), SIZE) == set()


def test_the_line_of_time_shows_what_matters_most_of_each_stretch() -> None:
    standing = HandReplay().standing
    words = ["".join(text for text, _ in bar(standing, 61, glyphs)) for glyphs in (UNICODE, ASCII)]
    assert words[0][:1] + words[0][12] + words[0][20] + words[0][26] + words[0][40] + words[0][48] == "━╵▲✖◆░"
    assert words[1][30] == "@" and words[1][26] == "X" and words[1][60] == "-"
    assert len(words[0]) == len(words[1]) == 61


def test_the_badge_tells_time_and_pace() -> None:
    standing = HandReplay(at=START + 60).standing
    assert replay_badge(standing, UTC)[0] == "REPLAY 08:01:00 1×"
    assert replay_badge(replace(standing, paused=True), UTC)[0] == "REPLAY 08:01:00 paused"
    assert replay_badge(replace(standing, at=standing.end), UTC)[0] == "REPLAY 08:10:00 at its end"
    days = replace(standing, end=standing.end + 86_400)
    assert replay_badge(days, UTC)[0] == "REPLAY Jan 15 08:01:00 1×"


# -- its keys


async def test_keys_steer_it() -> None:
    replay = HandReplay()
    app = replayed(replay)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("right_square_bracket", "left_square_bracket", "full_stop", "comma")
        await pilot.press("greater_than_sign", "less_than_sign", "space", "space")
        assert replay.asked == [
            ("move", 10.0), ("move", -10.0), ("step", True), ("step", False), ("faster", 1), ("faster", -1),
            ("pause", True), ("pause", False),
        ]  # fmt: skip
        replay.asked.clear()
        await pilot.press("right_curly_bracket", "left_curly_bracket")
        assert replay.asked == [Jump("", "", True), Jump("", "", False)]
        await pilot.press("6", "space", "slash", "space", "left_square_bracket", "escape")  # typed, the latter two
        assert replay.asked[2:] == [("pause", True)]


async def test_commands_steer_it() -> None:
    replay = HandReplay()
    app = replayed(replay)
    async with app.run_test(size=SIZE) as pilot:
        for words in ("seek 08:02", "seek +1m", "seek finding xid", "speed 16", "pause"):
            await pilot.press("colon", *words, "enter")
        assert replay.asked == [
            ("seek", 120.0), ("seek", 360.0), ("speed", 16.0), ("pause", True),
        ]  # fmt: skip
        await pilot.press("colon", *"seek -finding xid", "enter")
        assert replay.asked[-1] == Jump("finding", "xid", forth=False)
        for words, said in (("seek finding xid", True), ("seek -finding xid", False)):
            await pilot.press("colon", *words, "enter")
            assert ("no finding with 'xid' after this" in text_of(app, "#status")) == said
        await pilot.press("colon", *"speed 3", "enter")
        assert "3 is no speed" in screen_of(app)


async def test_nothing_acts_acknowledges_or_connects() -> None:
    replay = HandReplay()
    app = replayed(replay)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6", "a", "A", "u", "c", "ctrl+r")
        assert (replay.acknowledged, replay.cleared, replay.reconnected) == ([], [], [])
        bound = [does for _, does in (*entries(app.page), *entries(app))]
        assert not any("acknowledge" in does or "forget" in does or "connect" in does for does in bound)
        assert {"ack", "clear", "reconnect"}.isdisjoint(app.commands())


async def test_help_has_the_key_that_pauses_once() -> None:
    for app, marks in ((replayed(HandReplay()), False), (still_app(on_record()), True)):
        async with app.run_test(size=(120, 70)) as pilot:
            await pilot.press("question_mark")  # the table of a live fleet page marks by the same key
            await pilot.pause()
            assert bool(re.search(r"Space +mark", screen_of(app))) is marks
            assert re.search(r"Space +the past: stand still", screen_of(app))


async def test_ages_are_those_of_then() -> None:
    app = replayed(HandReplay(), now=lambda: START + 9e6)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        assert "oldest live sample" in text_of(app, "#header") and "NO FRAME" not in text_of(app, "#header")
        assert " d " not in text_of(app, "#header").split("oldest live sample")[1]


async def test_what_can_not_be_shown_is_told_once() -> None:
    app = replayed(HandReplay(trouble="the block at byte 700 was altered"))
    async with app.run_test(size=SIZE) as pilot:
        app._each_second()
        await pilot.pause()
        assert "the block at byte 700 was altered" in text_of(app, "#status")
        app.page.unsay()
        app._each_second()
        assert "altered" not in text_of(app, "#status")


# -- the ledger of then


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_ledger_as_it_was(size: tuple[int, int], held: HandReplay, snap_compare: Compare) -> None:
    assert snap_compare(replayed(held), press=["9", "down", "down"], terminal_size=size)


async def test_runs_approvals_and_reviews_are_those_of_then(held: HandReplay) -> None:
    app = replayed(held)
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("7")
        await until(lambda: "thermal-cap" in screen_of(app))
        told = screen_of(app)
        assert "reboot-node" in told and "drain-node" not in told  # it was proposed later
        assert "as of then: what the recording holds" in told and "approvals 1" in text_of(app, "#header")
        await pilot.press("end", "enter")
        await until(lambda: "What was done" in screen_of(app))
        await pilot.press("escape", "8")
        await until(lambda: "1 waits for a person" in screen_of(app))
        assert "Enter: the whole plan" in screen_of(app) and "signs" not in screen_of(app)
        await pilot.press("9", "slash", *"kind:intent", "enter")
        await until(lambda: "kind:intent" in text_of(app, "#status") and "outcome" not in screen_of(app))


# -- the past of a live floor


async def test_a_bracket_leads_back_and_escape_to_now() -> None:
    replay = HandReplay()
    app = live(lambda: replay)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        assert "LIVE" in text_of(app, "#header")
        await pilot.press("left_square_bracket")
        await until(lambda: app.desk.frame is not None and app.desk.frame.replay)
        await pilot.pause()
        assert replay.asked == [("move", -10.0)] and replay.running
        assert "REPLAY 08:05:00" in text_of(app, "#header") and " now " in text_of(app, "#header").splitlines()[2]
        newest = replace(on_record(), number=77)
        feed = app.feed
        assert isinstance(feed, HandFeed)
        feed.give(newest)
        await pilot.pause()
        assert app.desk.frame is not None and app.desk.frame.replay
        await pilot.press("6", "a")
        assert feed.acknowledged == []
        await pilot.press("escape")
        await until(lambda: not replay.running)
        assert app.desk.frame is newest and "LIVE" in text_of(app, "#header")
        await pilot.press("a")
        assert len(feed.acknowledged) == 1


async def test_a_floor_that_is_not_recorded_says_so() -> None:
    app = live(None)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("left_square_bracket")
        assert NOT_RECORDED in text_of(app, "#status")
        await pilot.press("right_square_bracket")
        assert "this is now" in text_of(app, "#status")
        await pilot.press("space")  # marks, as ever
        assert len(app.pages["fleet"].choice.marks) == 1  # pyright: ignore[reportAttributeAccessIssue]


async def test_why_the_past_can_not_be_opened_is_told() -> None:
    def broken() -> Replay:
        raise SessionError("it can't be read")

    app = live(broken)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("colon", *"seek -5m", "enter")
        await until(lambda: "it can't be read" in text_of(app, "#status"))
        assert app.desk.replay is None


# -- two moments


async def test_what_differs_from_here_on_a_live_floor() -> None:
    app = still_app(settled())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("equals_sign")
        await pilot.pause()
        assert "nothing differs that a person would see" in screen_of(app)
        app.receive(replace(on_record(), number=99))
        await until(lambda: "in state" in screen_of(app) and " 0 differ" not in screen_of(app))
        await pilot.press("b")
        await pilot.pause()
        assert "nothing differs" in screen_of(app)
        await pilot.press("1")
        await pilot.pause()
        assert app.pages["compare"]._compared is None  # pyright: ignore[reportAttributeAccessIssue]
        await pilot.press("equals_sign", "question_mark", "escape")
        assert app.pages["compare"]._compared is not None  # pyright: ignore[reportAttributeAccessIssue]


async def test_a_moment_that_cant_be_read_is_compared_by_another_and_it_says_why() -> None:
    replay = HandReplay()
    replay.in_the_way = "the block at byte 4711 was altered"
    app = replayed(replay)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("colon", *"compare start end", "enter")
        await until(lambda: "another moment is shown" in screen_of(app) and "byte 4711" in screen_of(app))
        app.page.unsay()
        await pilot.pause()
        assert "byte 4711" in screen_of(app), "as long as these two are compared"
        await pilot.press("b")
        await pilot.pause()
        assert "byte 4711" not in screen_of(app)


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_an_approval_of_then_has_its_row_above_its_plan(size: tuple[int, int], held: HandReplay) -> None:
    app = replayed(held)
    async with app.run_test(size=size) as pilot:
        await pilot.press("8")
        await until(lambda: "as of then" in screen_of(app))
        page = app.page
        run = page.run.run  # pyright: ignore[reportAttributeAccessIssue]
        await until(lambda: run in screen_of(app))


async def test_rows_are_filtered_by_words_and_lead_to_their_node() -> None:
    replay = HandReplay()
    replay.at = lambda at: recorded(on_record() if at > START + 100 else settled(20))
    app = replayed(replay)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("colon", *"compare start end", "enter")
        await until(lambda: "BEFORE" in screen_of(app) and "differ" in screen_of(app))
        await pilot.press("slash", *"dgx-02 accelerator", "enter", "enter")
        await pilot.pause()
        assert app.page.slug == "node"
        assert app.desk.selected is not None and app.desk.selected.node == "dgx-02"
        assert isinstance(app.desk.selected, Subject) and app.desk.selected.scope is not Scope.JOB
