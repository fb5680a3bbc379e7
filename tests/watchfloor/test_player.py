"""Where a replay stands and goes: pace, pause, speeds, what people say of times, what they look for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from watchfloor.errors import ConfigError
from watchfloor.model import State
from watchfloor.session.chapters import Chapter, neighbour
from watchfloor.session.player import SPEEDS, Player, speed_of
from watchfloor.session.seeking import Jump, Stretch, time_of, wish_of

BEGIN = datetime(2026, 11, 28, 23, 50, tzinfo=UTC).timestamp()
STRETCH = Stretch(BEGIN, BEGIN + 1200, BEGIN + 300, UTC)  # from 23:50 to 00:10, at 23:55


def test_it_goes_on_at_its_speed() -> None:
    for speed in SPEEDS:
        assert Player(BEGIN, 7.0, speed).at(17.0) == BEGIN + 10 * speed


def test_paused_it_stays_and_goes_on_from_there() -> None:
    player = Player(BEGIN, 0.0, 4.0).halted(5.0)
    assert player.at(99.0) == BEGIN + 20
    assert player.halted(99.0, paused=False).at(100.0) == BEGIN + 24


def test_another_speed_begins_where_it_stands() -> None:
    player = Player(BEGIN, 0.0).faster(2, 10.0)
    assert (player.speed, player.at(10.0), player.at(11.0)) == (4.0, BEGIN + 10, BEGIN + 14)
    assert player.faster(99, 10.0).speed == 64
    assert player.faster(-99, 10.0).speed == 0.25


def test_speeds_that_there_are() -> None:
    assert [speed_of(text) for text in ("0.25", "4x", 64.0)] == [0.25, 4.0, 64.0]
    for wrong in ("3", "fast", "", "0", "-1", "nan"):
        with pytest.raises(ConfigError, match="is no speed"):
            speed_of(wrong)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("23:51", 60), ("23:51:30", 90), ("00:05", 900), ("23:51:30.5", 90.5), ("2026-11-29T00:01", 660),
        ("2026-11-28 23:50:10", 10), ("+5m", 600), ("-30s", 270), ("start", 0), ("end", 1200),
        ("+2h", 1200), ("-2h", 0), ("12:00", 0),
    ],
)  # fmt: skip
def test_times_as_people_say_them(text: str, seconds: float) -> None:
    assert time_of(text, STRETCH) - BEGIN == pytest.approx(seconds)


def test_a_time_is_of_the_clock_on_the_wall() -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    assert time_of("05:25", Stretch(BEGIN, BEGIN + 1200, BEGIN, east)) == BEGIN + 300


@pytest.mark.parametrize("text", ["", "25:00", "23:61", "soon", "+5", "+5GB", "-", "2026-13-01"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        wish_of(text, STRETCH)
    assert "14:03:20" in caught.value.advice


def test_kinds_of_things_are_looked_for_both_ways() -> None:
    assert wish_of("event", STRETCH) == Jump("event")
    assert wish_of("-finding xid", STRETCH) == Jump("finding", "xid", forth=False)


CHAPTERS = [
    Chapter(1.0, "event", "dgx-01: XID 31"),
    Chapter(2.0, "finding", "xid-fatal: gpu3 had XID 79", State.CRITICAL),
    Chapter(3.0, "ledger", "proposed: drain", facts={"run": "r1", "entry": "12"}),
    Chapter(4.0, "event", "dgx-02: XID 79"),
]


def test_the_next_and_the_last_of_a_kind() -> None:
    def found(at: float, forth: bool, kind: str = "", words: str = "") -> float | None:
        chapter = neighbour(CHAPTERS, at, forth, kind, words)
        return chapter.at if chapter else None

    assert found(1.0, True) == 2.0
    assert found(1.0, False) is None
    assert found(3.5, False) == 3.0
    assert found(1.0, True, "event") == 4.0
    assert found(9.0, False, "mark") == found(0.0, True, "run") == found(0.0, True, "ledger", "12") == 3.0
    assert found(0.0, True, "event", "xid 79") == 4.0
    assert found(0.0, True, "gap") is None
