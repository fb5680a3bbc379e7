"""A source of jobs that is kept running: what it breaks on is data of its own, and it is begun anew after a while.

A source tells its failures itself. What comes out of it all the same is a fault of ours, and no reason to end
telemetry or the other sources.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from collectors.backoff import Backoff
from watchfloor.jobs.model import JobSourceSpec, SourceAnswer, SourceState, SourceStatus
from watchfloor.model import NodeSpec, Problem
from watchfloor.ports import Accounting, Clock, JobSource, Transport

_log = logging.getLogger(__name__)


class Kept:
    """ports.JobSource: the module of its kind in collectors/sources, with what it told last."""

    def __init__(
        self, spec: JobSourceSpec, transport_for: Callable[[NodeSpec], Transport], clock: Clock, rng: random.Random
    ) -> None:
        """Raises ConfigError where the specification can't be followed."""
        self._spec = spec
        self._clock = clock
        self._backoff = Backoff(rng)
        self._transport = transport_for(spec.via) if spec.via is not None else None
        self._source: JobSource | None = self._made()
        self._awake = asyncio.Event()
        waiting = SourceStatus(spec.name, spec.kind, period_seconds=spec.period_seconds, cluster=spec.cluster)
        self.answer = SourceAnswer(waiting)

    def _made(self) -> JobSource:
        module = importlib.import_module(f"collectors.sources.{self._spec.kind}")
        return module.Source(self._spec, self._transport, self._clock)

    def wake(self) -> None:
        self._awake.set()
        if self._source is not None:
            self._source.wake()

    def recall(self, jobs: Sequence[str]) -> None:
        """How these ended is told as `SourceAnswer.recalled`, where the scheduler keeps an accounting."""
        if isinstance(self._source, Accounting):
            self.answer = replace(self.answer, to_recall=len(jobs))
            self._source.recall(jobs)

    async def run(self, tell: Callable[[SourceAnswer], None]) -> None:
        def heard(answer: SourceAnswer) -> None:
            self.answer = answer
            tell(answer)

        while True:
            began = self._clock.monotonic()
            try:
                self._source = self._source or self._made()
                await self._source.run(heard)
            except Exception as error:  # whatever it is, telemetry and the other sources go on
                _log.exception("the source of jobs %s broke", self._spec.name)
                words = f"{type(error).__name__}: {error}".removesuffix(": ")
            else:
                words = "it ended by itself"
            pause = self._backoff.next_seconds(Problem.CLOSED, self._clock.monotonic() - began)
            heard(replace(self.answer, status=_broken(self.answer.status, words, pause)))
            self._source = None  # what broke it may be what it remembers
            await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        self._awake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._awake.wait()


def _broken(status: SourceStatus, words: str, pause_seconds: float) -> SourceStatus:
    """What was told before stays, with its age."""
    return replace(
        status,
        state=SourceState.FAILED,
        period_seconds=pause_seconds,
        text=f"reading it broke: {words}",
        advice="a fault of watchfloor's own: it begins anew by itself; report it with the log",
    )
