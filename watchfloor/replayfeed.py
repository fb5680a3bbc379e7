"""The feed of a replay: frames of a session, at the pace that a person chooses, in a thread of its own.

A seek shows the bare moment at once. What charts and counters tell of the time before is gathered behind it and put in
its place. What of a file can't be read is told, and what is whole is shown.

Must not do: decide where to go (watchfloor.session.player, seeking, chapters).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from watchfloor.errors import ConfigError, SessionError
from watchfloor.frame import Frame
from watchfloor.model import Subject
from watchfloor.session.chapters import Chapter, neighbour
from watchfloor.session.contents import Contents
from watchfloor.session.folder import is_written
from watchfloor.session.heldledger import HeldLedger
from watchfloor.session.moment import Moment
from watchfloor.session.player import Player, Standing
from watchfloor.session.reader import Session
from watchfloor.session.reel import Reel
from watchfloor.session.salvage import nearest, stops_after
from watchfloor.session.seeking import Jump

log = logging.getLogger(__name__)

DEPTHS = (120.0, 3600.0)  # seconds of the time before: what charts of a minute need first, then all of it
_TURN_SECONDS = 0.1  # ten frames a second at most
_BEHIND_SECONDS = 0.03  # between two turns while something is gathered behind what is shown, and in each of them
_NEAR_SECONDS = 30.0  # what is further ahead is reached by a seek
_MOST_SECONDS = 0.2  # of work in a turn: beyond it a replay is as fast as the machine
_MOMENT = 1e-6  # seconds: less than what lies between two
_OLDER_STOPS = 4  # read in one turn, in search of chapters


class ReplayFeed:
    """Implements ports.Replay. `turn` and what begins with an underscore belong to its thread."""

    def __init__(
        self,
        path: Path,
        at: float | None = None,
        speed: float = 1.0,
        paused: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins at its first moment where no time is given. Raises SessionError where the file is no session."""
        self.path, self._clock = path, clock
        self._session = session = Session(path)
        if not session.keys:
            raise SessionError(f"{path} holds no moment", "it was ended before the first frame")
        begin = session.begin if at is None else min(max(at, session.begin), session.end)
        self._player = Player(begin, clock(), speed, paused)
        self._contents = Contents(session)
        self._reel: Reel | None = None
        self._behind: Iterator[Moment] | None = None  # what has still to run behind what is shown
        self._deeper: Reel | None = None
        self._depth = 0
        self._shown: tuple[Reel | None, float] = (None, 0.0)
        self._arrived = True  # it shows where it stands, or is on its way there
        self._sought = begin  # where somebody wants it to be: that stays, however long the way takes
        self._due = 0.0  # when the moment after the one that is shown is
        self._landed = (0.0, 0.0)  # where a jump led, and the time of the chapter that it was for
        self._frames = 0
        torn = not session.has_end and not is_written(path)
        why = "has no end: its writer was killed, or could write no more; what there is is shown"
        self._trouble = f"{path.name} {why}" if torn else ""
        self._altered = 0  # places of which it told
        self._wishes: list[Callable[[], None]] = []
        self._ready = threading.Condition()
        self._over = False
        self._died = ""
        self._thread: threading.Thread | None = None
        self._standing = Standing(session.begin, session.end, begin, speed, paused, trouble=self._trouble)
        self.ledger = HeldLedger(path, lambda: self._standing.at)
        self._entries = 0  # blocks of the ledger's that it has
        self._on_frame: Callable[[Frame], None] = lambda frame: None

    # -- ports.Feed

    def start(self, on_frame: Callable[[Frame], None]) -> None:
        self._on_frame = on_frame
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
        self._thread.start()
        threading.Thread(target=self._check, name="seal", daemon=True).start()

    def reconnect(self, node: int) -> None:
        """Nobody is there."""

    def acknowledge(self, subject: Subject, code: str, note: str | None) -> None:
        """What was, stays."""

    def clear(self, subject: Subject, code: str) -> None:
        """What was, stays."""

    def trouble(self) -> str:
        return self._died

    def stop(self) -> None:
        with self._ready:
            self._over = True
            self._ready.notify()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._session.close()
        self.ledger.close()

    # -- ports.Replay: from any thread

    @property
    def standing(self) -> Standing:
        return self._standing

    def frame_at(self, at: float) -> tuple[Frame, str]:
        session = Session(self.path)
        with closing(session):
            reel, trouble = nearest(session, at)
            return reel.frame(), trouble

    def pause(self, paused: bool) -> None:
        self._wish(lambda: self._steer(self._player.halted(self._clock(), paused)))

    def faster(self, steps: int) -> None:
        self._wish(lambda: self._steer(self._player.faster(steps, self._clock())))

    def at_speed(self, speed: float) -> None:
        self._wish(lambda: self._steer(self._player.at_speed(speed, self._clock())))

    def seek(self, at: float) -> None:
        self._wish(lambda: self._place(at))

    def move(self, seconds: float) -> None:
        self._wish(lambda: self._place(self._player.at(self._clock()) + seconds))

    def step(self, forth: bool) -> None:
        self._wish(lambda: self._step(forth))

    def jump(self, wish: Jump) -> None:
        self._wish(lambda: self._jump(wish))

    def _wish(self, wish: Callable[[], None]) -> None:
        with self._ready:
            self._wishes.append(wish)
            self._ready.notify()

    # -- its thread

    def _run(self) -> None:
        try:
            while not self._over:
                wait = self.turn()
                with self._ready:
                    self._ready.wait_for(lambda: self._wishes or self._over, wait)
        except Exception as error:  # the thread's last word: the screen shows it, a log has the rest
            log.exception("the replay ended by itself")
            self._died = f"{type(error).__name__}: {error}"

    def turn(self) -> float:
        """What is due now; seconds until something is again."""
        with self._ready:
            wishes, self._wishes = self._wishes, []
        if self._session.refresh() or not self._frames:
            self._take_in()
        self._go_on()
        for wish in wishes:
            wish()
            self._go_on()
        self._show(bool(wishes))
        behind = self._gather()
        self._show(False)
        return _BEHIND_SECONDS if behind else _TURN_SECONDS

    def _take_in(self) -> None:
        """What the file has that it had not."""
        self._due = 0.0
        self._entries, rows = self._session.entries_from(self._entries)
        self.ledger.take(rows)
        try:
            self._contents.read_new()
        except SessionError as error:
            self._note(error.message)

    def _steer(self, player: Player) -> None:
        self._player = player

    def _place(self, at: float) -> None:
        session = self._session
        self._sought = min(max(at, session.begin), session.end)
        self._player = self._player.placed(self._sought, self._clock())

    def _step(self, forth: bool) -> None:
        """To the moment after the one that is shown, or before it, and stay there."""
        here = self._here()
        self._player = self._player.halted(self._clock())
        then = self._session.next_at(here) if forth else here - _MOMENT
        self._place(here if then is None else then)

    def _jump(self, wish: Jump) -> None:
        """To the first moment that knows of the chapter. Back, of all that one moment knows of no more than one is
        sought: the next one back leads to another."""
        here, shown = self._here(), None
        if not wish.forth and here == self._landed[0]:
            here, shown = self._landed[1], here
        chapter, knows = self._chapter(wish, here)
        while chapter is not None and knows == shown and not wish.words:
            chapter, knows = self._chapter(wish, chapter.at)
        if chapter is not None:
            self._place(knows)
            self._landed = self._sought, chapter.at

    def _chapter(self, wish: Jump, here: float) -> tuple[Chapter | None, float]:
        """The next one, or the last one, and the first moment that knows of it."""
        chapter = neighbour(self._contents.chapters, here, wish.forth, wish.kind, wish.words)
        knows = self._session.next_at(chapter.at - _MOMENT) if chapter is not None else None
        return chapter, self._session.end if knows is None else knows

    def _here(self) -> float:
        """The time of the moment that is shown, or of where it is on its way to."""
        return self._reel.at if self._reel is not None and self._arrived else self._sought

    # -- where the reel is

    def _go_on(self) -> None:
        now = self._clock()
        reel = self._at(min(self._player.at(now), self._session.end))
        if self._player.at(now) >= self._session.end:
            self._player = self._player.placed(self._session.end, now)
        elif reel.at > self._player.at(now):  # what lies between can't be read
            self._player = self._player.placed(reel.at, now)

    def _at(self, at: float) -> Reel:
        """The reel at the last moment up to `at`, or on its way there where the way takes too long."""
        if self._reel is None or not self._reel.at <= max(at, self._session.begin) <= self._reel.at + _NEAR_SECONDS:
            return self._reach(at)
        reel, end, self._arrived = self._reel, self._clock() + _MOST_SECONDS, True
        if at < self._due:
            return reel
        self._due = float("inf")
        try:
            for moment in self._session.after(reel.at):
                if moment.at > at:
                    self._due = moment.at
                    break
                reel.run(moment)
                if self._clock() > end:
                    self._arrived, self._due = reel.at >= self._sought, 0.0
                    if self._arrived:
                        self._player = self._player.placed(reel.at, self._clock())
                    break
        except SessionError as error:
            self._due = self._session.next_at(reel.at) or 0.0
            if self._due <= at:
                return self._beyond(error, reel)
        return reel

    def _reach(self, at: float) -> Reel:
        self._reel, trouble = nearest(self._session, at)
        self._note(trouble)
        self._behind, self._depth, self._arrived, self._due = None, 0, True, 0.0
        return self._reel

    def _beyond(self, error: SessionError, reel: Reel) -> Reel:
        """Past what can't be read, to the first stop that can; where there is none it stays."""
        self._note(error.message)
        for stop in stops_after(self._session, reel.at):
            if self._reach(stop).at > reel.at:
                return self._reel or reel
        self._player = self._player.placed(reel.at, self._clock()).halted(self._clock())
        return self._reel or reel

    # -- what is found behind it

    def _gather(self) -> bool:
        """A little of what lies before: whether there is more."""
        for _ in range(_OLDER_STOPS):
            self._contents.read_older()
        end = self._clock() + _BEHIND_SECONDS
        while self._depth < len(DEPTHS) and self._reel is not None:
            if self._behind is None:
                self._begin_behind(self._reel.at - DEPTHS[self._depth])
            if not self._ran_behind(self._reel.at, end):
                return True
        return self._contents.searching

    def _begin_behind(self, since: float) -> None:
        self._deeper = Reel(self._session.head.specs)
        self._behind = self._session.moments(since, float("inf"))

    def _ran_behind(self, until: float, end: float) -> bool:
        """Run the deeper reel; once it has come as far as what is shown, it takes its place."""
        reel, behind = self._deeper, self._behind
        assert reel is not None and behind is not None, "both are begun together"
        try:
            while reel.at < until:
                moment = next(behind, None)
                if moment is None:
                    self._behind = self._session.after(reel.at)
                    return False
                reel.run(moment)
                if self._clock() > end:
                    return False
        except SessionError as error:  # charts begin behind it
            self._note(error.message)
            self._deeper, self._behind, self._depth = None, None, len(DEPTHS)
            return True
        self._reel, self._deeper, self._behind, self._due = reel, None, None, 0.0
        reaches = until - DEPTHS[self._depth] <= self._session.begin
        self._depth = len(DEPTHS) if reaches else self._depth + 1
        return True

    def _check(self) -> None:
        """In a thread of its own: all bytes are read. What was altered may lie where nobody looks."""
        try:
            if self._session.has_end and not self._session.sealed():
                self._note(f"{self.path.name} was altered: its bytes are not those that were sealed")
        except (SessionError, OSError, ValueError):  # it is closed by now, or is told of where it is to be shown
            return

    # -- what is told

    def _show(self, anew: bool) -> None:
        session, player, reel = self._session, self._player, self._reel
        at, whole = player.at(self._clock()), self._depth >= len(DEPTHS)
        altered = session.troubles
        if len(altered) > self._altered:
            self._altered = len(altered)
            self._note(altered[-1])
        chapters, searching = self._contents.chapters, self._contents.searching
        self._standing = Standing(
            session.begin, session.end, at, player.speed, player.paused, chapters, self._trouble, searching, whole
        )
        if reel is None or (not anew and self._shown == (reel, reel.at)):
            return
        self._shown = reel, reel.at
        self._frames += 1
        # numbers of its own, so that nobody takes a frame for one of the floor that goes on
        self._on_frame(replace(reel.frame(), number=-self._frames))

    def _note(self, trouble: str) -> None:
        self._trouble = trouble or self._trouble


def past_of(path: Callable[[], Path | None]) -> Callable[[], ReplayFeed]:
    """The recent past of a console that records in this file; what is made of it stands still at its end.

    Raises ConfigError where nothing is recorded yet, SessionError where the file can't be read.
    """

    def opened() -> ReplayFeed:
        file = path()
        if file is None:
            raise ConfigError("nothing is recorded yet", "a moment later there is")
        return ReplayFeed(file, float("inf"), paused=True)

    return opened
