"""What an action is: one named change, its parameters and risk, and the five things that it can be asked.

An action is one module of `agents/actions` with a class `Action`; its file's name is its own. It decides nothing of
whether it may be done: `agents/harness.py` is the only one that calls `apply`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from pkgutil import iter_modules
from typing import ClassVar, Protocol

import msgspec

from watchfloor.change import Deed, Done, Risk, Seen, Step, Value
from watchfloor.errors import HandsError, WatchfloorError
from watchfloor.frame import Frame
from watchfloor.lineage.checkpoints import Checkpoint
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands


class Kind(StrEnum):
    """Of a parameter."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Parameter:
    """`default` None: it must be given. `least` and `most` bound a number; `choices` a text."""

    summary: str
    kind: Kind = Kind.TEXT
    default: Value | None = None
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    longest: int = 200


@dataclass(frozen=True, slots=True)
class Home:
    """Where the work of a node, or of a job, is scheduled."""

    name: str  # of the source of jobs
    kind: str  # slurm, kubernetes, ray
    node: str = ""  # the node as the scheduler calls it
    options: Mapping[str, str] = field(default_factory=dict)  # of the source: bin, conf, cluster …


class Homes(Protocol):
    """Which scheduler has what."""

    def of_node(self, frame: Frame, node: str) -> Home | None: ...

    def of_job(self, frame: Frame, job: str) -> Home | None: ...


@dataclass(frozen=True, slots=True)
class Saved:
    """The checkpoints that a job is known to have made, the oldest first; `trouble`: why nobody could look."""

    made: Sequence[Checkpoint] = ()
    trouble: str = ""


def nothing_saved(job: str) -> Saved:
    """Where no lineage is kept."""
    return Saved()


@dataclass(frozen=True, slots=True)
class Scene:
    """What an action may know when it prepares or checks itself. `saved`: what lineage tells of a job, by its id; `who`
    asks for the plan, "" where none is made."""

    frame: Frame
    homes: Homes
    saved: Callable[[str], Saved] = nothing_saved
    who: str = ""


class CannotPrepare(WatchfloorError):
    """This action can't be done to this target as things are: why, and what would help."""


class Action(Protocol):
    """One named change. Everything but `apply` and `observe` is pure."""

    summary: ClassVar[str]
    risk: ClassVar[Risk]
    scope: ClassVar[Scope]  # of its targets
    harms: ClassVar[str]  # what becomes of the jobs on its target: "requeued", "slowed"; "" where nothing does
    heals: ClassVar[bool]  # makes something healthy again: an open circuit breaker lets it pass
    traceless: ClassVar[bool]  # leaves nothing to be seen (a message): the end of its deeds is the word that counts
    parameters: ClassVar[Mapping[str, Parameter]]

    def prepare(self, scene: Scene, step: Step) -> Step:
        """`step` has key, action, target and parameters; what comes back has the rest: deeds, before, after, undo.

        Raises CannotPrepare.
        """
        ...

    def precheck(self, scene: Scene, step: Step) -> str:
        """Why it must not be done now, on the newest frame; "" where nothing speaks against it."""
        ...

    async def apply(self, step: Step, hands: Hands, operation: str) -> Sequence[Done]:
        """Do it: usually `done_in_order`. What follows a deed that failed has only tidied up."""
        ...

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        """Whether it took effect. Looks, and changes nothing; also asked after a stop that left that in doubt."""
        ...


def sudo_rules(action: Action) -> tuple[str, ...]:
    """What sudoers must allow on the nodes: program and arguments as sudoers has them, regular expressions between ^
    and $ (sudo 1.9.10 and newer)."""
    return tuple(getattr(action, "sudo_rules", ()))


def preparing(action: Action) -> int:
    """How many deeds at the beginning only make room for what follows, and pass by themselves: where a later one fails,
    nothing was changed by them."""
    return int(getattr(action, "preparing", 0))


async def done_in_order(deeds: Sequence[Deed], hands: Hands, operation: str) -> list[Done]:
    """One after the other; the first that doesn't end well is the last. Raises HandsError where the first can't begin:
    of a later one that is its end, for what was done before must not be forgotten."""
    results: list[Done] = []
    for number, deed in enumerate(deeds):
        name = f"{operation}.{number}"
        try:
            done = msgspec.structs.replace(await hands.do(deed, name), operation=name)
        except HandsError as error:
            if not results:
                raise
            done = Done(1, stderr=str(error), operation=name, transient=error.transient)
        results.append(done)
        if not done.ok:
            break
    return results


def actions() -> dict[str, Action]:
    """Every action there is, by the name of its file."""
    from agents import actions as room  # noqa: PLC0415

    names = sorted(found.name for found in iter_modules(room.__path__) if not found.name.startswith("_"))
    return {name: import_module(f"agents.actions.{name}").Action() for name in names}
