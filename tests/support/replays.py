"""Replays for tests of the terminal: a session that stands where the test puts it, and notes what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.support.feeds import HandFeed
from tests.support.frames import START
from tests.support.onrecord import on_record
from watchfloor.frame import Frame
from watchfloor.ledgerfollower import Followed
from watchfloor.model import State
from watchfloor.session.chapters import Chapter
from watchfloor.session.player import Standing
from watchfloor.session.seeking import Jump

STORY: Sequence[Chapter] = (
    Chapter(START + 10, "session", "terminal opened"),
    Chapter(START + 120, "event", "dgx-02: XID 31"),
    Chapter(START + 200, "finding", "temp-margin: gpu5 of dgx-01 is 3 °C below", State.WARNING),
    Chapter(START + 260, "finding", "xid-fatal: gpu3 of dgx-02 had XID 79", State.CRITICAL),
    Chapter(START + 400, "ledger", "proposed: drain dgx-02", facts={"run": "r1", "entry": "12"}),
    Chapter(START + 480, "gap", "3 frames before this are left out"),
)


def recorded(frame: Frame) -> Frame:
    """The frame as a replay shows it."""
    return replace(frame, replay=True, number=-1)


class HandReplay(HandFeed):
    """Implements ports.Replay."""

    def __init__(self, first: Frame | None = None, at: float = START + 300, **told: object) -> None:
        super().__init__(recorded(first if first is not None else on_record()))
        self.asked: list[object] = []
        self.in_the_way = ""  # of a moment that is asked for
        standing = Standing(START, START + 600, at, 1.0, False, STORY)
        self.standing = replace(standing, **told)  # pyright: ignore[reportArgumentType]
        self.ledger: Followed | None = None
        self.at: Callable[[float], Frame] = lambda at: recorded(on_record())

    def pause(self, paused: bool) -> None:
        self.asked.append(("pause", paused))
        self.standing = replace(self.standing, paused=paused)

    def faster(self, steps: int) -> None:
        self.asked.append(("faster", steps))

    def at_speed(self, speed: float) -> None:
        self.asked.append(("speed", speed))

    def seek(self, at: float) -> None:
        self.asked.append(("seek", at - START))

    def move(self, seconds: float) -> None:
        self.asked.append(("move", seconds))

    def step(self, forth: bool) -> None:
        self.asked.append(("step", forth))

    def jump(self, wish: Jump) -> None:
        self.asked.append(wish)

    def frame_at(self, at: float) -> tuple[Frame, str]:
        return self.at(at), self.in_the_way
