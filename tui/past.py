"""What the keys of time do: on a session that is replayed, and on a live floor, whose recent past they open.

Must not do: draw, or read a session: a ports.Replay does that, in a thread of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.binding import Binding, BindingType

from tui.base import Desk
from tui.commands import Command
from tui.present.style import Token
from watchfloor.errors import ConfigError, WatchfloorError
from watchfloor.session.chapters import KINDS, neighbour
from watchfloor.session.player import SPEEDS, speed_of
from watchfloor.session.seeking import Jump, Stretch, wish_of

if TYPE_CHECKING:
    from tui.app import WatchfloorApp
    from watchfloor.frame import Frame
    from watchfloor.ports import Replay

MOVE_SECONDS = 10.0
NOT_RECORDED = "this console doesn't record: start it with --record, and [ leads back in time"
TIME_KEYS: list[BindingType] = [
    Binding("left_square_bracket", "time('back')", "10 s back in time (live: with --record)"),
    Binding("right_square_bracket", "time('forth')", "10 s forth in time"),
    Binding("comma", "time('step_back')", "the past: one moment back"),
    Binding("full_stop", "time('step')", "the past: one moment forth"),
    Binding("left_curly_bracket", "time('last')", "the past: last mark, event or finding"),
    Binding("right_curly_bracket", "time('next')", "the past: next mark, event or finding"),
    Binding("less_than_sign", "time('slower')", "the past: slower"),
    Binding("greater_than_sign", "time('faster')", "the past: faster"),
    # before the tables, which mark by it: what is past isn't acted upon
    Binding("space", "time('pause')", "the past: stand still, or go on", priority=True),
]


class Past:
    """`desk.replay` is what is shown; of a live floor it is opened by the first key, and closed by Esc."""

    def __init__(self, app: WatchfloorApp, desk: Desk) -> None:
        self._app, self._desk = app, desk
        self._live: Frame | None = None  # the newest of the floor, while its past is shown
        self._opening = False
        self._told = ""

    def shows(self, frame: Frame) -> bool:
        """Whether this is of what is looked at; a live one is kept until somebody returns to it."""
        if frame.replay == (self._desk.replay is not None):
            return True
        if not frame.replay:
            self._live = frame
        return False

    def trouble(self) -> str:
        """What of the session can't be shown, once; else ""."""
        replay = self._desk.replay
        died = replay.trouble() if replay is not None else ""
        told = f"the replay ended: {died}" if died else replay.standing.trouble if replay is not None else ""
        news, self._told = told if told != self._told else "", told
        return news

    # -- keys

    def press(self, key: str) -> None:
        replay = self._desk.replay
        if replay is not None:
            self._steer(replay, key)
        elif key == "back":
            self._open(lambda opened: opened.move(-MOVE_SECONDS))
        else:
            self._app.page.say("this is now: [ leads back in time", Token.DIM)

    def _steer(self, replay: Replay, key: str) -> None:
        match key:
            case "back" | "forth":
                replay.move(MOVE_SECONDS if key == "forth" else -MOVE_SECONDS)
            case "step" | "step_back":
                replay.step(key == "step")
            case "next" | "last":
                self._jump(replay, Jump("", forth=key == "next"))
            case "slower" | "faster":
                replay.faster(1 if key == "faster" else -1)
            case "pause":
                replay.pause(not replay.standing.paused)

    def _jump(self, replay: Replay, wish: Jump) -> None:
        standing = replay.standing
        if neighbour(standing.chapters, standing.at, wish.forth, wish.kind, wish.words) is None:
            words = f" with {wish.words!r}" if wish.words else ""
            more = "; older ones are still being looked for" if standing.searching else ""
            what = wish.kind or "mark"
            self._app.page.say(f"no {what}{words} {'after' if wish.forth else 'before'} this{more}", Token.DIM)
        else:
            self._app.page.unsay()
            replay.jump(wish)

    # -- the past of a live floor

    def show_again(self, file: Path) -> None:
        """A recording, from its beginning, in the place of the live floor."""
        replays = self._desk.options.replays
        if replays is None:
            self._app.page.say(f"watchfloor replay {file.name}", Token.ACCENT)
        else:
            self._begin(lambda: replays(file), lambda _: None, file.name)

    def _open(self, then: Callable[[Replay], None]) -> None:
        if self._desk.options.past is None:
            self._app.page.say(NOT_RECORDED, Token.WARNING)
        else:
            self._begin(self._desk.options.past, then, "")

    def _begin(self, past: Callable[[], Replay], then: Callable[[Replay], None], name: str) -> None:
        if not self._opening:
            self._opening = True
            self._app.run_worker(self._opened(past, then, name), name="past")

    async def _opened(self, past: Callable[[], Replay], then: Callable[[Replay], None], name: str) -> None:
        try:
            replay = await asyncio.to_thread(past)
        except WatchfloorError as error:
            self._app.page.say(str(error), Token.WARNING)
            return
        finally:
            self._opening = False
        self._live, self._desk.replay, self._desk.session = self._desk.frame, replay, name
        self._desk.ledger = None
        self._app.set_class(True, "past")
        then(replay)
        replay.start(self._app.receive)

    def leave(self) -> None:
        """Back to now."""
        replay, self._desk.replay, self._desk.session = self._desk.replay, None, ""
        self._desk.ledger = None
        self._app.set_class(False, "past")
        if self._live is not None:
            self._app.show_frame(self._live)
        self._live = None
        if replay is not None:
            self._app.run_worker(asyncio.to_thread(replay.stop), name="past")

    # -- commands

    def commands(self) -> Sequence[Command]:
        return [
            Command("seek", "to a time, a step, or the next of a kind", self._seek, lambda: KINDS, "14:03|+5m|event"),
            Command("speed", "how fast the past goes on", self._speed, lambda: [f"{one:g}" for one in SPEEDS], "N"),
            Command("pause", "the past: stand still, or go on", lambda _: self.press("pause")),
        ]

    def _seek(self, text: str) -> None:
        """Raises ConfigError."""
        replay = self._desk.replay
        if replay is not None:
            self._go(replay, text)
        elif self._desk.options.past is None:
            raise ConfigError("this console doesn't record", "start it with --record")
        else:
            self._open(lambda opened: self._go_or_say(opened, text))

    def _go_or_say(self, replay: Replay, text: str) -> None:
        try:
            self._go(replay, text)
        except ConfigError as error:
            self._app.page.say(str(error), Token.WARNING)

    def _go(self, replay: Replay, text: str) -> None:
        standing = replay.standing
        wish = wish_of(text, Stretch(standing.begin, standing.end, standing.at, self._desk.zone))
        if isinstance(wish, Jump):
            self._jump(replay, wish)
        else:
            self._app.page.unsay()
            replay.seek(wish)

    def _speed(self, text: str) -> None:
        """Raises ConfigError."""
        speed = speed_of(text)
        if self._desk.replay is None:
            raise ConfigError("this is now", "[ leads back in time")
        self._desk.replay.at_speed(speed)
