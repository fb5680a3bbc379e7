"""Runs that this console carries out, whichever page is looked at: begun here, and told of when they are over.

Must not do: act by itself. `ports.Acting` does, and the harness behind it decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tui.present.style import Token
from watchfloor.errors import WatchfloorError
from watchfloor.ports import Acting


class Carrying:
    """`say`: a sentence for the status bar of whatever page is seen by then. `acted` is told what was begun."""

    def __init__(self, acting: Acting, say: Callable[[str, Token], None], acted: Callable[[str], None]) -> None:
        self._acting, self._say, self._acted = acting, say, acted
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def runs(self) -> tuple[str, ...]:
        """Those that are under way, the oldest first."""
        return tuple(self._tasks)

    def begin(self, run: str) -> None:
        """On the screen's loop, which doesn't wait for it."""
        if run not in self._tasks:
            self._acted(f"carry out run {run}")
            self._tasks[run] = asyncio.create_task(self._carried_out(run), name=f"run {run}")

    async def _carried_out(self, run: str) -> None:
        try:
            came = await asyncio.wrap_future(self._acting.carry_out(run))
            self._say(came, Token.OK if f"{run} succeeded" in came else Token.WARNING)
        except WatchfloorError as error:
            self._say(f"run {run}: {error.message}{': ' if error.advice else ''}{error.advice}", Token.CRITICAL)
        except Exception as error:  # whatever it is, a person has to see it; the ledger has how far it came
            self._say(f"run {run} stopped: {type(error).__name__}: {error}", Token.CRITICAL)
        finally:
            self._tasks.pop(run, None)
