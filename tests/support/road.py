"""A floor to act on that needs no machine: a synthetic fleet, hands with a node's memory, an action that sets a value.

The world is a file in spirit: it outlives the console that acts on it, so that a killed console can be followed by
another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import msgspec

from agents.action import Home, Parameter, Scene, done_in_order
from agents.book import LedgerBook
from agents.desk import Desk
from agents.harness import Harness
from agents.interlocks import Limits
from agents.plan import Asked, make_plan
from tests.support.frames import SyntheticFleet
from watchfloor.change import Command, Deed, Done, Effect, On, Origin, Place, Plan, Risk, Ruling, Seen, Step, Verdict
from watchfloor.errors import HandsError
from watchfloor.frame import Frame
from watchfloor.model import Scope, Subject
from watchfloor.playbook import Playbook
from watchfloor.ports import Floor, Hands
from watchfloor.records.leases import Leases
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Entry, Note, Party, Who

ANNA = Who(Party.PERSON, "anna")
PERMITTED = Verdict(Ruling.PERMIT, ("so it is",), ("test",))
USUAL = Limits()


class Killed(BaseException):
    """The console dies here, like by kill -9: nothing after it happens."""


@dataclass
class Nodes:
    """What is true of the nodes, and what they remember of operations. Outlives consoles."""

    values: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)  # every deed that was really done, in order
    kept: dict[str, Done] = field(default_factory=dict)
    fails: dict[str, Done] = field(default_factory=dict)  # by first word of the argv and node: how it ends instead
    deaf: set[str] = field(default_factory=set)  # deeds on these can't begin


@dataclass
class Points:
    """Where a console may be killed: counts the moments, and dies at one."""

    die_at: int = -1
    count: int = 0

    def pass_by(self) -> None:
        self.count += 1
        if self.count == self.die_at:
            raise Killed


class MemoryHands:
    """ports.Hands on `Nodes`: an operation is carried out once, whatever is asked."""

    def __init__(self, nodes: Nodes, points: Points) -> None:
        self._nodes, self._points = nodes, points

    async def do(self, deed: Deed, operation: str) -> Done:
        assert isinstance(deed, Command)
        if deed.place.name in self._nodes.deaf:
            raise HandsError("no connection", transient=True)
        self._points.pass_by()
        if operation not in self._nodes.kept:
            self._nodes.kept[operation] = self._done(deed)
        self._points.pass_by()
        return self._nodes.kept[operation]

    def _done(self, deed: Command) -> Done:
        word, name, value = deed.argv
        told = self._nodes.fails.pop(f"{word} {name}", None)
        if told is not None and told.exit_code is not None:
            return told
        self._nodes.log.append(f"{name}={value}")
        self._nodes.values[name] = value
        return told or Done(0, stdout="ok")

    async def recall(self, deed: Deed, operation: str) -> Done | None:
        if deed.place.name in self._nodes.deaf:
            raise HandsError("no connection", transient=True)
        return self._nodes.kept.get(operation)

    async def acknowledge(self, deed: Deed, operation: str) -> None:
        self._points.pass_by()
        self._nodes.kept.pop(operation, None)

    async def look(self, deed: Deed) -> Done:
        assert isinstance(deed, Command)
        return Done(0, stdout=self._nodes.values.get(deed.argv[1], ""))

    async def close(self) -> None: ...


class SetValue:
    """The action of these tests: it sets a value on a node, and looks whether it is there."""

    summary: ClassVar[str] = "set a value"
    risk: ClassVar[Risk] = Risk.REVERSIBLE
    scope: ClassVar[Scope] = Scope.NODE
    harms: ClassVar[str] = ""
    heals: ClassVar[bool] = False
    traceless: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, Parameter]] = {"value": Parameter("what it becomes")}
    why_not: str = ""

    def prepare(self, scene: Scene, step: Step) -> Step:
        name, value = step.target.node, str(step.parameters["value"])
        place = Place(On.NODE, name)
        return msgspec.structs.replace(
            step,
            deeds=(Command(place, ("set", name, value)),),
            undo=(Command(place, ("unset", name, "before")),),
            after={"value": value},
            verify_seconds=0.0,
        )

    def precheck(self, scene: Scene, step: Step) -> str:
        return self.why_not

    async def apply(self, step: Step, hands: Hands, operation: str) -> Sequence[Done]:
        return await done_in_order(step.deeds, hands, operation)

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        found = (await hands.look(step.deeds[0])).stdout
        if found == step.after["value"]:
            return Seen(Effect.TOOK, f"it is {found}", {"value": found})
        return Seen(Effect.NONE, f"it is {found or 'not set'}", {"value": found})


class Drain(SetValue):
    """Takes a node out."""

    risk: ClassVar[Risk] = Risk.TAKES_OUT


class StillFloor:
    """ports.Floor on a synthetic fleet: a later frame is one a second later."""

    def __init__(self, fleet: SyntheticFleet) -> None:
        self.fleet = fleet
        self._frame = self._made()

    def _made(self) -> Frame:
        return self.fleet.fleet.frame().with_findings(())

    def frame(self) -> Frame:
        return self._frame

    async def later(self, than: Frame) -> Frame:
        await asyncio.sleep(0)
        self.fleet.step(1)
        self._frame = self._made()
        return self._frame

    def ask_anew(self) -> None: ...


class NoHomes:
    def of_node(self, frame: Frame, node: str) -> Home | None:
        return None

    def of_job(self, frame: Frame, job: str) -> Home | None:
        return None


@dataclass(frozen=True)
class Count:
    approved: bool
    text: str = ""
    rejected: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()


@dataclass
class Road:
    """One console after another on one floor, one ledger and one set of nodes."""

    folder: Path
    nodes: Nodes = field(default_factory=Nodes)
    fleet: SyntheticFleet = field(default_factory=lambda: SyntheticFleet(faults=False))
    verdict: Verdict = PERMITTED
    approved: bool = False
    rejected: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    limits: Limits = USUAL
    actions: dict[str, SetValue] = field(default_factory=lambda: {"set_value": SetValue(), "drain": Drain()})
    points: Points = field(default_factory=Points)
    ids: int = 0

    def __post_init__(self) -> None:
        self.fleet.step(2)
        self.floor = StillFloor(self.fleet)
        self.ledger = Ledger(self.folder / "ledger.db", "console", clock=lambda: int(self.fleet.now * 1e9))
        self.leases = Leases(self.folder / "leases.db")
        self.book = LedgerBook(self.ledger)

    # ports.Clock

    def now(self) -> float:
        return self.fleet.now

    def monotonic(self) -> float:
        return self.fleet.now

    def console(
        self, holder: str = "one", points: Points | None = None, dead: str = "", notes: str = "here"
    ) -> Harness:
        points = points or self.points
        return Harness(
            Desk(
                _KillableBook(self.ledger, points),
                self.leases,
                self.floor,
                MemoryHands(self.nodes, points),
                lambda plan, frame: self.verdict,
                lambda plan, verdict, entries, now: Count(
                    self.approved, "1 of 1" if self.approved else "0 of 1", self.rejected, self.withdrawn
                ),
                self.actions,
                NoHomes(),
                self,
                self._new_id,
                holder,
                notes,
                lambda other: other == dead,
                self.limits,
            )
        )

    def _new_id(self) -> str:
        self.ids += 1
        return f"r{self.ids}"

    def scene(self) -> Scene:
        return Scene(self.floor.frame(), NoHomes())

    def planned(self, playbook: Playbook, *names: str) -> Plan:
        """Anna's plan for these nodes."""
        targets = [node(name) for name in names or ("dgx-01",)]
        return make_plan(playbook, targets, self.scene(), self.actions, Asked(ANNA, origin(), self.now()))

    def entries(self) -> list[Entry]:
        from watchfloor.records.ledgerreader import LedgerReader  # noqa: PLC0415

        with LedgerReader(self.ledger.path) as reader:
            return list(reader.entries())

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.entries()]

    def close(self) -> None:
        self.ledger.close()
        self.leases.close()


class _KillableBook(LedgerBook):
    """The ledger's book; the console may be killed right before an entry is written, and right after."""

    def __init__(self, ledger: Ledger, points: Points) -> None:
        super().__init__(ledger)
        self._points = points

    async def keep(self, note: Note) -> None:
        self._points.pass_by()
        await super().keep(note)
        self._points.pass_by()


def origin(text: str = "because") -> Origin:
    return Origin(text)


def node(name: str) -> Subject:
    return Subject(Scope.NODE, name)


def with_steps(plan: Plan, **changes: object) -> Plan:
    return msgspec.structs.replace(plan, **changes)


__all__ = ["ANNA", "Killed", "Nodes", "Points", "Road", "node", "origin", "replace", "with_steps"]
