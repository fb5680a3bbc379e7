"""The one module that joins the rooms: collectors to the fleet, the fleet to the checks, frames to the screens.

Must not do: anything of its own. What is here is construction, and the rhythm in which frames are made.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchfloor import checks
from watchfloor.exits import Exit
from watchfloor.fleet import Fleet
from watchfloor.fleetlineage import FleetLineage
from watchfloor.frame import Frame, answered
from watchfloor.jobs.config import NO_WORK, Work, told_apart
from watchfloor.jobs.model import SourceAnswer
from watchfloor.jobs.roll import Roll
from watchfloor.keeper import Keeper
from watchfloor.ledgerfollower import Followed
from watchfloor.model import MetricsSource, Missing, NodeSpec, Scope, Subject
from watchfloor.places import state_folder
from watchfloor.ports import Reading
from watchfloor.sparing import one_arena, sparing_collector
from watchfloor.systemclock import SystemClock

if TYPE_CHECKING:
    from collectors.diagnose import Check
    from collectors.simulator.fleet import DemoFleet
    from collectors.sources.prometheus import PrometheusSource
    from collectors.supervisor import Supervisor
    from watchfloor.ports import Feed, Transport
    from watchfloor.report import Cost

log = logging.getLogger(__name__)

FEW_NODES = 500  # up to here frames come twice a second, beyond it once


class Transports:
    """One transport of each kind, made when the first node needs it (asyncssh alone costs 0.2 s to import)."""

    def __init__(self) -> None:
        self._local: Transport | None = None
        self._ssh: Transport | None = None

    def for_node(self, spec: NodeSpec) -> Transport:
        if spec.local:
            if self._local is None:
                from collectors.transports.local import LocalTransport  # noqa: PLC0415

                self._local = LocalTransport()
            return self._local
        if self._ssh is None:
            from collectors.transports.ssh import SshTransport  # noqa: PLC0415

            self._ssh = SshTransport()
        return self._ssh

    async def close(self) -> None:
        for transport in (self._local, self._ssh):
            if transport is not None:
                await transport.close()


class Collection:
    """A fleet with its supervisor, to be run in the event loop of its caller."""

    def __init__(
        self,
        specs: Sequence[NodeSpec],
        period_seconds: float = 1.0,
        findings_file: Path | None = None,
        work: Work = NO_WORK,
        ledger: Followed | None = None,
    ) -> None:
        from collectors.jobsource import Kept  # noqa: PLC0415
        from collectors.supervisor import Supervisor  # noqa: PLC0415

        self._clock = SystemClock()
        self.findings = Keeper(findings_file)
        self.fleet = Fleet(specs, self._clock.now, period_seconds)
        self._transports = Transports()
        self.supervisor: Supervisor = Supervisor(
            specs, self._transports.for_node, self.fleet, self._clock, random.Random(), period_seconds
        )
        self._specs = specs
        self._sources = self._metrics_servers()
        self._roll = Roll(work.pricing)
        rng, transport_for = random.Random(), self._transports.for_node
        self._schedulers = [Kept(spec, transport_for, self._clock, rng) for spec in told_apart(work.sources)]
        for scheduler in self._schedulers:
            self._roll.answer(scheduler.answer)
        self.lineage = FleetLineage(work.lineage, ledger, self._schedulers) if work.lineage else None

    def _metrics_servers(self) -> dict[MetricsSource, PrometheusSource]:
        """One for each server that is named; equal ones are asked once for all their nodes."""
        nodes: dict[MetricsSource, list[tuple[int, NodeSpec]]] = {}
        for index, spec in enumerate(self._specs):
            if spec.source is not None:
                nodes.setdefault(spec.source, []).append((index, spec))
        if not nodes:
            return {}
        from collectors.sources.prometheus import PrometheusSource  # noqa: PLC0415 - TLS and HTTP cost memory

        return {source: PrometheusSource(source, its, self.fleet, self._clock) for source, its in nodes.items()}

    def transport_for(self, spec: NodeSpec) -> Transport:
        """The connections of this collection, for what else goes to its nodes."""
        return self._transports.for_node(spec)

    def wake_schedulers(self) -> None:
        """Ask the sources of jobs now rather than when their period is over. On the loop of `run`."""
        for scheduler in self._schedulers:
            scheduler.wake()

    def _answer(self, answer: SourceAnswer) -> None:
        self._roll.answer(answer)
        if self.lineage is not None:
            self.lineage.answer(answer)

    def reconnect(self, node: int) -> None:
        """Try this node now. On the loop of `run`."""
        source = self._specs[node].source
        if source is not None:
            self._sources[source].reconnect()
        else:
            self.supervisor.reconnect(node)

    async def frame(self) -> Frame:
        """The picture of now with its findings. Breathes in between, so that no stream waits for the whole."""
        frame = self.fleet.frame()
        await asyncio.sleep(0)
        frame = replace(frame, jobs=self._roll.frame(frame))
        await asyncio.sleep(0)
        found = frame.with_findings(checks.run(frame))
        return replace(found, records=self.findings.log.update(found))

    async def run(self, on_frame: Callable[[Frame], None], frames_a_second: int) -> None:
        """Collect until cancelled; the history advances once a second, whatever the rhythm of the frames."""
        supervising = asyncio.create_task(self._supervise())
        try:
            await self._beat(on_frame, frames_a_second, supervising)
        finally:
            supervising.cancel()
            with suppress(asyncio.CancelledError):
                await supervising
            await self.findings.close()
            if self.lineage is not None:
                await self.lineage.close()
            await self._transports.close()

    async def _supervise(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.supervisor.run())
            for source in self._sources.values():
                tasks.create_task(source.run())
            for scheduler in self._schedulers:
                tasks.create_task(scheduler.run(self._answer))

    async def _beat(self, on_frame: Callable[[Frame], None], frames_a_second: int, supervising: asyncio.Task) -> None:
        start, beats = self._clock.monotonic(), 0
        while True:
            if beats % frames_a_second == 0:
                self.fleet.tick()
                self.findings.save()
                await asyncio.sleep(0)
            frame = await self.frame()
            if self.lineage is not None:
                self.lineage.take(frame)
            on_frame(frame)
            beats = max(beats + 1, int((self._clock.monotonic() - start) * frames_a_second))
            due = start + beats / frames_a_second - self._clock.monotonic()
            done, _ = await asyncio.wait([supervising], timeout=max(0.0, due))
            if done:
                supervising.result()
                raise RuntimeError("the supervisor ended by itself")


class LiveFeed:
    """ports.Feed over real nodes: the collectors in a thread with an event loop of their own, off the screen's loop."""

    def __init__(
        self,
        specs: Sequence[NodeSpec],
        period_seconds: float = 1.0,
        findings_file: Path | None = None,
        work: Work = NO_WORK,
        ledger: Followed | None = None,
    ) -> None:
        self._specs = specs
        self._work, self._ledger = work, ledger
        self._period = period_seconds
        self._findings_file = findings_file
        self._findings: Keeper | None = None
        self._frames_a_second = 2 if len(specs) <= FEW_NODES else 1
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._collection: Collection | None = None
        self._trouble = ""

    def start(self, on_frame: Callable[[Frame], None]) -> None:
        self._thread = threading.Thread(target=self._run, args=(on_frame,), name="collectors", daemon=True)
        self._thread.start()

    def _run(self, on_frame: Callable[[Frame], None]) -> None:
        try:
            asyncio.run(self._collect(on_frame))
        except asyncio.CancelledError:
            pass
        except Exception as error:  # the thread's last word: the screen shows it, a log has the rest
            log.exception("the collectors ended by themselves")
            self._trouble = f"{type(error).__name__}: {error}"

    async def _collect(self, on_frame: Callable[[Frame], None]) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        collection = Collection(self._specs, self._period, self._findings_file, self._work, self._ledger)
        self._collection, self._findings = collection, collection.findings
        await collection.run(sparing_collector(on_frame, answered), self._frames_a_second)

    def reconnect(self, node: int) -> None:
        if self._loop is not None and self._collection is not None:
            self._loop.call_soon_threadsafe(self._collection.reconnect, node)

    def acknowledge(self, subject: Subject, code: str, note: str | None) -> None:
        if self._loop is not None and self._findings is not None:
            self._loop.call_soon_threadsafe(self._findings.acknowledge, (subject, code), note)

    def clear(self, subject: Subject, code: str) -> None:
        if self._loop is not None and self._findings is not None:
            self._loop.call_soon_threadsafe(self._findings.log.clear, (subject, code))

    def trouble(self) -> str:
        return self._trouble

    def stop(self) -> None:
        if self._loop is not None and self._task is not None and not self._loop.is_closed():
            with suppress(RuntimeError):  # the loop may close in between
                self._loop.call_soon_threadsafe(self._task.cancel)
        if self._thread is not None:
            self._thread.join(timeout=5)


async def collect(
    specs: Sequence[NodeSpec],
    seconds: float,
    complete: Callable[[Frame], bool] = answered,
    findings_file: Path | None = None,
    work: Work = NO_WORK,
) -> Frame:
    """Run the collectors until `complete` says so, at most for `seconds`; a frame of that moment, with findings."""
    collection = Collection(specs, findings_file=findings_file, work=work)
    latest: list[Frame] = []
    enough, frames_left = asyncio.Event(), float("inf")

    def on_frame(frame: Frame) -> None:
        nonlocal frames_left
        latest[:], frames_left = [frame], frames_left - 1
        recalled = collection.lineage is None or collection.lineage.has_recalled
        if (recalled and complete(frame)) or frames_left <= 0:
            enough.set()

    running = asyncio.create_task(collection.run(on_frame, frames_a_second=10))
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await _first_of(running, enough)
    frames_left = 2  # the next one may have been begun before what held up the loop
    await _first_of(running, enough)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return latest[0]


async def _first_of(running: asyncio.Task[None], enough: asyncio.Event) -> None:
    waiting = asyncio.create_task(enough.wait())
    try:
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if running.done():
        running.result()


def check_ssh_config(specs: Sequence[NodeSpec]) -> None:
    """Read the ssh_config of these nodes before anything connects. Raises ConfigError, with file and line."""
    from collectors.transports.ssh_config import SshConfig  # noqa: PLC0415
    from collectors.transports.ssh_target import config_files  # noqa: PLC0415

    for files in {config_files(spec.ssh) for spec in specs if not spec.local and spec.source is None}:
        SshConfig(files)


async def diagnose(specs: Sequence[NodeSpec], at_once: int = 32) -> list[tuple[NodeSpec, list[Check]]]:
    """What `watchfloor doctor` asks of every node, many nodes at a time, in the order of `specs`."""
    from collectors.diagnose import diagnose as diagnose_node  # noqa: PLC0415

    transports, gate = Transports(), asyncio.Semaphore(at_once)
    told = await _diagnose_told(specs)

    async def one(spec: NodeSpec) -> tuple[NodeSpec, list[Check]]:
        if spec.name in told:
            return spec, told[spec.name]
        async with gate:
            return spec, await diagnose_node(spec, transports.for_node(spec))

    try:
        return list(await asyncio.gather(*(one(spec) for spec in specs)))
    finally:
        await transports.close()


async def _diagnose_told(specs: Sequence[NodeSpec]) -> dict[str, list[Check]]:
    """By node: the steps of those that metrics servers tell of."""
    sources = {spec.source for spec in specs if spec.source is not None}
    if not sources:
        return {}
    from collectors.sources._doctor import diagnose as diagnose_source  # noqa: PLC0415

    found = {}
    for source in sources:
        its = [spec for spec in specs if spec.source == source]
        found.update(zip((spec.name for spec in its), await diagnose_source(source, its), strict=True))
    return found


async def costs(specs: Sequence[NodeSpec], at_once: int = 32) -> list[tuple[NodeSpec, list[Cost], str]]:
    """What `watchfloor doctor --costs` measures on every node: the rows, or why there are none."""
    from collectors.costs import Meter  # noqa: PLC0415
    from collectors.diagnose import measure  # noqa: PLC0415

    transports, gate = Transports(), asyncio.Semaphore(at_once)

    async def one(spec: NodeSpec) -> tuple[NodeSpec, list[Cost], str]:
        if spec.source is not None:
            return spec, [], "a metrics server tells of it: nothing of ours runs there"
        async with gate:
            found = await measure(spec, transports.for_node(spec))
        return (spec, found.rows(), "") if isinstance(found, Meter) else (spec, [], found.text)

    try:
        return list(await asyncio.gather(*(one(spec) for spec in specs)))
    finally:
        await transports.close()


def read_capture(name: str, data: bytes) -> Reading:
    """What a saved output of a vendor's tool says; why not, where nobody can read it."""
    from collectors import captures  # noqa: PLC0415

    try:
        capture = captures.read(name, data)
    except captures.Refused as error:
        return Reading(name, refusal=str(error))
    cells = {Scope(scope): {key: _typed(row) for key, row in rows.items()} for scope, rows in capture.cells.items()}
    return Reading(name, "", capture.tool, cells, capture.events, capture.stack, capture.notes)


def _typed(row: Mapping[str, Any]) -> dict[str, float | str | Missing]:
    """The probe can't import our Missing: its own carries the code."""
    return {name: value if isinstance(value, float | int | str) else Missing(value.code) for name, value in row.items()}


@contextmanager
def demo(nodes: int, scenario: str, seed: int) -> Iterator[DemoFleet]:
    """A simulated fleet for as long as the block runs. Raises ConfigError for what can't be simulated."""
    from collectors.simulator.fleet import start_demo  # noqa: PLC0415

    fleet = asyncio.run(start_demo(nodes, scenario, seed))
    try:
        yield fleet
    finally:
        asyncio.run(fleet.close())


def run_terminal(feed: Feed, context: str = "fleet", **chosen: Any) -> int:
    """Open the screens on a feed until the operator leaves them; the exit status of the program. `chosen`: what else
    tui.base.AppOptions takes.
    """
    os.environ.setdefault("TEXTUAL_FPS", "240")  # keys wait for the next paint: half the tail latency of the default 60
    sys.setswitchinterval(0.001)  # the collectors' thread hands over to a key within a millisecond
    one_arena()
    from tui.app import run  # noqa: PLC0415
    from tui.base import AppOptions  # noqa: PLC0415
    from tui.present.style import Palette  # noqa: PLC0415

    look, folder = Palette.from_environment(os.environ), state_folder(os.environ)
    options = AppOptions(context, palette=look, state_folder=folder, **chosen)
    return Exit.OK if run(feed, options) == 0 else Exit.INTERNAL
