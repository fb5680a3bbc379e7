"""Jobs and nodes of a Slurm cluster, asked with its own commands on a node that has them.

A round asks for the jobs; for the nodes every half minute, for partitions and reservations every five; for the steps of
what runs once a minute, and so for the accounting, where jobs were restarted, left the queue, or ended while no console
ran. One question at a time; how long the round took says when the next one comes. A controller that is slow or dead is
told as a failure with what was known before, and asked ever more seldom.

Options: `bin`, the folder of the commands where the shell doesn't find them; `conf`, the slurm.conf; `cluster`, the
name of one that the commands reach besides their own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from collectors.sources._slurm import rhythm
from collectors.sources._slurm.cluster import Cluster
from collectors.sources._slurm.memory import Memory
from collectors.sources._slurm.recall import Recall
from watchfloor.errors import WatchfloorError
from watchfloor.jobs.model import (
    JobSourceSpec,
    Queue,
    Recalled,
    Reservation,
    SchedulerNode,
    SourceAnswer,
    SourceState,
    SourceStatus,
)
from watchfloor.ports import Clock, Transport

_MANY_JOBS = 500  # more are compared with what was known in a thread


class Source:
    """ports.JobSource. Raises ConfigError where its specification can't be followed."""

    def __init__(
        self, spec: JobSourceSpec, transport: Transport, clock: Clock, rng: random.Random | None = None
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._rng = rng or random.Random()
        self._cluster = Cluster(spec, transport, clock)
        self._memory = Memory(spec.cluster)
        self._recall = Recall(spec.name, spec.cluster)
        self._nodes: tuple[SchedulerNode, ...] = ()
        self._queues: tuple[Queue, ...] = ()
        self._reservations: tuple[Reservation, ...] = ()
        self._status = SourceStatus(spec.name, spec.kind, cluster=spec.cluster)
        self._failures = 0
        self._nodes_due = 0.0  # monotonic
        self._steps_due = 0.0
        self._queues_due = 0.0
        self._accounts_due = 0.0
        self._recall_due = 0.0
        self._troubles: dict[str, WatchfloorError] = {}  # of the lesser questions
        self._awake = asyncio.Event()

    async def run(self, tell: Callable[[SourceAnswer], None]) -> None:
        while True:
            tell(await self._round())
            if recalled := await self._recalled():
                tell(recalled)
            pause = rhythm.jittered(self._status.period_seconds, self._rng)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._awake.wait()
            self._awake.clear()

    def wake(self) -> None:
        self._failures = 0
        self._nodes_due = self._queues_due = self._steps_due = self._accounts_due = 0.0
        self._awake.set()

    def recall(self, jobs: Sequence[str]) -> None:
        """ports.Accounting."""
        self._recall.ask(jobs)
        self._awake.set()

    async def _round(self) -> SourceAnswer:
        self._cluster.took_seconds = 0.0
        try:
            await self._look()
        except WatchfloorError as error:
            self._status = self._failed(error)
        return self._answer()

    def _answer(self, recalled: tuple[Recalled, ...] = ()) -> SourceAnswer:
        return SourceAnswer(self._status, self._memory.jobs, self._nodes, recalled, len(self._recall))

    async def _look(self) -> None:
        jobs, at = await self._cluster.jobs(), self._clock.now()
        if len(jobs) < _MANY_JOBS:
            self._memory.take(jobs, at)
        else:
            await asyncio.to_thread(self._memory.take, jobs, at)
        await self._lesser("nodes", self._look_at_nodes)
        await self._lesser("queues", self._look_at_queues)
        await self._lesser("steps", self._look_at_steps)
        await self._lesser("accounting", self._look_at_accounts)
        self._failures = 0
        took = self._cluster.took_seconds
        self._status = SourceStatus(
            self._spec.name,
            self._spec.kind,
            SourceState.OK,
            at=at,
            took_seconds=took,
            period_seconds=rhythm.period(took, self._spec.period_seconds),
            version=self._cluster.version,
            text="; ".join(f"{what}: {trouble.message}" for what, trouble in self._troubles.items()),
            advice=next((trouble.advice for trouble in self._troubles.values() if trouble.advice), ""),
            cluster=self._spec.cluster,
            queues=self._queues,
            reservations=self._reservations,
        )

    async def _lesser(self, what: str, look: Callable[[], Awaitable[None]]) -> None:
        """A question without whose answer the jobs are still told."""
        try:
            await look()
        except WatchfloorError as error:
            self._troubles[what] = error

    async def _look_at_nodes(self) -> None:
        now = self._clock.monotonic()
        if now < self._nodes_due:
            return
        self._nodes_due = now + rhythm.NODES_EVERY_SECONDS
        self._nodes = tuple(await self._cluster.nodes())
        self._troubles.pop("nodes", None)

    async def _look_at_queues(self) -> None:
        now = self._clock.monotonic()
        if now < self._queues_due:
            return
        self._queues_due = now + rhythm.QUEUES_EVERY_SECONDS
        self._queues = await self._cluster.queues()
        self._reservations = await self._cluster.reservations()
        self._troubles.pop("queues", None)

    async def _look_at_steps(self) -> None:
        now = self._clock.monotonic()
        if now < self._steps_due or not self._memory.any_runs:
            return
        self._steps_due = now + rhythm.STEPS_EVERY_SECONDS
        self._memory.take_steps(await self._cluster.steps())
        self._troubles.pop("steps", None)

    async def _look_at_accounts(self) -> None:
        now = self._clock.monotonic()
        wanted = self._memory.wanted(now)
        if now < self._accounts_due or not wanted:
            return
        self._accounts_due = now + rhythm.NO_ACCOUNTS_SECONDS  # until it has answered
        self._memory.learn(wanted, await self._cluster.accounts(wanted), now)
        self._accounts_due = now + rhythm.ACCOUNTS_EVERY_SECONDS
        self._troubles.pop("accounting", None)

    async def _recalled(self) -> SourceAnswer | None:
        """Behind what is queued, which doesn't wait for it. Who is queued must be known, or none of them has ended."""
        now = self._clock.monotonic()
        if self._status.state is not SourceState.OK or now < self._recall_due:
            return None
        wanted = self._recall.wanted({job.id for job in self._memory.jobs})
        if not wanted:
            return None
        try:
            told = self._recall.learn(wanted, await self._cluster.accounts(wanted))
            self._recall_due = now if len(self._recall) else now + rhythm.ACCOUNTS_EVERY_SECONDS
        except WatchfloorError as error:
            told = self._recall.failed(wanted, error.message)
            self._recall_due = now + rhythm.NO_ACCOUNTS_SECONDS
        return self._answer(told)

    def _failed(self, error: WatchfloorError) -> SourceStatus:
        """What was told before stays, with its age."""
        self._failures += 1
        took = self._cluster.took_seconds
        return replace(
            self._status,
            state=SourceState.FAILED,
            period_seconds=rhythm.after_failure(self._failures, took, self._spec.period_seconds),
            version=self._cluster.version or self._status.version,
            text=error.message,
            advice=error.advice,
        )
