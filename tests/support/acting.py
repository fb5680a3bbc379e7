"""What tests of actions need: scenes of given jobs, nodes and boards; hands that record and reply, or that run here.

Hands that run here keep what came of each operation, as the real ones do: a console that is killed is played by asking
anew with the same operation.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from agents.action import Action, Scene, actions
from agents.homes import KnownHomes
from watchfloor.change import Command, Deed, Done, Request, Seen, Step, Target, Value
from watchfloor.errors import HandsError
from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.jobs.model import Job, JobSourceSpec, SchedulerNode, SourceAnswer, SourceState, SourceStatus
from watchfloor.jobs.roll import Roll
from watchfloor.model import Missing, NodeSpec, NodeStatus, Phase, Scope
from watchfloor.records.ledgerclean import clean
from watchfloor.report import Cells, Hello, Report, Schema, Table

NOW = 1_800_000_000.0
Values = Mapping[str, float | str | Missing]
Reply = Callable[[Deed], Done]


def answer(
    *, jobs: Sequence[Job] = (), nodes: Sequence[SchedulerNode] = (), kind: str = "slurm", version: str = "22.05.8",
    name: str = "lab", at: float = NOW, state: SourceState = SourceState.OK,
) -> SourceAnswer:  # fmt: skip
    status = SourceStatus(name, kind, state, at=at, period_seconds=5.0, version=version)
    return SourceAnswer(status, tuple(jobs), tuple(nodes))


@dataclass(frozen=True)
class Machine:
    """One node as its probe tells of it; `boards` by key. `silent`: it was heard once, and is no longer; `heard`: or
    it never was."""

    name: str = "n1"
    boards: Mapping[str, Values] = field(default_factory=dict)
    host: Values = field(default_factory=dict)
    details: Mapping[str, bytes] = field(default_factory=dict)
    boot_id: str = "boot-1"
    silent: bool = False
    services: Mapping[str, Values] = field(default_factory=dict)
    heard: bool = True


def frame_of(machines: Sequence[Machine], *answers: SourceAnswer, at: float = NOW) -> Frame:
    """A picture through the real fleet and the real roll of jobs."""
    fleet = Fleet([NodeSpec(one.name) for one in machines], lambda: at)
    for index, machine in enumerate(machines):
        if machine.heard:
            _introduce(fleet, index, machine, at)
    fleet.tick()
    frame, roll = fleet.frame(), Roll()
    for one in answers:
        roll.answer(one)
    return replace(frame, jobs=roll.frame(frame))


def _introduce(fleet: Fleet, index: int, machine: Machine, at: float) -> None:
    fleet.status(index, NodeStatus(Phase.LIVE, since=at))
    fleet.hello(index, Hello(1, machine.name, machine.boot_id, at, "0" * 64), at)
    rows = {"node": {"": machine.host}, "accelerator": machine.boards, "service": machine.services}
    metrics = {scope: sorted({name for row in told.values() for name in row}) for scope, told in rows.items()}
    fleet.schema(index, Schema(1, {scope: Table(list(told), metrics[scope]) for scope, told in rows.items()}))
    cells = {scope: _cells(list(told.values()), metrics[scope]) for scope, told in rows.items()}
    details = {name: msgspec.Raw(raw) for name, raw in machine.details.items()}
    fleet.report(index, Report(1, 1, at, True, cells, details=details), at)
    if machine.silent:
        fleet.status(index, NodeStatus(Phase.BACKOFF, since=at))


def _cells(rows: Sequence[Values], metrics: Sequence[str]) -> Cells:
    found = Cells()
    for row, values in enumerate(rows):
        for column, name in enumerate(metrics):
            found.put(row * len(metrics) + column, values.get(name, Missing.UNSUPPORTED))
    return found


def scene_of(frame: Frame, **options: Mapping[str, str]) -> Scene:
    """`options` of the sources of jobs, by their names."""
    known = frame.jobs.sources
    specs = {one.name: JobSourceSpec(one.name, one.kind, options=options.get(one.name, {})) for one in known}
    return Scene(frame, KnownHomes(specs))


def bare(action: str, target: Target, **parameters: Value) -> Step:
    """A step as planners begin it."""
    return Step("s1", action, target, actions()[action].risk, actions()[action].summary, parameters=parameters)


def prepared(scene: Scene, action: str, target: Target, **parameters: Value) -> tuple[Action, Step]:
    """Raises CannotPrepare."""
    known = actions()[action]
    step = known.prepare(scene, bare(action, target, **parameters))
    kept = msgspec.convert(json.loads(clean(msgspec.to_builtins(step, str_keys=True))), Step)
    assert kept == step, "the ledger keeps it otherwise: something in it is taken for a secret, or cut"
    return known, step


def node(name: str = "n1") -> Target:
    return Target(Scope.NODE, name)


def job(key: str) -> Target:
    return Target(Scope.JOB, "", key)


def board(key: str, name: str = "n1") -> Target:
    return Target(Scope.ACCELERATOR, name, key)


# -- hands


def words(deed: Deed) -> str:
    """What is done, on one line."""
    if isinstance(deed, Request):
        return f"{deed.method} {deed.path}"
    return " ".join(word for word in deed.words if not word.startswith(("LC_ALL=", "SLURM_")) and word != "env")


@dataclass
class FakeHands:
    """Records what it is asked to do and to look at, and answers as `reply` says; by default all ends well."""

    reply: Reply = field(default=lambda deed: Done(0))
    done: list[Deed] = field(default_factory=list)
    seen: list[Deed] = field(default_factory=list)
    kept: dict[str, Done] = field(default_factory=dict)

    async def do(self, deed: Deed, operation: str) -> Done:
        if operation not in self.kept:
            self.done.append(deed)
            self.kept[operation] = self.reply(deed)
        return self.kept[operation]

    async def recall(self, deed: Deed, operation: str) -> Done | None:
        return self.kept.get(operation)

    async def acknowledge(self, deed: Deed, operation: str) -> None:
        self.kept.pop(operation, None)

    async def look(self, deed: Deed) -> Done:
        self.seen.append(deed)
        return self.reply(deed)

    async def close(self) -> None: ...


def replies(*pairs: tuple[str, str | Done]) -> Reply:
    """By the first pair whose text is in the words of the deed; all else ends well and says nothing."""

    def reply(deed: Deed) -> Done:
        for part, what in pairs:
            if part in words(deed):
                return what if isinstance(what, Done) else Done(0, what)
        return Done(0)

    return reply


def deaf(_: Deed) -> Done:
    raise HandsError("no answer from the place")


class LocalHands(FakeHands):
    """Runs commands on this machine, wherever they belong; each operation once."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._environment = {**os.environ, **(environment or {})}

    async def do(self, deed: Deed, operation: str) -> Done:
        if operation not in self.kept:
            self.done.append(deed)
            self.kept[operation] = await self._run(deed)
        return self.kept[operation]

    async def look(self, deed: Deed) -> Done:
        self.seen.append(deed)
        return await self._run(deed)

    async def _run(self, deed: Deed) -> Done:
        assert isinstance(deed, Command)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *deed.argv, stdin=pipe, stdout=pipe, stderr=pipe, env=self._environment
        )
        async with asyncio.timeout(deed.timeout_seconds):
            out, errors = await process.communicate(deed.stdin.encode())
        return Done(process.returncode, out.decode("utf-8", "replace"), errors.decode("utf-8", "replace"))


@dataclass
class FakeFloor:
    """Frames in their order; the last one stays."""

    frames: list[Frame] = field(default_factory=list)
    asked: int = 0

    def frame(self) -> Frame:
        return self.frames[0]

    async def later(self, than: Frame) -> Frame:
        if len(self.frames) > 1:
            self.frames.pop(0)
        return self.frames[0]

    def ask_anew(self) -> None:
        self.asked += 1


async def seen(action: Action, step: Step, hands: FakeHands, floor: FakeFloor | None = None) -> Seen:
    return await action.observe(step, hands, floor or FakeFloor())


class KubeHands(FakeHands):
    """Sends requests to one API server; each operation once, until it is acknowledged."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self._url, self._context = url, context

    async def do(self, deed: Deed, operation: str) -> Done:
        if operation not in self.kept:
            self.done.append(deed)
            self.kept[operation] = await asyncio.to_thread(self._send, deed)
        return self.kept[operation]

    async def look(self, deed: Deed) -> Done:
        self.seen.append(deed)
        return await asyncio.to_thread(self._send, deed)

    def _send(self, deed: Deed) -> Done:
        assert isinstance(deed, Request)
        data = json.dumps(deed.body).encode() if deed.body else None
        headers = {"Content-Type": deed.content_type}
        asked = urllib.request.Request(self._url + deed.path, data, headers, method=deed.method)
        try:
            with urllib.request.urlopen(asked, context=self._context, timeout=deed.timeout_seconds) as told:
                return Done(0, told.read().decode())
        except urllib.error.HTTPError as error:
            return Done(error.code, error.read().decode(), f"HTTP {error.code}", transient=error.code in (409, 429))
