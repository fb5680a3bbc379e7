"""`watchfloor watch` over a simulated fleet, in this process: a trial's folder, the daemon's watchman, what it tells.

A test names the playbooks that watch, and where it can't wait, the durations of them that differ in its own copy.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents.harness import Decision
from agents.runner import Result
from agents.triggers import Incident, NotDone
from collectors.simulator.fleet import DemoFleet, start_demo
from collectors.simulator.record import FILE, Done, Kind, Record
from tests.support.parts import ROOT
from tests.support.patience import PATIENCE_SECONDS
from watchfloor import lineagebook, trial
from watchfloor.acting import Post, post
from watchfloor.change import Outcome
from watchfloor.checks import held_unused
from watchfloor.checks._idleness import Idleness
from watchfloor.commands.approve import signed
from watchfloor.frame import Frame
from watchfloor.jobs.config import Work
from watchfloor.ledgerfollower import LedgerFollower
from watchfloor.model import NodeSpec
from watchfloor.places import ledger_file
from watchfloor.records.ledgerentry import Party, Who
from watchfloor.repertoire import usable
from watchfloor.runs import RunRecord
from watchfloor.signing import keygen

WATCH = Who(Party.SERVICE, "watch", on_behalf_of="tester")
Durations = Mapping[str, str]  # a line of the shipped playbook -> of the copy


class Told:
    """What the watchman tells, in order; `wait` for what comes."""

    def __init__(self) -> None:
        self.refused: list[NotDone] = []
        self.proposals: list[Decision] = []
        self.ends: list[tuple[RunRecord, Result]] = []
        self._news = asyncio.Event()

    def refrained(self, one: NotDone) -> None:
        self.refused.append(one)
        self._news.set()

    def proposed(self, incident: Incident, decision: Decision) -> None:
        self.proposals.append(decision)
        self._news.set()

    def freed(self, decision: Decision) -> None: ...

    def ended(self, run: RunRecord, result: Result) -> None:
        self.ends.append((run, result))
        self._news.set()

    async def until(self, so: Callable[[], bool], watching: asyncio.Task[None]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not so():
                self._news.clear()
                news = asyncio.create_task(self._news.wait())
                await asyncio.wait([news, watching], return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                if watching.done():
                    watching.result()


@dataclass
class Stage:
    """A fleet that is watched."""

    fleet: DemoFleet
    at: Post
    told: Told = field(default_factory=Told)
    watching: asyncio.Task[None] = field(init=False, repr=False)

    async def run_of(self, playbook: str, number: int = 1) -> RunRecord:
        """So many runs of a playbook are waited for; the last of them must have succeeded."""

        def ends() -> list[tuple[RunRecord, Result]]:
            return [end for end in self.told.ends if end[0].plan is not None and end[0].plan.playbook == playbook]

        await self.told.until(lambda: len(ends()) >= number, self.watching)
        run, result = ends()[number - 1]
        assert result.outcome is Outcome.SUCCEEDED, f"{result.outcome}: {result.text}"
        found = self.at.book.run(run.run)
        assert found is not None
        return found

    async def proposal_of(self, playbook: str) -> Decision:
        await self.told.until(lambda: any(one.plan.playbook == playbook for one in self.told.proposals), self.watching)
        return next(one for one in self.told.proposals if one.plan.playbook == playbook)

    async def refusal_of(self, playbook: str, why: str) -> NotDone:
        def found() -> list[NotDone]:
            return [one for one in self.told.refused if (one.playbook, one.why) == (playbook, why)]

        await self.told.until(lambda: bool(found()), self.watching)
        return found()[0]

    async def seen(self, so: Callable[[Frame], bool]) -> Frame:
        frame = self.at.floor.frame()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not so(frame):
                frame = await self.at.floor.later(frame)
        return frame

    def done(self) -> list[tuple[str, str]]:
        """What was done to nodes and Slurm of the simulation, whoever did it: kind and what."""
        return [(str(one.kind), one.what) for one in self._record().done if one.kind != Kind.SKIP]

    def limits_set(self, node: str) -> dict[int, list[float]]:
        """The power limits that its boards were given, in order."""
        index = next(at for at, spec in enumerate(self.fleet.specs) if spec.name == node)
        found: dict[int, list[float]] = {}
        for one in self._record().done:
            if (one.kind, one.node) == (Kind.POWER_LIMIT, index):
                found.setdefault(int(one.what), []).append(float(one.value))
        return found

    def lineage(self, name: str) -> str:
        """What happened to it, from the demo's lineage and the trial's ledger."""
        assert self.fleet.work.lineage is not None
        with lineagebook.opened(self.fleet.work.lineage) as book:
            return book.report(name, time.time(), ledger=LedgerFollower(ledger_file()).look()).text()

    def end(self, job: str) -> None:
        """Its owner ends it."""
        record = self._record()
        record.add(Done(record.elapsed(time.time(), self.fleet.began_at), Kind.CANCEL, what=job))

    def _record(self) -> Record:
        record = Record(self.fleet.service.folder / FILE)
        record.look()
        return record


def permitted(*playbooks: str) -> str:
    """Cedar by which the daemon does what these playbooks say."""
    names = ", ".join(f'"{name}"' for name in playbooks)
    return f"""
@id("trial")
@explain("in this trial the daemon may do what these playbooks say")
permit (principal == Service::"watch", action, resource)
when {{ [{names}].contains(context.playbook) }};
"""


def states(run: RunRecord) -> dict[str, str]:
    """What became of its steps, by action."""
    return {step.action: str(record.state) for step, record in run.of_plan()}


async def repaired(stage: Stage, node: str) -> None:
    """The incident takes the node down for repair, and it comes back."""
    (incident,) = stage.fleet.incidents
    stage.fleet.skip_to(incident.first + incident.lasts - 25.0)
    await stage.seen(lambda frame: not frame.live[frame.node_index[node]])
    stage.fleet.skip_to(incident.first + incident.lasts - 15.5)
    await stage.seen(lambda frame: bool(frame.live[frame.node_index[node]]))


def unused_after(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """A board counts as unused after so long instead of a quarter of an hour."""
    monkeypatch.setattr(held_unused, "limit", lambda code, key, unit: seconds)
    monkeypatch.setattr(held_unused, "_idleness", Idleness(seconds))
    monkeypatch.setattr("watchfloor.checks._idleness.COARSE_SECONDS", 1)


async def signed_by_colleague(monkeypatch: pytest.MonkeyPatch, folder: Path, run: str) -> None:
    """The other person of the trial approves."""
    key = trial.environment(folder / "act", trial.COLLEAGUE)["WATCHFLOOR_KEY"]
    monkeypatch.setenv("WATCHFLOOR_KEY", key)
    assert "1 of 1: colleague" in await asyncio.to_thread(signed, "approve", run, "nobody answers", keygen)


@asynccontextmanager
async def watched(made: AbstractAsyncContextManager[DemoFleet], playbooks: Iterable[str]) -> AsyncIterator[Stage]:
    """A demo with one console that watches it."""
    async with made as fleet, console(fleet, playbooks) as stage:
        yield stage


@asynccontextmanager
async def demo(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    scenario: str,
    playbooks: Mapping[str, Durations],
    *,
    nodes: int = 1,
    ahead: float = 0.0,
    policy: str = "",
) -> AsyncIterator[DemoFleet]:
    """A demo, and the folder of a trial for its consoles. `policy`: Cedar beside the shipped ones."""
    fleet = await start_demo(nodes, scenario, folder=folder / "demo", ahead_seconds=ahead)
    try:
        _settle(folder / "act", monkeypatch, fleet, playbooks, policy)
        yield fleet
    finally:
        await fleet.close()


@asynccontextmanager
async def console(
    fleet: DemoFleet,
    playbooks: Iterable[str],
    known_as: Callable[[NodeSpec], NodeSpec] = lambda spec: spec,
    work: Work | None = None,
    when: Callable[[Frame], bool] = lambda frame: True,
) -> AsyncIterator[Stage]:
    """One that watches by these playbooks; what ran before, it knows from the ledger.

    `known_as`: how its fleet file has a node; `work`: its sources of jobs, where that isn't the demo's Slurm; `when`:
    in the first complete frame of which this is so, it begins to watch.
    """
    known = usable()
    async with post([known_as(spec) for spec in fleet.specs], work or fleet.work) as at:
        await at.until(lambda frame: _complete(frame) and when(frame), PATIENCE_SECONDS)
        stage = Stage(fleet, at)
        watchman = at.watchman(WATCH, {name: known[name] for name in playbooks}, stage.told, "trial")
        stop = asyncio.Event()
        stage.watching = asyncio.create_task(watchman.watch(stop, "test", PATIENCE_SECONDS))
        try:
            yield stage
        finally:
            stop.set()
            with suppress(asyncio.CancelledError):
                await stage.watching


def _settle(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fleet: DemoFleet, playbooks: Mapping[str, Durations], policy: str
) -> None:
    trial.prepare(folder, "", fleet.desk_url)
    for name, value in trial.environment(folder, trial.YOU).items():
        monkeypatch.setenv(name, value)
    own = folder / "config" / "watchfloor"
    (own / "policies").mkdir()
    (own / "policies" / "own.cedar").write_text(policy)
    (own / "playbooks").mkdir()
    for name, durations in playbooks.items():
        if durations:
            (own / "playbooks" / f"{name}.yaml").write_text(_copy(name, durations))


def _copy(name: str, durations: Durations) -> str:
    text = (ROOT / "playbooks" / f"{name}.yaml").read_text("utf-8")
    for shipped, other in durations.items():
        assert text.count(shipped) == 1 and shipped.partition(":")[0] == other.partition(":")[0]
        text = text.replace(shipped, other)
    return text


def _complete(frame: Frame) -> bool:
    """Every node has told of its boards and services, and Slurm of its nodes."""
    live = all(bool(one) for one in frame.live)
    boards = frame.accelerators
    told = boards.count > 0 and all((boards.reasons(name) == 0).all() for name in ("power_limit", "temp_margin", "job"))
    return live and told and bool(frame.jobs.scheduler)
