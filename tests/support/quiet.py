"""When an app has nothing left to do: what pictures and pilots of a test wait for.

Textual waits until its process uses no processor, which a process that gets none looks like too: beside other work a
picture is taken too early. Its way also takes 40 ms a key; this one takes what the app takes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from textual._context import active_app
from textual.app import App
from textual.message_pump import MessagePump
from textual.pilot import Pilot

from tests.support.patience import PATIENCE_SECONDS

_MOMENT_SECONDS = 0.005  # between two looks at what another thread or a timer does


async def until_quiet(_min_sleep: float = 0.0, _max_sleep: float = 0.0) -> None:
    """Stands for textual._wait.wait_for_idle: returns once the active app has nothing left to do."""
    app = active_app.get()
    end = time.monotonic() + PATIENCE_SECONDS
    rounds = 0
    while rounds < 2 and not app._exit:  # the second hears what was done in idle moments behind the first
        assert time.monotonic() < end, f"never quiet: {[*_at_work(app)]}"
        if not await Pilot(app)._wait_for_screen():
            return  # it is ending
        rounds = 0 if await _stirred(app) else rounds + 1


async def _stirred(app: App[object]) -> bool:
    """Whether something was left to do: what waits for the screen's next tick is drawn, all else is given a moment."""
    await asyncio.sleep(0)
    if any(_at_work(app)):
        await asyncio.sleep(_MOMENT_SECONDS)
        return True
    if _is_undrawn(app):
        app.screen._on_timer_update()
        return True
    return False


def _at_work(app: App[object]) -> Iterator[str]:
    if app._resize_event is not None or app._resize_timer is not None:
        yield "a new size"
    yield from (f"worker {worker.name}" for worker in app.workers if worker.is_running)
    yield from (f"messages of {pump}" for pump in _pumps(app) if not pump._message_queue.empty())


def _pumps(app: App[object]) -> Iterator[MessagePump]:
    yield app
    for screen in app.screen_stack:
        yield from screen.walk_children(with_self=True)


def _is_undrawn(app: App[object]) -> bool:
    screen = app.screen
    waits = screen._layout_required or screen._scroll_required or screen._repaint_required or screen._recompose_required
    return bool(waits or screen._dirty_widgets or screen._callbacks)
