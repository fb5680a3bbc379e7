"""Everything that the harness works with, all of it given: the ledger, policy, approvals, leases, the floor, hands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agents.action import Action, Homes
from agents.holding import Holds
from agents.interlocks import Happened, Interlock, Limits, interlocks
from watchfloor.change import Plan, Verdict
from watchfloor.frame import Frame
from watchfloor.ports import Clock, Floor, Hands
from watchfloor.records.ledgerentry import Entry, Note
from watchfloor.runs import RunRecord

Judge = Callable[[Plan, Frame], Verdict]


class Tally(Protocol):
    """How the approvals of a plan stand, signatures and all."""

    def __call__(self, plan: Plan, verdict: Verdict, entries: Sequence[Entry], now: float) -> Count: ...


class Count(Protocol):
    @property
    def approved(self) -> bool: ...

    @property
    def rejected(self) -> Sequence[object]:
        """Who is against it: that holds it up, also where policy asks nobody."""
        ...

    @property
    def withdrawn(self) -> Sequence[object]:
        """Who took an approval back, and has said nothing since."""
        ...

    @property
    def text(self) -> str:
        """ "1 of 2: anna" — for a person."""
        ...


class Book(Protocol):
    """The ledger, as the harness needs it."""

    async def keep(self, note: Note) -> None:
        """Raises StoreError where it isn't on disk: nothing may be done then."""

    def run(self, run: str) -> RunRecord | None: ...

    def approvals(self, digest: str) -> Sequence[Entry]: ...

    def begun(self, digest: str) -> Sequence[str]:
        """The runs of a plan that have begun to act."""
        ...

    def happened(self, since: float) -> Sequence[Happened]: ...

    def stopped(self) -> str:
        """Why everything is stopped, "" where nothing is."""
        ...

    def breaker_closed_at(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that the harness works with."""

    book: Book
    leases: Holds
    floor: Floor
    hands: Hands
    judge: Judge
    tally: Tally
    actions: Mapping[str, Action]
    homes: Homes
    clock: Clock
    new_id: Callable[[], str]
    holder: str  # this process, unique
    notes: str  # where the hands note which calls were sent: nobody else remembers them
    is_dead: Callable[[str], bool] = lambda holder: False  # whether the process of a lease is surely gone
    limits: Limits = field(default_factory=Limits)
    interlocks: Mapping[str, Interlock] = field(default_factory=interlocks)
    changes: Callable[[], Iterable[Note]] = tuple  # what decides has changed: to be on record before it decides
    grounds: Callable[[], Mapping[str, str]] = dict  # besides policy, by what it is decided: facts of `decided`
