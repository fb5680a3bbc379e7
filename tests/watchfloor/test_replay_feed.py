"""A recorded session shown again: at any pace, forth and back, charts and counters too, torn and altered files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.sessions import KEY_SECONDS, Floor, differences
from watchfloor.errors import ConfigError, SessionError
from watchfloor.frame import Frame
from watchfloor.model import Scope
from watchfloor.records import ledgerentry
from watchfloor.records.ledgerentry import Note, Party, Who
from watchfloor.records.ledgerwords import Stop
from watchfloor.replayfeed import ReplayFeed, past_of
from watchfloor.session.player import SPEEDS
from watchfloor.session.reader import Session
from watchfloor.session.seeking import Jump
from watchfloor.session.tape import LEDGER, MARK, TapeReader
from watchfloor.session.writer import Mark, SessionWriter

SECONDS = int(KEY_SECONDS) + 15
MARKED = {20: "proposed: drain dgx-02", 64: "outcome: succeeded"}
Told = tuple[Path, list[Frame]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    path = tmp_path_factory.mktemp("replay") / "morning.session"
    return path, Floor().recorded(path, SECONDS, MARKED)


class Watched:
    """A feed without its thread: `turn` is called by the test, the clock is the test's."""

    def __init__(self, path: Path, **begin: float) -> None:
        self.now, self.frames = 100.0, list[Frame]()
        self.feed = ReplayFeed(path, clock=lambda: self.now, **begin)  # pyright: ignore[reportArgumentType]
        self.feed._on_frame = self.frames.append
        self.feed.turn()

    def after(self, seconds: float) -> Frame:
        """The frame that is shown so much later."""
        self.now += seconds
        self.feed.turn()
        return self.frames[-1]


def same(recorded: Frame, shown: Frame) -> bool:
    """Value by value, reasons included; frames of a replay have numbers of their own."""
    return differences(recorded, shown) == ["number"] and shown.replay


def test_it_shows_what_was_at_the_pace_at_which_it_was(told: Told) -> None:
    path, frames = told
    watched = Watched(path)
    assert same(frames[0], watched.frames[-1])
    for second in (1, 2, 3):
        assert same(frames[second], watched.after(1.0))


@pytest.mark.parametrize("speed", SPEEDS)
def test_it_goes_as_fast_as_it_is_told(told: Told, speed: float) -> None:
    path, frames = told
    watched = Watched(path, speed=speed)
    at_first = len(watched.frames)
    for _ in range(10):
        watched.after(0.1)
    assert watched.frames[-1].at == frames[int(speed)].at
    assert len(watched.frames) - at_first <= 10


def test_paused_nothing_moves_and_steps_lead_forth_and_back(told: Told) -> None:
    path, frames = told
    watched = Watched(path)
    watched.after(5.0)
    watched.feed.pause(True)
    watched.after(0.0)
    assert same(frames[5], watched.after(30.0))
    watched.feed.step(forth=True)
    assert same(frames[6], watched.after(1.0))
    watched.feed.step(forth=False)
    watched.feed.step(forth=False)
    assert same(frames[4], watched.after(1.0))
    watched.feed.pause(False)
    watched.after(0.0)
    assert same(frames[7], watched.after(3.0))


def test_any_moment_is_sought_both_ways(told: Told) -> None:
    path, frames = told
    watched = Watched(path)
    watched.feed.pause(True)
    for second in (70, 3, 61, 59, 60, 0, 74, 12, 22):
        watched.feed.seek(frames[second].at + 0.4)
        assert same(frames[second], watched.after(0.0))
    watched.feed.move(-10)
    assert same(frames[12], watched.after(0.0))
    watched.feed.seek(0.0)
    assert same(frames[0], watched.after(0.0))


def test_charts_and_counters_of_any_moment_are_those_of_the_floor_then(told: Told) -> None:
    path, frames = told
    watched = Watched(path, at=frames[70].at)
    watched.feed.turn()
    live, shown = Session(path).reel(frames[70].at, 3600.0).frame(), watched.frames[-1]
    assert watched.feed.standing.whole
    for row in range(0, live.accelerators.count, 9):
        one, other = (frame.history.minute(Scope.ACCELERATOR, "power", row).mean for frame in (live, shown))
        assert np.array_equal(one, other, equal_nan=True)
    assert live.counters.grown(Scope.LINK, "errors", 0.0) == shown.counters.grown(Scope.LINK, "errors", 0.0)


def test_what_is_shown_at_once_is_replaced_by_what_was_gathered_behind_it(told: Told) -> None:
    watched = Watched(told[0], at=told[1][70].at)
    first, last = watched.frames[0], watched.frames[-1]
    assert first.at == last.at and first.number != last.number
    charts = [frame.history.minute(Scope.ACCELERATOR, "util", 0).mean for frame in (first, last)]
    assert [len(chart) for chart in charts] == [0, 60]


def test_it_leads_to_what_somebody_looks_for(told: Told) -> None:
    path, frames = told
    watched = Watched(path)
    for wish, second in (
        (Jump("mark"), 20), (Jump("run"), 64), (Jump("run", forth=False), 20), (Jump("ledger", "succeeded"), 64),
        (Jump("finding", "xid-fatal", forth=False), 25), (Jump("event"), 32), (Jump("event", forth=False), 21),
    ):  # fmt: skip
        watched.feed.jump(wish)
        assert watched.after(0.0).at == frames[second].at, wish
    assert any(finding.code == "xid-fatal" for finding in frames[25].findings)
    before = watched.frames[-1].at
    watched.feed.jump(Jump("gap"))
    assert watched.after(0.0).at == before


def test_back_it_leads_to_the_beginning_and_each_time_to_another_moment(tmp_path: Path) -> None:
    floor = Floor()
    writer = SessionWriter(tmp_path / "s", floor.head())
    first = floor.step()
    writer.mark(Mark(first.at, "session", "recording begins"))
    writer.frame(first)
    for second in range(1, 9):
        for part in (0.2, 0.4, 0.6) if second in (3, 6) else ():
            writer.mark(Mark(floor.now + part, "ledger", f"intent {second}", {"run": "r1"}))
        writer.frame(floor.step())
    writer.end()
    watched = Watched(tmp_path / "s", at=first.at + 8)
    for wish, second in (("mark", 6), ("mark", 3), ("session", 0)):
        watched.feed.jump(Jump(wish, forth=False))
        assert watched.after(0.0).at == first.at + second
    for words in ("intent 6", "intent 6"):
        watched.feed.jump(Jump("mark", words))
        assert watched.after(0.0).at == first.at + 6


def test_there_is_an_end_at_which_it_stays(told: Told) -> None:
    path, frames = told
    watched = Watched(path, at=frames[-3].at)
    assert same(frames[-1], watched.after(100.0))
    assert watched.feed.standing.at == watched.feed.standing.end
    watched.feed.seek(frames[1].at)
    assert same(frames[2], [watched.after(0.0), watched.after(1.0)][-1])


def test_a_session_that_grows_goes_on(tmp_path: Path) -> None:
    floor = Floor()
    writer = SessionWriter(tmp_path / "s", floor.head())
    writer.frame(floor.step())
    watched = Watched(tmp_path / "s")
    for _ in range(5):
        writer.frame(frame := floor.step())
        watched.after(1.0)
        assert same(frame, watched.after(1.0))
    assert watched.feed.standing.trouble == ""
    writer.close()
    assert "has no end" in ReplayFeed(tmp_path / "s").standing.trouble


def test_the_past_of_a_console_that_records_stands_at_its_end(told: Told, tmp_path: Path) -> None:
    feed = past_of(lambda: told[0])()
    assert (feed.standing.at, feed.standing.paused) == (told[1][-1].at, True)
    with pytest.raises(ConfigError, match="nothing is recorded yet"):
        past_of(lambda: None)()


def test_a_torn_file_plays_to_where_it_is_whole(told: Told, tmp_path: Path) -> None:
    path, frames = told
    data = path.read_bytes()
    (tmp_path / "s").write_bytes(data[: len(data) * 2 // 3])
    watched = Watched(tmp_path / "s", at=float("inf"))
    shown = watched.after(1.0)
    assert same(next(frame for frame in frames if frame.at == shown.at), shown)
    assert "was killed, or could write no more" in watched.feed.standing.trouble


@pytest.mark.parametrize("kind", [MARK, LEDGER])
def test_of_altered_marks_and_entries_the_others_are_there_and_the_place_is_told(tmp_path: Path, kind: bytes) -> None:
    floor, path = Floor(), tmp_path / "s"
    writer = SessionWriter(path, floor.head())
    for second in range(3):
        writer.frame(floor.step())
        writer.mark(Mark(floor.now, "run", f"run {second}"))
        note = Note(Who(Party.PERSON, "anna"), Stop(reason="storm"))
        told = ledgerentry.told(note, (int(floor.now) - 1) * 10**9, "host")
        writer.entries(floor.now, [(second + 1, ledgerentry.placed(told, second + 1, ""))])
    writer.end()
    block = [block for block, _ in TapeReader(path).walk() if block.kind == kind][1]
    data = bytearray(path.read_bytes())
    data[block.body + 5] ^= 1
    path.write_bytes(data)
    watched = Watched(path, at=float("inf"))
    marks = [chapter.text for chapter in watched.feed.standing.chapters if chapter.kind == "run"]
    assert marks == (["run 0", "run 2"] if kind == MARK else ["run 0", "run 1", "run 2"])
    assert watched.feed.ledger.look().size == (3 if kind == MARK else 2)
    assert f"byte {block.start} was altered" in watched.feed.standing.trouble


def with_altered(path: Path, frame: Frame, copy: Path) -> Path:
    """A copy, with one other byte in what is told of this moment."""
    data = bytearray(path.read_bytes())
    block = next(block for block, _ in TapeReader(path).walk() if block.at == frame.at)
    data[block.body + block.length // 2] ^= 1
    copy.write_bytes(data)
    return copy


@pytest.fixture
def altered(told: Told, tmp_path: Path) -> Path:
    return with_altered(told[0], told[1][20], tmp_path / "s")


def test_what_was_altered_is_told_and_passed_over(told: Told, altered: Path) -> None:
    frames = told[1]
    watched = Watched(altered, at=frames[18].at)
    assert same(frames[19], watched.after(1.0))
    assert same(frames[30], watched.after(1.0))  # told by what changed since the key, too
    assert "was altered" in watched.feed.standing.trouble
    watched.feed.seek(frames[25].at)
    assert same(frames[19], watched.after(0.0))
    watched.feed.seek(frames[40].at)
    assert same(frames[40], watched.after(0.0))


def test_a_moment_that_cant_be_read_is_answered_by_the_nearest_and_why(told: Told, altered: Path) -> None:
    frame, why = ReplayFeed(altered).frame_at(told[1][25].at)
    assert differences(told[1][19], frame) == [] and "was altered" in why
    frame, why = ReplayFeed(altered).frame_at(told[1][40].at)
    assert differences(told[1][40], frame) == [] and why == ""


def test_where_nothing_whole_follows_it_stays_at_what_was(told: Told, tmp_path: Path) -> None:
    path, frames = told
    watched = Watched(with_altered(path, frames[60], tmp_path / "s"), at=frames[58].at)
    for _ in range(3):
        assert same(frames[59], watched.after(9.0))
    assert watched.feed.standing.paused and "was altered" in watched.feed.standing.trouble
    watched.feed.seek(frames[70].at)
    assert same(frames[59], watched.after(0.0))


def test_a_seal_that_is_broken_is_told_wherever_it_is(told: Told, altered: Path) -> None:
    feed = ReplayFeed(altered)
    feed._check()
    assert "not those that were sealed" in feed._trouble
    whole = ReplayFeed(told[0])
    whole._check()
    assert whole._trouble == ""


def test_a_session_without_a_moment_is_refused(tmp_path: Path) -> None:
    SessionWriter(tmp_path / "s", Floor().head()).end()
    with pytest.raises(SessionError, match="holds no moment"):
        ReplayFeed(tmp_path / "s")


def test_its_thread_shows_and_ends(told: Told) -> None:
    feed, frames = ReplayFeed(told[0], speed=64.0), list[Frame]()
    feed.start(frames.append)
    feed.stop()
    assert feed.trouble() == ""


class Tired:
    """A clock that moves on whenever it is asked: a machine that is too slow for a whole way in one turn."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.15
        return self.now


def test_a_slow_machine_comes_to_where_it_was_sent_later(told: Told) -> None:
    path, frames = told
    feed, shown = ReplayFeed(path, paused=True, clock=Tired()), list[Frame]()
    feed._on_frame = shown.append
    feed.turn()
    feed.jump(Jump("run"))
    while not shown or shown[-1].at < frames[20].at:
        before = feed.standing.at
        feed.turn()
        assert feed.standing.at == frames[20].at, before
    assert same(frames[20], shown[-1])
    feed.step(forth=True)
    feed.turn()
    assert feed.standing.at == frames[21].at
