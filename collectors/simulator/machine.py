"""One simulated node as it changes over time: boards, ports, disks, counters. No clock, no I/O.

The state at second t follows from (floor, incidents, t) alone, so that a probe that starts late, on a node that was
rebooted, sees what one from the start would have seen. It is stepped a second at a time; a late starter replays one
cycle and multiplies it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

from collectors.simulator.board_physics import BoardState, step_board
from collectors.simulator.faults import CYCLE_SECONDS, Faults, Incident
from collectors.simulator.floor import Floor, NodePlan
from collectors.simulator.work import IDLE, Doing, Job, Slot, noise

WARM_UP_SECONDS = 90  # stepped before the start, so that temperatures begin where they belong
_GIB = 2**30
_STORAGE_READ, _STORAGE_WRITE = 0.9e9, 0.7e9  # bytes a second and board


@dataclass(slots=True)
class Counters:
    """What only grows between two boots; bytes, unless the name says otherwise."""

    seconds: float = 0.0
    cpu_busy_seconds: float = 0.0
    cpu_wait_seconds: float = 0.0
    disk_read: float = 0.0
    disk_write: float = 0.0
    net_rx: float = 0.0
    net_tx: float = 0.0
    port_bytes: list[float] = field(default_factory=list)
    port_downs: list[float] = field(default_factory=list)
    port_symbol_errors: list[float] = field(default_factory=list)
    port_rates: list[float] = field(default_factory=list)  # B/s, now

    @classmethod
    def zero(cls, ports: int) -> Counters:
        counters = cls()
        for name in (*_PORT_COUNTERS, "port_rates"):
            setattr(counters, name, [0.0] * ports)
        return counters


@dataclass(slots=True)
class Host:
    """Gauges of the host."""

    load: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    memory_used: float = 0.0
    wait_share: float = 0.0
    blocked: int = 0


class Machine:
    """`at(t)` brings it to `t` seconds after the start of the demo; then read its fields. Time may not go back."""

    def __init__(self, floor: Floor, plan: NodePlan, incidents: Sequence[Incident]) -> None:
        self.plan = plan
        self.time = 0.0
        self.faults = Faults()
        self.boots = 0
        self.booted_at = -86_400.0 * (2 + 40 * noise(floor.seed, plan.index, 1))
        self.jobs: list[Job] = []
        self._floor = floor
        self._incidents = incidents
        self._second = -WARM_UP_SECONDS
        self._ports_down: set[int] = set()
        self._reset()

    def _reset(self) -> None:
        shape = self.plan.shape
        self.counters = Counters.zero(shape.ib_ports + shape.roce_ports)
        self.host = Host()
        self.boards = [BoardState(temp=self.plan.inlet + 8) for _ in range(shape.boards)]

    # -- time

    def at(self, t: float) -> Machine:
        """Itself, at `t`. About 0.1 ms for each second passed."""
        if t - self._second > 3 * CYCLE_SECONDS:
            self._skip(t)
        while self._second + 1 <= t:
            self._second += 1
            self._step(float(self._second))
        self.time = t
        self.faults = self.faults_at(t)
        return self

    def _skip(self, t: float) -> None:
        """Replay one whole cycle, and count it as often as it fits before `t`."""
        self.at(max(CYCLE_SECONDS, self._second))  # the first one has a beginning, and is unlike the others
        before = self._snapshot()
        self.at(self._second + CYCLE_SECONDS)
        times = int((t - self._second) // CYCLE_SECONDS)
        if times > 0 and self.boots == before[2]:
            _extrapolate(self.counters, before[0], times)
            for board, old in zip(self.boards, before[1], strict=True):
                _extrapolate(board, old, times)
        self._second += int(times * CYCLE_SECONDS)

    def _snapshot(self) -> tuple[Counters, list[BoardState], int]:
        ports = {name: list(getattr(self.counters, name)) for name in _PORT_COUNTERS}
        boards = [
            replace(board, link_errors=dict(board.link_errors), link_silence=dict(board.link_silence))
            for board in self.boards
        ]
        return replace(self.counters, **ports), boards, self.boots

    # -- what is wrong, and who works

    def faults_at(self, t: float) -> Faults:
        faults = Faults()
        for incident in self._incidents:
            since = incident.since(t)
            if since is not None and incident.node.index == self.plan.index:
                incident.strike(since, faults)
        return faults

    def running(self, slot: Slot, t: float) -> tuple[Job | None, float]:
        """The job in a place and its pace; no job where one of its nodes has ended it."""
        job, pace = slot.job(t), 1.0
        for incident in self._incidents:
            if job is None or incident.node.index not in slot.nodes:
                continue
            since = incident.since(t)
            if since is not None:
                pace *= incident.pace(since)
            elif incident.pace(incident.lasts - 0.01) == 0.0 and t >= incident.first:  # it had ended: begun again since
                ended = t - (t - incident.first) % incident.every + incident.lasts
                job = replace(job, started=max(job.started, ended))
        return (job, pace) if pace > 0 else (None, 0.0)

    # -- one second

    def _step(self, t: float) -> None:
        boots = sum(incident.boots(t) for incident in self._incidents if incident.node.index == self.plan.index)
        if boots != self.boots:
            self.boots, self.booted_at = boots, t
            self._reset()
        faults = self.faults_at(t)
        doings = self._assign(t, faults)
        for index, board in enumerate(self.boards):
            if index not in faults.lost:
                step_board(board, self.plan, index, doings[index], faults, t)
        self._step_host(t, doings, faults)
        self._step_ports(doings, faults)

    def _assign(self, t: float, faults: Faults) -> list[Doing]:
        """Give every board its job of this second, and what the job does to it."""
        doings = [IDLE] * len(self.boards)
        self.jobs = []
        for board in self.boards:
            board.job = None
        for slot in self._floor.slots_on(self.plan.index):
            job, pace = self.running(slot, t)
            if job is not None:
                self._occupy(job, slot.boards, pace, doings, t)
        for index, slot in faults.held.items():
            job = slot.job(t)
            if job is not None:
                self._occupy(job, (index,), 1.0, doings, t)
        return doings

    def _occupy(self, job: Job, boards: Sequence[int], pace: float, doings: list[Doing], t: float) -> None:
        self.jobs.append(job)
        for index in boards:
            self.boards[index].job = job
            doing = job.doing(t, self.plan.index, index)
            doings[index] = doing if pace == 1.0 else replace(doing, draw=doing.draw * pace, fabric=doing.fabric * pace)

    def _step_host(self, t: float, doings: Sequence[Doing], faults: Faults) -> None:
        shape, counters, host = self.plan.shape, self.counters, self.host
        per_board = 1 / max(1, shape.boards)
        reading = sum(doing.reading for doing in doings) * per_board
        writing = sum(doing.writing for doing in doings) * per_board
        busy = 0.012 + 0.02 * noise(self._floor.seed, self.plan.index, int(t)) + 0.14 * per_board * sum(
            0.3 + doing.draw for doing in doings if doing.memory
        )  # fmt: skip
        host.wait_share = 0.002 + 0.05 * max(0.0, writing - 0.05) + 0.02 * max(0.0, reading - 0.1)
        host.blocked = int(8 * writing * (shape.boards > 0)) + (2 if faults.driver_hung else 0)
        runnable = busy * shape.cpus + host.blocked
        for index, minutes in enumerate((1, 5, 15)):
            host.load[index] += (runnable - host.load[index]) * (1 - math.exp(-1 / (60 * minutes)))
        host.memory_used = 14 * _GIB + sum(42 * _GIB * doing.memory for doing in doings)
        counters.seconds += 1
        counters.cpu_busy_seconds += busy * shape.cpus
        counters.cpu_wait_seconds += host.wait_share * shape.cpus
        counters.disk_read += 2e6 + _STORAGE_READ * reading * shape.boards
        counters.disk_write += 4e6 + _STORAGE_WRITE * writing * shape.boards
        counters.net_rx += 3e6 + 0.6 * _STORAGE_READ * reading * shape.boards
        counters.net_tx += 2e6 + 0.6 * _STORAGE_WRITE * writing * shape.boards

    def _step_ports(self, doings: Sequence[Doing], faults: Faults) -> None:
        counters, shape = self.counters, self.plan.shape
        spread = any(len(job.slot.nodes) > 1 for job in self.jobs)
        per_port = sum(doing.fabric for doing in doings) / max(1, len(doings)) * (1.0 if spread else 0.01)
        for port in range(len(counters.port_bytes)):
            down = port in faults.ports_down
            counters.port_downs[port] += down and port not in self._ports_down
            counters.port_rates[port] = 0.0 if down else per_port * shape.ib_speed * 1e9 / 8 * (0.94 + 0.005 * port)
            counters.port_bytes[port] += counters.port_rates[port]
            counters.port_symbol_errors[port] += faults.port_errors.get(port, 0.0)
        self._ports_down = set(faults.ports_down)

    # -- derived, with the part of a second since the last step

    def grown(self, value: float, a_second: float) -> float:
        """A counter's value now, where it was `value` at the last step and grows by `a_second`."""
        return value + a_second * max(0.0, self.time - self._second)


_PORT_COUNTERS = ("port_bytes", "port_downs", "port_symbol_errors")
_NOT_COUNTERS = {
    "temp", "power", "util", "mem_util", "clock_sm", "throttle", "memory_used", "thermal_cap", "job", "pcie_rx_rate",
    "pcie_tx_rate", "nvlink_rate", "port_rates",
}  # fmt: skip


def _extrapolate(now: Counters | BoardState, before: Counters | BoardState, times: int) -> None:
    """Add to every counter of `now` `times` what it grew by since `before`."""
    for entry in fields(now):
        if entry.name in _NOT_COUNTERS:
            continue
        new, old = getattr(now, entry.name), getattr(before, entry.name)
        if isinstance(new, list):
            setattr(now, entry.name, [n + (n - o) * times for n, o in zip(new, old, strict=True)])
        elif isinstance(new, dict):
            setattr(now, entry.name, {key: value + (value - old.get(key, 0.0)) * times for key, value in new.items()})
        else:
            setattr(now, entry.name, new + (new - old) * times)
