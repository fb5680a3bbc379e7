"""A few nodes of a demo without its clock: real samplers on simulated worlds, a second at a time, into a real Fleet.

What takes a demo minutes takes a test seconds, and nothing hangs on when a thread wakes up: a sampler answers before
the next one is asked, and waits for nothing. One that hangs in the driver is begun anew when the driver is well again.
Schedulers aren't asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from collectors import archive
from collectors.probe import main
from collectors.probe.agenda import Agenda
from collectors.probe.assembly import Assembly
from collectors.probe.cells import Board
from collectors.probe.runner import Runner
from collectors.simulator.faults import Faults, Incident
from collectors.simulator.floor import Floor, NodePlan
from collectors.simulator.machine import Machine
from collectors.simulator.streams import Stream
from collectors.simulator.world import SimulatedWorld
from watchfloor import checks, report
from watchfloor.findings import FindingLog
from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.model import NodeSpec, NodeStatus, Phase, Problem

BEGAN_AT = 1_800_000_000.0


class Hangs(BaseException):
    """A call into the driver doesn't come back: no sampler may take it for an error."""


class World(SimulatedWorld):
    """A simulated world at a time that is moved from outside."""

    def __init__(self, floor: Floor, plan: NodePlan, incidents: Sequence[Incident], at: float) -> None:
        self.at = at
        super().__init__(Machine(floor, plan, incidents), lambda: self.at, BEGAN_AT)
        self._driver._sleep = self._wait

    @property
    def faults(self) -> Faults:
        return self.present().faults

    def _wait(self, seconds: float) -> None:
        if self.faults.driver_hung:
            raise Hangs

    def monotonic(self) -> float:
        return self.at

    def now(self) -> float:
        return BEGAN_AT + self.at + self._machine.plan.skew

    def start(self, argv: list[str]) -> Any:
        stream = super().start(argv)
        return Stream(stream._make, stream._period, self.monotonic, lambda seconds: None)


class Node:
    """One node with its probe, which is begun anew whenever the node was off the network."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._agenda: Agenda | None = None
        self._hanging: list[Runner] = []

    def stop(self) -> None:
        self._agenda, self._hanging = None, []

    def lines(self) -> Iterator[dict[str, Any]]:
        """What the probe writes at this tick."""
        full = self._agenda is None
        if self._agenda is None:
            kinds = main.samplers([f"collectors.{name}" for name in archive.read_modules()])
            self._board = Board()
            runners = [Runner(name, kind, self.world, self._board, _nobody_waits) for name, kind in kinds.items()]
            self._agenda, self._assembly = Agenda(runners), Assembly(runners)
            yield main.hello(self.world, sorted(kinds), "0" * 64)
        answered = self._answered(self._agenda)
        schema = self._assembly.renew(answered)
        if schema is not None:
            yield schema
        yield self._assembly.report(self.world.now(), full or schema is not None, 1.0)

    def _answered(self, agenda: Agenda) -> list[Runner]:
        """Those that were due, then who speaks of the processes that they found, and those that hang for too long."""
        answered: list[Runner] = []
        due, self._hanging = self._hanging + agenda.take(self.world.at + 0.5), []
        while due:
            done = [runner for runner in due if self._ran(runner)]
            agenda.put(done)
            answered += done
            self._pass_on_holders(done)
            due = agenda.take(self.world.at + 0.5)
        return answered + [runner for runner in self._hanging if runner.judge(self.world.at)]

    def _ran(self, runner: Runner) -> bool:
        if runner.busy and self.world.faults.driver_hung:
            self._hanging.append(runner)
            return False
        if not runner.busy:
            runner.begin(self.world.at, 1.0)
        try:
            runner.run("1")
        except Hangs:
            self._hanging.append(runner)
        return runner.collect()

    def _pass_on_holders(self, answered: list[Runner]) -> None:
        for runner in answered:
            if runner.reading is not None and runner.reading.holders is not None:
                self._board.holders = {**self._board.holders, runner.name: runner.reading.holders}


class ForwardedDemo:
    """Some nodes of a floor with what happens to them; `step` moves all of it by a second."""

    def __init__(self, floor: Floor, incidents: Sequence[Incident], nodes: Sequence[NodePlan]) -> None:
        self.at = 0.0
        self._nodes = [Node(World(floor, plan, incidents, self.at)) for plan in nodes]
        specs = [NodeSpec(plan.name, "127.0.0.1", rack=plan.rack, group=plan.shape.name) for plan in nodes]
        self.fleet = Fleet(specs, lambda: BEGAN_AT + self.at, 1.0)
        self.log = FindingLog()

    def step(self) -> Frame:
        """The next second, with what the checks say of it."""
        self.at += 1.0
        for index, node in enumerate(self._nodes):
            node.world.at = self.at
            self._speak(index, node)
        self.fleet.tick()
        frame = self.fleet.frame()
        found = frame.with_findings(checks.run(frame))
        self.log.update(found)
        return found

    def _speak(self, index: int, node: Node) -> None:
        now = BEGAN_AT + self.at
        if node.world.faults.down:
            node.stop()
            self.fleet.status(
                index, NodeStatus(Phase.BACKOFF, Problem.REFUSED, "connection refused", "", now, now + 1, 1)
            )
            return
        for line in node.lines():
            said = report.decode(json.dumps(line).encode())
            if isinstance(said, report.Hello):
                self.fleet.hello(index, said, now)
                self.fleet.status(index, NodeStatus(Phase.LIVE, since=now, attempts=1, via="probe"))
            elif isinstance(said, report.Schema):
                self.fleet.schema(index, said)
            elif isinstance(said, report.Report):
                self.fleet.report(index, said, now)


def _nobody_waits(runner: Runner) -> None:
    """A report comes when all have answered."""
