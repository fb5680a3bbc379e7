"""The terminal app: takes frames from a feed, gives the newest to the page that is seen, moves between pages.

Must not do: collect, decide, draw a cell.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.filter import LineFilter
from textual.scrollbar import ScrollBar
from textual.strip import Strip
from textual.timer import Timer

from tui.base import AppOptions, Desk, Page
from tui.carrying import Carrying
from tui.commands import Command, PaletteProvider, Table, one_of, table
from tui.filming import FILM_SECONDS, Film
from tui.following import Following
from tui.help import HelpScreen
from tui.leaving import Leaving
from tui.messages import Acknowledge, Clear, Drill, FrameReady, ShowAgain, Why
from tui.pages import Pages
from tui.past import TIME_KEYS, Past
from tui.present.style import ASCII, THEMES, Token, palette
from tui.reconnecting import waiting_node
from tui.sheet import Sheet
from tui.theme import COLOURS
from tui.widgets.colourless import Colourless
from tui.widgets.scrollbars import WholeCells
from tui.widgets.strips import divide
from watchfloor.errors import WatchfloorError
from watchfloor.frame import Frame
from watchfloor.model import Subject
from watchfloor.ports import Feed

LOOK_SECONDS = 0.25  # what is asked of a person is seen as soon as what has changed on a node
FRAME_SECONDS = 0.25  # data is drawn at most four times a second; keys are answered at once

ScrollBar.renderer = WholeCells  # Textual asks the class, for every bar of the process
Strip.divide = divide  # and so it does for every line


class WatchfloorApp(App[int]):
    """Given a feed, not started yet, and what the command line said."""

    CSS_PATH = "app.tcss"
    TITLE = "watchfloor"
    COMMANDS: ClassVar = {PaletteProvider}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help for this page"),
        Binding("colon", "command", "command line", priority=True),
        Binding("escape", "back", "back, undo the filter, return to now"),
        Binding("y", "lineage", "why: what led to it (lineage)"),
        Binding("w", "what_to_do", "what would you do about it"),
        Binding("ctrl+r", "reconnect", "try to connect to the selected node now"),
        *TIME_KEYS,
        Binding("q", "quit", "quit"),
        # the terminal hands Ctrl-C over as a key: it ends the program, and never anything else
        Binding("ctrl+c", "quit", "quit", priority=True),
    ]

    def __init__(self, feed: Feed, options: AppOptions | None = None) -> None:
        self._colourless = Colourless.taken_from(os.environ)
        super().__init__()
        self.no_color = bool(self._colourless)  # which the style sheet asks for
        self.feed = feed
        self.options = options or AppOptions()
        self.set_class(self.options.palette.glyphs is ASCII, "ascii")
        self.desk = Desk.for_options(self.options, self.commands, self.open)
        if self.options.acting is not None:
            self.desk.carrying = Carrying(self.options.acting, self._tell, self.desk.acted)
        self.past = Past(self, self.desk)
        self.set_class(self.desk.replay is not None, "past")
        self.pages = Pages(self.desk, lambda page: self.install_screen(page, page.slug))
        self._trail: list[str] = []
        self._receiving = Lock()
        self._received: dict[bool, Frame] = {}  # by whether it is of the past: what is to be shown next
        self._drawn_at = 0.0
        self._draw_timer: Timer | None = None
        self._feed_running = False

    # -- start and end

    def get_line_filters(self) -> Sequence[LineFilter]:
        return self._colourless or super().get_line_filters()

    def on_mount(self) -> None:
        self.register_theme(COLOURS)
        self.theme = COLOURS.name
        for slug, key in self.pages.keys_by_name.items():
            self.bind(key, f"open('{slug}')", description=f"{slug} page")
        self.push_screen(next(iter(self.pages.values())))
        self.set_interval(1.0, self._each_second)
        following = Following(self.desk, self._record_changed)
        self.run_worker(following.look_once(), name="ledger")
        self.set_interval(LOOK_SECONDS, following.look)
        if self.options.recording is not None:
            self.set_interval(FILM_SECONDS, Film(self, self.options.recording, self.options.now).take)
        self.call_after_refresh(self._start_feed)

    async def _start_feed(self) -> None:
        """After the first paint, and off this loop: a feed may import and connect for a while before it returns."""
        self._feed_running = True
        try:
            await asyncio.to_thread(self.feed.start, self.receive)
        except Exception as error:  # whatever it is, a person has to see it, and the pages stay usable
            self._feed_running = False
            self.page.say(f"the collectors did not start: {error}", Token.CRITICAL)

    async def action_quit(self) -> None:
        """Asks where something is being carried out; once more is meant so."""
        carrying = self.desk.carrying
        if carrying is not None and carrying.runs and not isinstance(self.screen, Leaving):
            self.push_screen(Leaving(self.desk.palette, lambda: carrying.runs, self._leave))
            return
        await self._stop_feeds()
        self.exit(0)

    async def on_unmount(self) -> None:
        await self._stop_feeds()

    async def _stop_feeds(self) -> None:
        past, self.desk.replay = self.desk.replay if self.desk.looks_back else None, self.options.replay
        running, self._feed_running = self._feed_running, False
        for feed in (past, self.feed if running else None):
            if feed is not None:
                await asyncio.to_thread(feed.stop)

    # -- frames

    def receive(self, frame: Frame) -> None:
        """Called by the feed, from its own thread. One frame of a kind waits, also for a screen that stands still."""
        with self._receiving:
            waits = frame.replay in self._received
            self._received[frame.replay] = frame
        if not waits:
            with suppress(RuntimeError):  # the loop has just ended
                self.post_message(FrameReady(replay=frame.replay))

    def on_frame_ready(self, event: FrameReady) -> None:
        with self._receiving:
            frame = self._received.pop(event.replay)
        if self.past.shows(frame):
            self.show_frame(frame)

    def show_frame(self, frame: Frame) -> None:
        """Now, or when the last picture is old enough."""
        self.desk.frame = frame
        if self._draw_timer is not None:
            return
        wait = self._drawn_at + FRAME_SECONDS - time.monotonic()
        if wait <= 0:
            self._draw_frame()
        else:
            self._draw_timer = self.set_timer(wait, self._draw_frame)

    def _draw_frame(self) -> None:
        self._draw_timer = None
        self._drawn_at = time.monotonic()
        frame = self.desk.frame
        if frame is not None:
            self.desk.take(frame)
            seen = self._seen()
            if seen is not None:
                seen.receive(frame)

    def _each_second(self) -> None:
        seen = self._seen()
        live = self._feed_running and self.options.replay is None
        if live and (trouble := self.feed.trouble()) and self.screen_stack:
            self.page.say(f"the collectors ended: {trouble}. What is shown is old; restart watchfloor", Token.CRITICAL)
        if self.screen_stack and (trouble := self.past.trouble()):
            self.page.say(trouble, Token.WARNING)
        if seen is not None:
            seen.draw_bars()
        else:
            self._redraw_sheet()

    # -- the ledger

    def _record_changed(self) -> None:
        seen = self._seen()
        if seen is not None:
            seen.record_changed()
        else:
            self._redraw_sheet()

    def _redraw_sheet(self) -> None:
        """Where one lies over the page; timers outlive screens."""
        top = self.screen_stack[-1] if self.screen_stack else None
        if isinstance(top, Sheet):
            top.redraw()

    # -- pages

    def _seen(self) -> Page | None:
        """The page that nothing covers; None beneath the help, and while the program ends: timers outlive screens."""
        stack = self.screen_stack
        return stack[-1] if stack and isinstance(stack[-1], Page) else None

    @property
    def page(self) -> Page:
        """The page that is seen, or that lies beneath the help or the palette."""
        return next(screen for screen in reversed(self.screen_stack) if isinstance(screen, Page))

    def action_open(self, slug: str) -> None:
        self.open(slug)

    def open(self, slug: str, subject: Subject | None = None) -> None:
        """Go to a page, aimed at a subject where one is given."""
        page, here = self.pages[slug], self.page
        if subject is not None:
            self.desk.selected = subject
        if page is here:
            if self.desk.frame is not None:
                page.receive(self.desk.frame)
            return
        self._trail = [*self._trail, here.slug][-20:]
        self.switch_screen(slug)

    def on_drill(self, event: Drill) -> None:
        self.open("node", event.subject)

    def on_show_again(self, event: ShowAgain) -> None:
        self.past.show_again(event.file)

    def on_acknowledge(self, event: Acknowledge) -> None:
        if not self.desk.only_watches:
            self.feed.acknowledge(event.subject, event.code, event.note)

    def on_clear(self, event: Clear) -> None:
        if not self.desk.only_watches:
            self.feed.clear(event.subject, event.code)

    async def action_back(self) -> None:
        if not isinstance(self.screen, Page):
            self.pop_screen()
        elif self.desk.looks_back:
            self.past.leave()
        elif not self.page.go_back() and self._trail:
            self.switch_screen(self._trail.pop())

    def action_help(self) -> None:
        if isinstance(self.screen, Page):
            self.push_screen(HelpScreen(self.page, self.commands()))

    def action_command_palette(self) -> None:
        if isinstance(self.screen, Page):
            self.push_screen(CommandPalette(placeholder="letters of a command, a node, a metric"))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "command":
            return isinstance(self.screen, Page) and not self.screen.is_typing
        if action == "time":
            return self._may_turn_time(parameters == ("pause",))
        if action in self.withheld:
            return False
        return super().check_action(action, parameters)

    @property
    def withheld(self) -> frozenset[str]:
        """Actions that there are not now: nobody can be connected to in the past."""
        return frozenset({"reconnect"}) if self.desk.replay is not None else frozenset()

    def _may_turn_time(self, pausing: bool) -> bool:
        """Keys of time are letters where somebody types; the one that pauses is another one on a live floor."""
        page = self._seen()
        return page is not None and not page.is_typing and (not pausing or self.desk.replay is not None)

    def action_time(self, key: str) -> None:
        self.past.press(key)

    def action_command(self) -> None:
        self.prompt()

    def prompt(self, text: str = "") -> None:
        if isinstance(self.screen, Page):
            self.screen.prompt(text)

    def action_lineage(self) -> None:
        """What happened to what is selected on this page, and what led to it."""
        if not isinstance(self.screen, Page):
            return
        name = self.page.lineage_of()
        if name:
            self._tell_lineage(name)
        else:
            self.page.say("nothing is selected that has a lineage", Token.DIM)

    def on_why(self, event: Why) -> None:
        self._tell_lineage(event.name)

    def _tell_lineage(self, name: str) -> None:
        try:
            self.commands()["lineage"].run(name)
        except WatchfloorError as error:
            self.page.say(str(error), Token.WARNING)

    def action_what_to_do(self) -> None:
        """What fits what is selected; only in a console that acts a plan can be made of it."""
        from tui.remedies import Offers, Remedies  # noqa: PLC0415 - 1 MiB of what runs and plans are, for a sheet

        if not isinstance(self.screen, Page):
            return
        concern, desk = self.page.concern(), self.desk
        if concern is None or desk.frame is None:
            self.page.say("nothing is selected that something could be done about", Token.DIM)
        elif desk.acting is None or desk.carrying is None:
            self.push_screen(Offers(desk, concern))
        else:
            self.push_screen(Remedies(desk, concern, desk.acting, desk.carrying))

    def _tell(self, words: str, token: Token) -> None:
        """In the status bar of the page that is seen, or that lies beneath."""
        if self.screen_stack:
            self.page.say(words, token)

    def action_reconnect(self) -> None:
        self.desk.acted(self._reconnect())

    def _reconnect(self) -> str:
        """What was done, "" where it was nothing."""
        node, words = waiting_node(self.desk.frame, self.desk.selected)
        self.page.say(words, Token.DIM if node is None else Token.TEXT)
        if node is None:
            return ""
        self.feed.reconnect(node)
        return words

    # -- commands

    def commands(self) -> Table:
        """What the command line and the palette know: the pages' own commands, the pages themselves, then the app's."""
        own = [command for page in self.pages.values() for command in page.own_commands()]
        named = {command.name for command in own}
        pages = [self._page_command(page) for page in self.pages.values() if page.slug not in named]
        return table([*own, *pages, *self._app_commands(), *self.past.commands()])

    def _page_command(self, page: Page) -> Command:
        return Command(page.slug, f"the {page.slug} page", lambda _: self.open(page.slug))

    def _app_commands(self) -> Sequence[Command]:
        return [
            Command("theme", "colours", self._set_theme, self._themes, "NAME"),
            *([] if self.withheld else [self._reconnect_command()]),
            Command("help", "help for this page", lambda _: self.action_help()),
            *(Command(name, "quit", lambda _: self._leave()) for name in ("q", "quit")),
        ]

    def _reconnect_command(self) -> Command:
        def run(_: str) -> None:
            self._reconnect()

        return Command("reconnect", "try to connect to the selected node now", run)

    def _leave(self) -> None:
        self.call_later(self.action_quit)

    def _themes(self) -> Sequence[str]:
        return ["mono"] if self._colourless else list(THEMES)

    def _set_theme(self, name: str) -> None:
        chosen = palette(one_of(name, self._themes(), "theme"), ascii_only=not self.desk.palette.glyphs.braille)
        self.desk.palette = chosen
        for page in self.pages.opened():
            for widget in page.query("*"):
                if hasattr(widget, "palette"):
                    widget.palette = chosen  # type: ignore[attr-defined]
                    widget.refresh()
        if self.desk.frame is not None:
            self.page.receive(self.desk.frame)


def run(feed: Feed, options: AppOptions | None = None) -> int:
    """Open the terminal until the operator leaves it; 0, or Textual's own code where the app broke."""
    _forget_exported_size(os.environ)
    app = WatchfloorApp(feed, options)
    app.run()
    return app.return_code or 0


def _forget_exported_size(environment: MutableMapping[str, str]) -> None:
    """An exported size (by `resize`, or readline in a parent) would hold a terminal for good that knows its own."""
    with suppress(OSError):
        if all(os.get_terminal_size()):
            environment.pop("COLUMNS", None)
            environment.pop("LINES", None)
