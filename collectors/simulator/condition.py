"""What was done to one node so far: settings that hold, what was mended, which processes were ended. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from collectors.probe import letting_go
from collectors.simulator.faults import Faults
from collectors.simulator.record import Done, Kind


@dataclass(slots=True)
class Condition:
    """By board, but for services and processes. Times in seconds since the start of the demo."""

    power_limits: dict[int, float] = field(default_factory=dict)
    clocks: dict[int, float] = field(default_factory=dict)  # MHz at the most
    persistence: dict[int, bool] = field(default_factory=dict)
    resets: dict[int, list[float]] = field(default_factory=dict)
    restarts: dict[str, list[float]] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)  # pids
    files: dict[str, str] = field(default_factory=dict)  # path -> text
    let_go: tuple[str, float] | None = None  # what monitors are asked by, and since when

    def take(self, one: Done) -> None:
        match one.kind:
            case Kind.POWER_LIMIT:
                self.power_limits[int(one.what)] = float(one.value)
            case Kind.CLOCK if one.value:
                self.clocks[int(one.what)] = float(one.value)
            case Kind.CLOCK:
                self.clocks.pop(int(one.what), None)
            case Kind.PERSISTENCE:
                self.persistence[int(one.what)] = one.value == "1"
            case Kind.RESET:
                self.resets.setdefault(int(one.what), []).append(one.at)
            case Kind.RESTART:
                self.restarts.setdefault(one.what, []).append(one.at)
            case Kind.KILL:
                self.ended.add(int(one.what))
            case Kind.LET_GO:
                self.let_go = (one.what, one.at)
            case Kind.FILE:
                self.files[one.what] = one.value
            case _:
                return

    def forget(self) -> None:
        """The node boots: what its driver was told is gone, and its processes with it; its files stay."""
        self.power_limits, self.clocks, self.persistence, self.ended = {}, {}, {}, set()
        self.let_go = None

    def lets_go(self, at: float) -> bool:
        """Whether monitors are asked not to hold the driver, and so don't, at this time."""
        text, since = self.let_go or ("", 0.0)
        return bool(letting_go.told(text, since, at))

    @property
    def mends(self) -> bool:
        return bool(self.resets or self.restarts)

    def mend(self, faults: Faults, struck: Callable[[float], Faults | None]) -> None:
        """Take away what was there already when it was mended. `struck`: how it was at a time, None: not at all."""
        for unit, times in self.restarts.items():
            if any((then := struck(at)) is not None and unit in then.services for at in times):
                faults.services.pop(unit, None)
        for board, times in self.resets.items():
            if any((then := struck(at)) is not None and board in then.xid for at in times):
                faults.xid.pop(board, None)
                faults.uncorrected.pop(board, None)
