"""The sessions page: which recordings there are, whether they are what was sealed, one of them shown again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from tests.support.feeds import HandFeed, still_app
from tests.support.frames import settled
from tests.support.ledgerpages import LEDGER, SIZES, rows_shown
from tests.support.patience import until
from tests.support.replays import HandReplay
from tests.support.runstory import CRON
from tests.support.screens import screen_of, text_of
from tests.support.sessions import Floor
from tests.watchfloor.test_partitions import fleet_of_partitions
from tui.app import WatchfloorApp
from watchfloor import checks
from watchfloor.ledgerfollower import LedgerFollower
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note
from watchfloor.records.ledgerwords import Recording
from watchfloor.replayfeed import ReplayFeed
from watchfloor.session.told import told
from watchfloor.session.writer import Head, Mark, SessionWriter

FOLDER = Path("sessions")  # relative: its name is in the pictures
FACTS = {
    "watchfloor": "0.1.0",
    "mode": "terminal",
    "who": "anna",
    "command line": "/usr/bin/watchfloor --record n[1-9]",
}
SEALED, TORN, BROKEN = (
    f"2027011{day}T080000Z-{mode}-7.session" for day, mode in ((4, "terminal"), (5, "watch"), (6, "run"))
)
OTHER = "20261201T080000Z-terminal-9.session"
PAGES = (*"23456", "equals_sign")  # of the fleet


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One that was sealed and that the ledger knows, one that was torn off, one that is none."""
    monkeypatch.chdir(tmp_path)
    digest, size = _recorded(FOLDER / SEALED, FACTS, 3)
    with Ledger(LEDGER) as ledger:
        ledger.append(Note(CRON, Recording(file=SEALED, size=size, sha256=digest)))
    _recorded(FOLDER / TORN, {**FACTS, "mode": "watch", "who": "cron", "command line": "watchfloor watch"}, 2)
    (FOLDER / TORN).write_bytes((FOLDER / TORN).read_bytes()[:-80])
    (FOLDER / BROKEN).write_bytes(b"no session")
    yield FOLDER


def _recorded(path: Path, facts: dict[str, str], seconds: int) -> tuple[str, int]:
    floor = Floor()
    writer = SessionWriter(path, Head(floor.now, floor.head().specs, facts))
    for _ in range(seconds):
        writer.frame(floor.step())
    writer.mark(Mark(floor.now, "ledger", "proposed: drain dgx-02"))
    return writer.end(), writer.size_bytes


def app_over(folder: Path) -> WatchfloorApp:
    options = {"ledger": LedgerFollower(LEDGER), "zone": UTC, "sessions": folder}
    return still_app(settled(), **options, replays=lambda file: ReplayFeed(file, paused=True))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture(
    size: tuple[int, int], folder: Path, snap_compare: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of files whose sizes are the test's: how small one gets is the compressor's affair."""
    sizes = {SEALED: 1_450_000, TORN: 48_400, BROKEN: 10}
    monkeypatch.setattr(
        "watchfloor.session.told.told",
        lambda path, with_digest: replace(told(path, with_digest), size_bytes=sizes[path.name]),
    )
    assert snap_compare(app_over(folder), press=["at", "end"], terminal_size=size)


async def test_one_is_found_verified_and_shown_again_and_escape_returns_to_now(folder: Path) -> None:
    app = app_over(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("at")
        await until(lambda: rows_shown(app, "sessions") == [BROKEN, TORN, SEALED])
        assert "torn" in screen_of(app) and "unreadable" in screen_of(app)
        await pilot.press("slash", *"sealed anna", "enter")
        assert rows_shown(app, "sessions") == [SEALED]
        await pilot.press("v")
        await until(lambda: "intact, and the ledger has its digest" in text_of(app, "#detail"))
        live = app.desk.frame
        await pilot.press("enter")
        await until(lambda: app.desk.frame is not None and app.desk.frame.replay)
        assert SEALED in text_of(app, "#header") and "REPLAY" in text_of(app, "#header")
        await pilot.press("1", "escape")
        await until(lambda: app.desk.replay is None)
        assert app.desk.frame is live and SEALED not in text_of(app, "#header")


async def test_a_session_of_another_fleet_is_shown_on_every_page_and_so_is_the_floor_after_it(folder: Path) -> None:
    fleet = fleet_of_partitions()
    writer = SessionWriter(FOLDER / OTHER, Head(1000.0, list(fleet.specs), FACTS))
    for at in (1000.0, 1001.0):
        frame = replace(fleet.frame(), at=at)
        writer.frame(frame.with_findings(checks.run(frame)))
    writer.end()
    app = app_over(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: app.desk.frame is not None)
        await pilot.press("end", "space", *PAGES, "b")  # the last row and a mark of a fleet that is larger
        await pilot.press("at", "slash", *"20261201", "enter")
        await until(lambda: rows_shown(app, "sessions") == [OTHER])
        await pilot.press("enter")
        await until(lambda: app.desk.frame is not None and app.desk.frame.replay)
        await pilot.press(*PAGES, "1")
        assert "nodes 1/1" in text_of(app, "#header")
        await pilot.press("end", "enter", "escape")
        await until(lambda: app.desk.replay is None)
        await pilot.press(*PAGES, "1")
        assert "nodes 11/13" in text_of(app, "#header")


async def test_what_cant_be_shown_says_why_and_a_replay_tells_the_command(folder: Path) -> None:
    app = app_over(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("at")
        await until(lambda: len(rows_shown(app, "sessions")) == 3)
        await pilot.press("enter")
        await until(lambda: "is no session of this watchfloor" in text_of(app, "#status"))
    replay = HandReplay()
    shown = still_app(settled(), sessions=folder, replay=replay)
    async with shown.run_test(size=(120, 40)) as pilot:
        await pilot.press("at")
        await until(lambda: len(rows_shown(shown, "sessions")) == 3)
        await pilot.press("enter")
        assert f"watchfloor replay {BROKEN}" in text_of(shown, "#status")
    assert isinstance(app.feed, HandFeed)
