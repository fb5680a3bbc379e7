"""A running source of jobs, and what it tells: a test awaits the answer that it means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from watchfloor.jobs.model import Job, SourceAnswer, SourceState
from watchfloor.ports import JobSource

PATIENCE_SECONDS = 30.0


class WallClock:
    """ports.Clock of this machine."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class Answers:
    def __init__(self, source: JobSource) -> None:
        self.source = source
        self.told: list[SourceAnswer] = []
        self._news = asyncio.Event()

    def tell(self, answer: SourceAnswer) -> None:
        self.told.append(answer)
        self._news.set()

    async def until(self, enough: Callable[[SourceAnswer], bool], what: str = "") -> SourceAnswer:
        """The newest answer, once it is enough."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not (self.told and enough(self.told[-1])):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"never told {what}; the last answer: {self.told[-1:]}") from None
        return self.told[-1]

    async def jobs(self, *numbers: str) -> dict[str, Job]:
        """Jobs by number, once exactly these are there and the source is well."""
        answer = await self.until(lambda one: is_ok(one) and {job.number for job in one.jobs} == set(numbers),
                                  f"jobs {numbers}")  # fmt: skip
        return {job.number: job for job in answer.jobs}

    async def job(self, number: str, enough: Callable[[Job], bool]) -> Job:
        found = await self.until(lambda one: any(job.number == number and enough(job) for job in one.jobs), number)
        return next(job for job in found.jobs if job.number == number)

    async def failed(self) -> SourceAnswer:
        return await self.until(lambda one: one.status.state is SourceState.FAILED, "a failure")


def is_ok(answer: SourceAnswer) -> bool:
    return answer.status.state is SourceState.OK


@asynccontextmanager
async def running(source: JobSource) -> AsyncIterator[Answers]:
    answers = Answers(source)
    task = asyncio.create_task(source.run(answers.tell))
    try:
        yield answers
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
