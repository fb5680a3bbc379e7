"""What every page is: header above, status below, a command line when it is asked for. Found by: tui.pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from tui.carrying import Carrying
from tui.commands import Command, Table, complete, run
from tui.present.header import OnRecord, Summary, badge, first_line, recorded, second_line, summarise
from tui.present.line import Line, Piece, joined, spread, width_of
from tui.present.style import Palette, Token, palette
from tui.present.timeline import replay_badge, timeline_line
from tui.remember import Remembered
from tui.widgets.commandline import CommandLine
from tui.widgets.lines import Lines
from watchfloor.errors import ConfigError, QueryError, WatchfloorError
from watchfloor.frame import Frame
from watchfloor.ledgerfollower import Followed, LedgerFollower, LedgerPicture
from watchfloor.model import Finding, Scope, Subject
from watchfloor.ports import Acting, Concern, Recording, Replay
from watchfloor.record import RecordKey
from watchfloor.redact import redact
from watchfloor.systemclock import here

if TYPE_CHECKING:
    from watchfloor.lineagebook import LineageBook
    from watchfloor.runs import Grounds, RunRecord

MESSAGE_SECONDS = 8.0
OPENERS = frozenset({"filter", "ask"})  # actions that open a line to type into


@dataclass(frozen=True)
class AppOptions:
    """How the terminal is opened. `now` is console time in seconds since the epoch."""

    context: str = "fleet"  # what is watched, in a word or two: shown at the top
    read_only: bool = False
    palette: Palette = field(default_factory=lambda: palette("default"))
    state_folder: Path | None = None  # where typed lines are kept; None keeps them only as long as the program runs
    now: Callable[[], float] = time.time
    lineage: LineageBook | None = None  # what is on record; None where this console keeps none
    ledger: LedgerFollower | None = None  # what was asked for, decided and done; None where nobody follows that
    grounds: Callable[[RunRecord, float], Grounds] | None = None  # what policies and signers say of a run at a time
    acting: Acting | None = None  # how this console acts; None where it only watches
    recording: Recording | None = None  # what is told what is shown; None where this console doesn't record
    replay: Replay | None = None  # the session that is shown; None where the floor is live
    sessions: Path | None = None  # the folder of recordings
    replays: Callable[[Path], Replay] | None = None  # opens one of them
    past: Callable[[], Replay] | None = None  # opens the recent past of a live floor; None where it isn't recorded
    zone: tzinfo | None = None  # of the times that are told; None: where the console is


@dataclass
class Desk:
    """What all pages share: the newest frame, the palette, what was typed before, and the commands."""

    options: AppOptions
    palette: Palette
    typed_commands: Remembered
    typed_filters: Remembered
    commands: Callable[[], Table]
    go: Callable[[str, Subject | None], None]  # to a page, aimed at a subject
    frame: Frame | None = None
    summary: Summary | None = None
    selected: Subject | None = None  # what the cursor is on, whichever page it is moved on
    finding: RecordKey | None = None  # the one that the findings page is to put its cursor on
    ledger: LedgerPicture | None = None  # the newest; None before the first look
    carrying: Carrying | None = None  # the runs that this console carries out; None where it only watches
    replay: Replay | None = None  # what is shown in the place of the live floor
    session: str = ""  # which recording that is, where it is another one than this console's

    @staticmethod
    def for_options(
        options: AppOptions, commands: Callable[[], Table], go: Callable[[str, Subject | None], None]
    ) -> Desk:
        folder = options.state_folder
        return Desk(
            options,
            options.palette,
            Remembered(folder / "commands" if folder else None),
            Remembered(folder / "filters" if folder else None),
            commands,
            go,
            replay=options.replay,
        )

    def ran(self, line: str) -> None:
        """A line of the command line, or a choice of the palette, was run: it is recorded."""
        if line.strip():
            self._record("command", f":{line.strip()}")

    def acted(self, what: str) -> None:
        """A key did this, by itself or by what was asked behind it: it is recorded, unless it did nothing ("")."""
        if what:
            self._record("key", what)

    def _record(self, kind: str, text: str) -> None:
        if self.options.recording is None:
            return
        from watchfloor.session.writer import Mark  # noqa: PLC0415 - with the recorder, and nowhere else

        self.options.recording.mark(Mark(self.options.now(), kind, redact(text)))

    def take(self, frame: Frame) -> None:
        self.frame, self.summary = frame, summarise(frame)

    def now(self) -> float:
        """Console time; of what was recorded the time of then."""
        return self.frame.at if self.frame is not None and self.frame.replay else self.options.now()

    @property
    def only_watches(self) -> bool:
        """No key acts, acknowledges or clears: it was asked for so, or the past is shown."""
        return self.options.read_only or self.replay is not None

    @property
    def looks_back(self) -> bool:
        """The past of a floor is shown that goes on meanwhile."""
        return self.replay is not None and self.options.replay is None

    @property
    def zone(self) -> tzinfo:
        """Of the times that are told."""
        return self.options.zone or here()

    @property
    def acting(self) -> Acting | None:
        """How this console acts now."""
        return None if self.replay is not None else self.options.acting

    @property
    def follower(self) -> Followed | None:
        """What tells of the ledger: of the past, what the session holds."""
        return self.replay.ledger if self.replay is not None else self.options.ledger

    def on_record(self) -> OnRecord:
        """What the header says of the ledger."""
        if self.ledger is None:
            return OnRecord()
        return OnRecord(len(self.ledger.waiting(self.now())), bool(self.ledger.stopped))


class Page(Screen[None]):
    """One page. `show` is called with every newest frame while the page is seen, and once when it comes to be seen."""

    slug: ClassVar[str] = ""  # as its module is called
    key: ClassVar[str] = ""  # "1" to "9", then "0"; others by Textual's name
    help_text: ClassVar[str] = ""
    acts: ClassVar[frozenset[str]] = frozenset()  # actions that a console which only watches doesn't have
    ACTING_BINDINGS: ClassVar[Sequence[Binding]] = ()  # bound in a console that acts, and nowhere else

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self._message: Piece | None = None
        self._message_timer: Timer | None = None
        self._came_from: Widget | None = None
        self._is_drawable = False  # its widgets have come: a frame or a second may come before them
        for binding in self.ACTING_BINDINGS if desk.options.acting is not None else ():
            self._bindings.bind(binding.key, binding.action, binding.description)

    @property
    def withheld(self) -> frozenset[str]:
        """Actions that this page doesn't have now."""
        if not self.desk.only_watches:
            return frozenset()
        return self.acts | {binding.action for binding in self.ACTING_BINDINGS}

    # -- what a page brings

    def compose_body(self) -> ComposeResult:
        """The widgets between header and status bar."""
        raise NotImplementedError

    def show(self, frame: Frame) -> None:
        """Draw this frame."""
        raise NotImplementedError

    def show_selected(self) -> None:
        """Put the cursor on what was selected meanwhile on another page."""

    def own_commands(self) -> Sequence[Command]:
        """The commands that this page understands; they are offered on every page."""
        return ()

    def lineage_of(self) -> str:
        """What `y` tells the lineage of, as LineageBook takes it: what is selected; "" for nothing."""
        from watchfloor.lineage.jobwords import subject_key  # noqa: PLC0415 - half a MiB, for one key
        from watchfloor.lineagebook import name_of  # noqa: PLC0415

        return name_of(subject_key(self.desk.selected)) if self.desk.selected is not None else ""

    def concern(self) -> Concern | None:
        """What `w` asks about: what something could be done about, and is selected; None for nothing."""
        return None

    def concern_of(self, subject: Subject | None, finding: Finding | None = None) -> Concern | None:
        """None where the newest frame has no such subject."""
        frame = self.desk.frame
        if frame is None or subject is None or (finding is None and frame.row(subject) is None):
            return None
        row = frame.row(subject) if subject.scope is Scope.ACCELERATOR else None
        return Concern(subject, finding, frame.accelerators.text(row, "name") if row is not None else "")

    def facts(self) -> Sequence[Line]:
        """What the status bar says on the left: filter, sort, marks."""
        return ()

    def hints(self) -> Line:
        """The keys that the status bar reminds of."""
        return hint_line("?", "help", "/", "filter", ":", "command", "q", "quit")

    def go_back(self) -> bool:
        """Leave something within the page (a filter, a mark); False where there is nothing to leave."""
        return False

    # -- the frame around it

    def compose(self) -> ComposeResult:
        yield Lines(self.desk.palette, id="header")
        yield from self.compose_body()
        line = CommandLine(self.desk.palette, self.desk.typed_commands, self._complete, id="commandline")
        yield line
        yield Lines(self.desk.palette, id="status")

    def on_mount(self) -> None:
        self._is_drawable = True
        self.draw_bars()

    def on_screen_resume(self) -> None:
        if self.desk.frame is not None:
            self.receive(self.desk.frame)
            self.show_selected()

    def on_resize(self) -> None:
        """Draw for the new room once the widgets have theirs."""
        if self.desk.frame is not None:
            self.call_after_refresh(self.receive, self.desk.frame)

    @property
    def is_drawable(self) -> bool:
        """They are there already, and still: a page that is being taken away loses them one by one."""
        return self._is_drawable and bool(self.query("#header"))

    def record_changed(self) -> None:
        """The ledger says more than it did."""
        self.draw_bars()

    def receive(self, frame: Frame) -> None:
        if self.is_drawable:
            self.show(frame)
            self.draw_bars()

    def draw_bars(self) -> None:
        """Header and status; called at least once a second, so that ages move on without frames."""
        if not self.is_drawable:
            return
        self.query_one("#header", Lines).show(self._header)
        self.query_one("#status", Lines).show(self._status)

    def _header(self, width: int) -> Sequence[Line]:
        desk, now = self.desk, self.desk.now()
        since = now - desk.frame.at if desk.frame else 0.0
        sign = badge(desk.frame, desk.options.read_only, now, desk.acting is not None)
        times = self._timeline(width)
        if desk.replay is not None:
            sign = replay_badge(desk.replay.standing, desk.zone)
        if (recording := desk.options.recording) is not None:
            sign = recorded(sign, recording.trouble)
        first = first_line(desk.session or desk.options.context, desk.summary, sign, width, since)
        return [first, second_line(desk.summary, desk.palette.glyphs, width, desk.on_record()), *times]

    def _timeline(self, width: int) -> Sequence[Line]:
        desk = self.desk
        if desk.replay is None:
            return ()
        return [timeline_line(desk.replay.standing, desk.zone, desk.palette.glyphs, width, desk.looks_back)]

    def _status(self, width: int) -> Sequence[Line]:
        said = joined([[self._message]] if self._message else list(self.facts()), "   ")
        left: Line = [(" ", Token.TEXT), *said]
        right = fewer_hints(self._all_hints(), width - width_of(left) - 3)
        return [spread(left, [*right, (" ", Token.TEXT)], width)]

    def _all_hints(self) -> Line:
        """Those of the page; before them, in the past, those of time."""
        if self.desk.replay is None:
            return self.hints()
        leaves = ("Esc", "now") if self.desk.looks_back else ()
        word = "play" if self.desk.replay.standing.paused else "pause"
        of_time = hint_line(*leaves, "Space", word, "[ ]", "time", "{ }", "marks")
        return [*of_time, ("  ", Token.DIM), *self.hints()[1:]]

    def say(self, words: str, token: Token = Token.TEXT) -> None:
        """Put a message into the status bar for a few seconds."""
        self._message = (redact(words), token)
        if self._message_timer is not None:
            self._message_timer.stop()
        self._message_timer = self.set_timer(MESSAGE_SECONDS, self.unsay)
        self.draw_bars()

    def unsay(self) -> None:
        """What was said is over."""
        self._message = None
        self.draw_bars()

    # -- the command line

    def prompt(self, text: str = "") -> None:
        """Open the command line."""
        self._came_from = self.focused
        self.query_one(CommandLine).open(text)

    def action_ask(self, text: str) -> None:
        """Open the command line with the beginning of a command: how a key asks for a choice."""
        self.prompt(text)

    @property
    def is_typing(self) -> bool:
        return isinstance(self.focused, Input)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that open a line to type into are looked at before the focused widget sees them (priority bindings),
        so that what is typed right behind them lands in the line, even where a slow link delivers all in one piece.
        """
        if action in self.withheld:
            return False
        if action in OPENERS:
            return self.is_current and not self.is_typing
        return super().check_action(action, parameters)

    def _complete(self, text: str, cursor: int) -> Sequence[str]:
        return complete(self.desk.commands(), text, cursor)

    @on(CommandLine.Entered, "#commandline")
    def _run_command(self, event: CommandLine.Entered) -> None:
        line = self.query_one(CommandLine)
        try:
            run(self.desk.commands(), event.text)
        except WatchfloorError as error:
            column = error.column if isinstance(error, ConfigError | QueryError) else 0
            line.point(column, f"{error.message}{': ' if error.advice else ''}{error.advice}")
            return
        self.desk.ran(event.text)
        line.remember()
        self._close_command()

    @on(CommandLine.Left, "#commandline")
    def _close_command(self) -> None:
        self.query_one(CommandLine).close()
        if self._came_from is not None and self._came_from.is_attached:
            self._came_from.focus()


def hint_line(*words: str) -> Line:
    """`? help  / filter` from key, word, key, word …"""
    found: list[Piece] = []
    for key, word in zip(words[::2], words[1::2], strict=True):
        found += [("  " if found else "", Token.DIM), (key, Token.ACCENT), (f" {word}", Token.DIM)]
    return found


def fewer_hints(hints: Line, room: int) -> Line:
    """As many hints as there is room for: the last one, how to leave, and the first ones stay longest."""
    entries = [hints[at : at + 3] for at in range(0, len(hints), 3)]  # gap, key, word
    while len(entries) > 1 and sum(map(width_of, entries)) > room:
        entries.pop(-2 if len(entries) > 2 else -1)
    return [piece for entry in entries for piece in entry]
