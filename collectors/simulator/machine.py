"""One simulated node as it changes over time: boards, ports, disks, counters. No clock, no I/O.

The state at second t follows from (floor, incidents, what was done until then, t) alone, so that a probe that starts
late, on a node that was rebooted, sees what one from the start would have seen. It is stepped a second at a time; who
starts late replays one cycle and multiplies it.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from collectors.simulator.board_physics import BoardState, Held, step_board
from collectors.simulator.condition import Condition
from collectors.simulator.counter import Counter
from collectors.simulator.faults import CYCLE_SECONDS, Faults, Incident
from collectors.simulator.floor import Floor, NodePlan
from collectors.simulator.record import Record
from collectors.simulator.story import Story
from collectors.simulator.work import IDLE, Doing, Job, Slot, noise

WARM_UP_SECONDS = 90  # stepped before the start, so that temperatures begin where they belong
_GIB = 2**30
_STORAGE_READ, _STORAGE_WRITE = 0.9e9, 0.7e9  # bytes a second and board


@dataclass(slots=True)
class Port:
    """One InfiniBand or RoCE port. `data` in bytes, in and out alike."""

    data: Counter = field(default_factory=Counter)
    symbol_errors: Counter = field(default_factory=Counter)
    downs: Counter = field(default_factory=Counter)
    down: bool = False


@dataclass(slots=True)
class Host:
    """The host. Disks and network in bytes, processors in seconds."""

    up: Counter = field(default_factory=Counter)
    cpu_busy: Counter = field(default_factory=Counter)
    cpu_wait: Counter = field(default_factory=Counter)
    disk_read: Counter = field(default_factory=Counter)
    disk_write: Counter = field(default_factory=Counter)
    net_rx: Counter = field(default_factory=Counter)
    net_tx: Counter = field(default_factory=Counter)
    load: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    memory_used: float = 0.0
    wait_share: float = 0.0
    blocked: int = 0


class Machine:
    """`at(t)` brings it to `t` seconds after the start of the demo; then read its fields. Time may not go back."""

    def __init__(
        self, floor: Floor, plan: NodePlan, incidents: Sequence[Incident], record: Record | None = None
    ) -> None:
        """`record`: what was done; whoever brings the machine to a time has it looked at."""
        self.plan = plan
        self.story = Story(incidents, record)
        self.condition = Condition()
        self._taken = 0  # of what was done
        self.time = 0.0
        self.faults = Faults()
        self.boots = 0
        self.booted_at = -86_400.0 * (2 + 40 * noise(floor.seed, plan.index, 1))
        self.jobs: list[Job] = []
        self.floor = floor
        self.all_incidents = incidents
        self._second = -WARM_UP_SECONDS
        self._reset()

    def _reset(self) -> None:
        shape = self.plan.shape
        self.ports = [Port() for _ in range(shape.ib_ports + shape.roce_ports)]
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
        self._take(t)
        self.faults = self.faults_at(t)
        return self

    def _take(self, t: float) -> None:
        """What was done to this node until then."""
        done = self.story.record.done
        while self._taken < len(done) and done[self._taken].at <= t:
            if done[self._taken].node == self.plan.index:
                self.condition.take(done[self._taken])
            self._taken += 1

    def _skip(self, t: float) -> None:
        """Replay one whole cycle, and count it as often as it fits before `t`."""
        self.at(max(CYCLE_SECONDS, self._second))  # the first one has a beginning, and is unlike the others
        boots, before = self.boots, [counter.value for counter in self._counters()]
        self.at(self._second + CYCLE_SECONDS)
        times = int((t - self._second) // CYCLE_SECONDS)
        if self.boots == boots:
            for counter, old in zip(self._counters(), before, strict=True):  # every link was struck in the first cycle
                counter.add((counter.value - old) * times)
        self._second += int(times * CYCLE_SECONDS)

    def _counters(self) -> Iterator[Counter]:
        """All of them, in an order that stays."""
        host = self.host
        yield from (host.up, host.cpu_busy, host.cpu_wait, host.disk_read, host.disk_write, host.net_rx, host.net_tx)
        for port in self.ports:
            yield from (port.data, port.symbol_errors, port.downs)
        for board in self.boards:
            yield from board.counters()

    # -- what is wrong, and who works

    @property
    def incidents(self) -> list[Incident]:
        """Those of this node."""
        return [incident for incident in self.all_incidents if incident.node.index == self.plan.index]

    def faults_at(self, t: float) -> Faults:
        faults = Faults(down=self.story.is_down(self.plan.index, t))
        for incident in self.incidents:
            since = self.story.since(incident, t)
            if since is None:
                continue
            struck = _struck(incident, since)
            if self.condition.mends:
                self.condition.mend(struck, lambda at, began=t - since, one=incident: _then(one, at - began))
            faults.add(struck)
        return faults

    def running(self, slot: Slot, t: float) -> tuple[Job | None, float]:
        """The job in a place and its pace; no job where one of its nodes, or somebody, has ended it."""
        job, pace = slot.job(t), 1.0
        for incident in self.all_incidents:
            if job is None or incident.node.index not in slot.nodes:
                continue
            since = self.story.since(incident, t)
            if since is not None:
                pace *= incident.pace(since)
            elif incident.pace(incident.lasts - 0.01) == 0.0 and t >= incident.first:  # it had ended: begun again since
                ended = t - (t - incident.first) % incident.every + incident.lasts
                job = replace(job, started=max(job.started, min(ended, t)))
        if job is not None and self.story.concerns(job, names := self.names(slot)):
            told = self.story.tries(job, names, t)
            runs = bool(told) and told[-1].state == "RUNNING"
            return (replace(job, started=told[-1].start), pace) if runs else (None, 0.0)
        return (job, pace) if pace > 0 else (None, 0.0)

    def names(self, slot: Slot) -> list[str]:
        """Of the nodes of a place."""
        return [self.floor.nodes[index].name for index in slot.nodes]

    @property
    def boot_id(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.plan.name}.boot{self.boots}.watchfloor"))

    # -- settings

    def power_limit(self, index: int) -> float:
        """Watts that a board may draw."""
        board = self.plan.shape.board
        assert board is not None
        return self.condition.power_limits.get(index, board.power_limit)

    # -- one second

    def _step(self, t: float) -> None:
        self._take(t)
        boots = self.story.boots(self.plan.index, t)
        if boots != self.boots:
            self.boots, self.booted_at = boots, t
            self.condition.forget()
            self._reset()
        faults = self.faults_at(t)
        doings = self._assign(t, faults)
        for index, board in enumerate(self.boards):
            if index not in faults.lost:
                held = Held(self.power_limit(index), self.condition.clocks.get(index, math.inf))
                step_board(board, self.plan, index, doings[index], faults, held, t)
        self._step_host(t, doings, faults)
        self._step_ports(doings, faults)

    def _assign(self, t: float, faults: Faults) -> list[Doing]:
        """Give every board its job of this second, and what the job does to it."""
        doings = [IDLE] * len(self.boards)
        self.jobs = []
        for board in self.boards:
            board.job = None
        for slot in self.floor.slots_on(self.plan.index):
            job, pace = self.running(slot, t)
            if job is not None:
                self._occupy(job, slot.boards, pace, doings, t)
        for index in faults.stalled:
            doings[index] = replace(IDLE, memory=doings[index].memory)
        for index, slot in faults.held.items():
            job = slot.job(t)
            if job is not None:
                self._occupy(job, (index,), 1.0, doings, t)
        return doings

    def _occupy(self, job: Job, boards: Sequence[int], pace: float, doings: list[Doing], t: float) -> None:
        self.jobs.append(job)
        for index in boards:
            if job.pid(self.plan.index, index) in self.condition.ended:
                continue
            self.boards[index].job = job
            doing = job.doing(t, self.plan.index, index)
            doings[index] = doing if pace == 1.0 else replace(doing, draw=doing.draw * pace, fabric=doing.fabric * pace)

    def _step_host(self, t: float, doings: Sequence[Doing], faults: Faults) -> None:
        shape, host = self.plan.shape, self.host
        per_board = 1 / max(1, shape.boards)
        reading = sum(doing.reading for doing in doings) * per_board
        writing = sum(doing.writing for doing in doings) * per_board
        busy = 0.012 + 0.02 * noise(self.floor.seed, self.plan.index, int(t)) + 0.14 * per_board * sum(
            0.3 + doing.draw for doing in doings if doing.memory
        )  # fmt: skip
        host.wait_share = 0.002 + 0.05 * max(0.0, writing - 0.05) + 0.02 * max(0.0, reading - 0.1)
        host.blocked = int(8 * writing * (shape.boards > 0)) + (2 if faults.driver_hung else 0)
        runnable = busy * shape.cpus + host.blocked
        for index, minutes in enumerate((1, 5, 15)):
            host.load[index] += (runnable - host.load[index]) * (1 - math.exp(-1 / (60 * minutes)))
        host.memory_used = 14 * _GIB + sum(42 * _GIB * doing.memory for doing in doings)
        host.up.step(1.0)
        host.cpu_busy.step(busy * shape.cpus)
        host.cpu_wait.step(host.wait_share * shape.cpus)
        read, written = _STORAGE_READ * reading * shape.boards, _STORAGE_WRITE * writing * shape.boards
        host.disk_read.step(2e6 + read)
        host.disk_write.step(4e6 + written)
        host.net_rx.step(3e6 + 0.6 * read)
        host.net_tx.step(2e6 + 0.6 * written)

    def _step_ports(self, doings: Sequence[Doing], faults: Faults) -> None:
        speed = self.plan.shape.ib_speed * 1e9 / 8
        spread = any(len(job.slot.nodes) > 1 for job in self.jobs)
        share = sum(doing.fabric for doing in doings) / max(1, len(doings)) * (1.0 if spread else 0.01)
        for number, port in enumerate(self.ports):
            was_down, port.down = port.down, number in faults.ports_down
            port.downs.add(port.down and not was_down)
            port.data.step(0.0 if port.down else share * speed * (0.94 + 0.005 * number))
            port.symbol_errors.step(faults.port_errors.get(number, 0.0))

    def now(self, counter: Counter) -> float:
        """The value of one of its counters at the time that it was brought to."""
        return counter.after(max(0.0, self.time - self._second))


def _struck(incident: Incident, since: float) -> Faults:
    faults = Faults()
    incident.strike(since, faults)
    return faults


def _then(incident: Incident, since: float) -> Faults | None:
    """How it was before, None where it had not begun."""
    return _struck(incident, since) if since >= 0 else None
