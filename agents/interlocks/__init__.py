"""Interlocks: safety rules that no policy lifts. A module each, found by itself; all are asked before every act.

`holds_back(case)` says why it must not be done now, "" where it may. Pure: what an interlock knows is in its case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules

from watchfloor.change import Plan, Step
from watchfloor.frame import Frame
from watchfloor.records.leases import Lease


@dataclass(frozen=True, slots=True)
class Limits:
    """What the interlocks hold to; `limits.yaml` may tighten or widen them, nothing turns one off."""

    fresh_seconds: float = 30.0  # the oldest telemetry of a target that an act may rest on
    scheduler_fresh_seconds: float = 120.0
    rack_nodes: int = 1  # taken out of one rack at a time by runs
    rack_share: float = 0.25  # or this share of a rack, where that is more
    group_share: float = 0.1
    healthy_share: float = 0.7  # of all accelerators, that must stay
    breaker_failures: int = 3  # within
    breaker_acts: int = 20  # that take nodes out, within
    breaker_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Happened:
    """One act or outcome of the past, for whoever counts."""

    at: float
    kind: str  # "took-out" a node, "failed" or "unverified" a run
    node: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What is about to be done: `step` None is the plan as a whole, before it is decided on."""

    plan: Plan
    step: Step | None
    frame: Frame
    now: float
    run: str = ""
    stopped: str = ""  # why everything is stopped
    breaker_closed_at: float = 0.0  # when a person closed it last
    happened: Sequence[Happened] = ()
    leases: Sequence[Lease] = ()
    holder: str = ""
    limits: Limits = field(default_factory=Limits)

    @property
    def steps(self) -> Sequence[Step]:
        return self.plan.steps if self.step is None else (self.step,)


Interlock = Callable[[Case], str]  # why it must not be done now


def interlocks() -> dict[str, Interlock]:
    names = sorted(found.name for found in iter_modules(__path__) if not found.name.startswith("_"))
    return {name: import_module(f"{__name__}.{name}").holds_back for name in names}


def held_back(case: Case, among: Mapping[str, Interlock]) -> dict[str, str]:
    """Interlock -> why; one that fails holds everything back."""
    found: dict[str, str] = {}
    for name, interlock in among.items():
        try:
            why = interlock(case)
        except Exception as error:  # a safety rule that can't be asked is no leave to act
            why = f"this interlock failed: {type(error).__name__}: {error}"
        if why:
            found[name] = why
    return found
