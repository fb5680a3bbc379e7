"""What runs hold while they are carried out: all that they change, a place of their playbook, and the turn to act."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

from agents.carrying import Held
from watchfloor.change import Plan, Risk
from watchfloor.ports import Clock
from watchfloor.records.leases import Lease

LEASE_SECONDS = 60.0
_RENEW_SECONDS = 15.0
_TURN = "the beginning of an act"
_TURN_SECONDS, _TURN_POLL_SECONDS, _TURN_POLLS = 15.0, 0.01, 3000


class Holds(Protocol):
    """The leases (watchfloor.records.leases)."""

    def take(self, targets: Sequence[str], run: str, holder: str, now: float, seconds: float) -> list[Lease]: ...

    def renew(self, run: str, holder: str, now: float, seconds: float) -> bool: ...

    def held(self, targets: Sequence[str], run: str, holder: str, now: float) -> bool: ...

    def release(self, run: str, holder: str) -> None: ...

    def all(self) -> list[Lease]: ...


class Holding:
    """Of one console. `holder`: its process, unique; `is_dead`: whether the process of a lease is surely gone."""

    def __init__(self, leases: Holds, clock: Clock, holder: str, is_dead: Callable[[str], bool]) -> None:
        self._leases, self._clock, self._holder, self._is_dead = leases, clock, holder, is_dead
        self._carried: set[str] = set()  # runs that are carried out here and now
        self._turn = asyncio.Lock()

    @contextmanager
    def all_of(self, plan: Plan, run: str) -> Iterator[str]:
        """Yields what holds it up, "" where all are ours."""
        if run in self._carried:
            yield f"run {run} is carried out here already"
            return
        self._carried.add(run)
        try:
            others = self._taken(plan, run)
            try:
                yield "; ".join(f"{lease.target} is held by run {lease.run}" for lease in others)
            finally:
                if not others:
                    self._leases.release(run, self._holder)
        finally:
            self._carried.discard(run)

    def _taken(self, plan: Plan, run: str) -> list[Lease]:
        """What others hold of it; [] where all is taken, and one of the playbook's places where these are counted."""
        wanted = _targets(plan, run)
        places = [f"{plan.playbook}, place {place + 1} of {plan.at_once}" for place in range(plan.at_once)]
        others: list[Lease] = []
        for place in places or [""]:
            others = self._take([*wanted, place] if place else wanted, run)
            if not others or any(lease.target != place for lease in others):
                return others
        return others

    def _take(self, targets: Sequence[str], run: str, seconds: float = LEASE_SECONDS) -> list[Lease]:
        """As Leases.take; what a dead process left behind holds nothing up."""
        others = self._leases.take(targets, run, self._holder, self._clock.now(), seconds)
        dead = [lease for lease in others if self._is_dead(lease.holder)]
        if not dead:
            return others
        for lease in dead:
            self._leases.release(lease.run, lease.holder)
        return self._leases.take(targets, run, self._holder, self._clock.now(), seconds)

    async def renewed(self, run: str, lost: asyncio.Event) -> None:
        while not lost.is_set():
            await asyncio.sleep(_RENEW_SECONDS)
            if not self._leases.renew(run, self._holder, self._clock.now(), LEASE_SECONDS):
                lost.set()

    def lost(self, plan: Plan, run: str, lost: asyncio.Event) -> str:
        held = not lost.is_set() and self._leases.held(_targets(plan, run), run, self._holder, self._clock.now())
        return "" if held else "the lease was lost to another console"

    @asynccontextmanager
    async def turn(self, run: str) -> AsyncIterator[None]:
        """From the look at what holds an act back until its intent is on disk, no other act begins, at any console:
        else of two that are within the bounds alone, neither sees the other."""
        name = f"{run} begins an act"
        async with self._turn:
            for _ in range(_TURN_POLLS):
                if not self._take([_TURN], name, _TURN_SECONDS):
                    break
                await asyncio.sleep(_TURN_POLL_SECONDS)
            else:
                raise Held("lease", "another console has been about to begin an act for too long")
            try:
                yield
            finally:
                self._leases.release(name, self._holder)


def _targets(plan: Plan, run: str) -> list[str]:
    """What a run holds: itself, so that nobody else goes on with it, and all that it changes."""
    changed = {str(step.target) for step in plan.steps if step.risk > Risk.READ}
    nodes = {step.target.node for step in plan.steps if step.risk > Risk.READ and step.target.node}
    return [f"run {run}", *sorted(changed | nodes)]
