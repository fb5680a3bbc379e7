"""What can be wrong with a simulated node, and the incidents that make it so. Pure functions of time.

An incident strikes one node, again and again: first at `first` seconds after the start, then `every` so many seconds,
each time for `lasts` seconds. A scenario is a way to place incidents on a floor; see the folder `scenarios`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import ClassVar

from collectors.simulator.floor import Floor, NodePlan
from collectors.simulator.work import Slot

CYCLE_SECONDS = 1800.0  # after which the whole demo repeats: a multiple of every incident's `every`


@dataclass(slots=True)
class Faults:
    """All that is wrong with one node at one instant."""

    cooling: dict[int, float] = field(default_factory=dict)  # board -> how many times worse it sheds heat
    lost: set[int] = field(default_factory=set)  # boards that fell off the bus
    xid: dict[int, int] = field(default_factory=dict)  # board -> XID that it has just raised
    links_down: set[tuple[int, int]] = field(default_factory=set)  # (board, NVLink)
    link_errors: dict[tuple[int, int], float] = field(default_factory=dict)  # (board, NVLink) -> errors a second
    ports_down: set[int] = field(default_factory=set)  # InfiniBand ports
    port_errors: dict[int, float] = field(default_factory=dict)  # port -> symbol errors a second
    clock_caps: dict[int, float] = field(default_factory=dict)  # board -> share of its clock
    held: dict[int, Slot] = field(default_factory=dict)  # board -> whose process holds it without using it
    application_clocks: dict[int, int] = field(default_factory=dict)  # board -> MHz that somebody has set
    unpersistent: set[int] = field(default_factory=set)  # boards whose persistence mode is off
    services: dict[str, str] = field(default_factory=dict)  # unit of systemd -> how it has failed, in systemd's word
    orphaned: set[int] = field(default_factory=set)  # boards whose process has lost its parent
    unkillable: set[int] = field(default_factory=set)  # boards whose process hangs in the kernel and doesn't end
    uncorrected: dict[int, int] = field(default_factory=dict)  # board -> memory errors that ECC couldn't mend
    stalled: set[int] = field(default_factory=set)  # boards whose job computes nothing
    driver_hung: bool = False
    down: bool = False  # off the network

    def add(self, more: Faults) -> None:
        """What else is wrong."""
        for name in _GATHERED:
            getattr(self, name).update(getattr(more, name))
        self.driver_hung |= more.driver_hung
        self.down |= more.down


_GATHERED = [one.name for one in fields(Faults) if one.type != "bool"]


@dataclass(frozen=True)
class Incident:
    """One thing that goes wrong, in time. Subclasses say what."""

    node: NodePlan
    first: float
    lasts: float
    every: float = 300.0
    ends_with_reboot: ClassVar[bool] = False  # whether starting its node anew ends it

    def since(self, t: float) -> float | None:
        """Seconds since it last began, None while it is not on."""
        if t < self.first:
            return None
        since = (t - self.first) % self.every
        return since if since < self.lasts else None

    def begun(self, t: float, after: float = 0.0) -> int:
        """How often the moment `after` seconds into it has come."""
        return max(0, int((t - self.first - after) // self.every) + 1)

    def faults_at(self, t: float) -> Faults:
        """What it does to its node at `t`."""
        faults, since = Faults(), self.since(t)
        if since is not None:
            self.strike(since, faults)
        return faults

    def strike(self, since: float, faults: Faults) -> None:
        """Add what is wrong with the node, `since` seconds into it."""
        raise NotImplementedError

    def pace(self, since: float) -> float:
        """How fast the jobs on this node go meanwhile, on all of their nodes: 1 is full speed, 0 has ended them."""
        return 1.0

    def kernel_lines(self) -> list[tuple[float, str]]:
        """What the node's kernel writes of it, as (seconds into it, line)."""
        return []

    def logged(self, t: float) -> list[tuple[float, str]]:
        """All lines that the kernel has written of it until `t`, with their times."""
        starts = [self.first + number * self.every for number in range(self.begun(t))]
        return [(start + since, line) for start in starts for since, line in self.kernel_lines() if start + since <= t]

    def boots(self, t: float) -> int:
        """How often it has made the node start anew."""
        return 0

    def story(self) -> list[tuple[float, str]]:
        """What a person can see, as (seconds into it, sentence)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Scenario:
    """`place` puts its incidents on a floor; none where no node suits. `look_for` tells a person what to look at.

    `supply`: the share of its power budget that a node has.
    """

    name: str
    summary: str
    look_for: str
    place: Callable[[Floor], Sequence[Incident]]
    supply: float = 1.0


def scenarios() -> Mapping[str, Scenario]:
    """Every scenario of the folder, by name."""
    from collectors.simulator import scenarios as folder  # noqa: PLC0415 - its modules import this one

    found = {}
    for module in pkgutil.iter_modules(folder.__path__):
        scenario: Scenario = importlib.import_module(f"{folder.__name__}.{module.name}").SCENARIO
        found[scenario.name] = scenario
    return found
