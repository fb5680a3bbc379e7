"""How a board's load becomes power, heat, clocks and traffic, second by second. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from collectors.simulator.counter import Counter
from collectors.simulator.faults import Faults
from collectors.simulator.floor import NodePlan
from collectors.simulator.hardware import Board
from collectors.simulator.work import Doing, Job, noise

_HEATS_IN_SECONDS = 22.0
_CONTEXT_WATTS = 0.05  # share of the limit that an open context costs while nothing runs
_IDLE_CLOCK = 345
_DRAW_OVER_CLOCK = 1.8  # exponent
_HARD_MARGIN = -2.0  # °C beyond the slowdown point at which the hardware cuts clocks, and not the driver's software
IDLE, SET_CLOCKS, POWER_CAP, SLOWDOWN, SOFT_THERMAL, HARD_THERMAL, BRAKE = 0x1, 0x2, 0x4, 0x8, 0x20, 0x40, 0x80


@dataclass(slots=True)
class LinkState:
    """One scale-up link of which there is something to tell. `silence`: bytes that it missed while it was down."""

    errors: Counter = field(default_factory=Counter)
    silence: Counter = field(default_factory=Counter)


@dataclass(slots=True)
class BoardState:
    """One board. Energy in J, traffic in bytes; counters grow until the node starts anew."""

    temp: float
    power: float = 0.0
    util: float = 0.0
    mem_util: float = 0.0
    clock_sm: float = _IDLE_CLOCK
    throttle: int = IDLE
    memory_used: float = 0.0
    thermal_cap: float = 1.0  # share of the clock that its own temperature leaves it
    job: Job | None = None
    energy: Counter = field(default_factory=Counter)
    pcie_rx: Counter = field(default_factory=Counter)
    pcie_tx: Counter = field(default_factory=Counter)
    link_bytes: Counter = field(default_factory=Counter)  # in and out alike, of all scale-up links
    ecc_corrected: Counter = field(default_factory=Counter)
    short_of_power: Counter = field(default_factory=Counter)  # seconds in which its clocks were held down for power
    too_hot: Counter = field(default_factory=Counter)  # and for heat
    struck: dict[int, LinkState] = field(default_factory=dict)

    def counters(self) -> Iterator[Counter]:
        """All of them, in an order that stays."""
        yield from (self.energy, self.pcie_rx, self.pcie_tx, self.link_bytes, self.ecc_corrected)
        yield from (self.short_of_power, self.too_hot)
        for link in self.struck.values():
            yield from (link.errors, link.silence)


@dataclass(frozen=True, slots=True)
class Held:
    """What a board is held to: watts and MHz."""

    watts: float
    clock: float


def step_board(
    state: BoardState, plan: NodePlan, index: int, doing: Doing, faults: Faults, held: Held, t: float
) -> None:
    """One second under `doing`, with what is wrong, and held to what it was told."""
    board = plan.shape.board
    assert board is not None
    brake = faults.clock_caps.get(index, 1.0)
    set_to = min(faults.application_clocks.get(index, board.clock_sm), held.clock) / board.clock_sm
    _load(state, board, doing, min(brake, set_to, state.thermal_cap), held.watts)
    _heat(state, board, plan.inlet + 0.5 * index, faults.cooling.get(index, 1.0))
    state.throttle = _throttle(state, board, doing, brake, set_to, held.watts)
    state.short_of_power.step(float(state.throttle & POWER_CAP > 0))
    state.too_hot.step(float(state.throttle & (SOFT_THERMAL | HARD_THERMAL) > 0))
    _traffic(state, board, doing)
    _links(state, board, index, faults)
    _errors(state, plan.index, index, t)


def _load(state: BoardState, board: Board, doing: Doing, clock: float, limit: float) -> None:
    context = state.job is not None
    span = board.power_limit - board.idle_watts
    idle = board.idle_watts + (_CONTEXT_WATTS * span if context else 0.0)
    wanted = span * doing.draw * clock**_DRAW_OVER_CLOCK
    if wanted > 0 and idle + wanted > limit:
        clock *= (max(0.05 * wanted, limit - idle) / wanted) ** (1 / _DRAW_OVER_CLOCK)
    state.power = min(limit * 1.01, idle + span * doing.draw * clock**_DRAW_OVER_CLOCK)
    state.util = 100 * doing.busy
    state.mem_util = 62 * doing.draw * (doing.busy > 0)
    state.clock_sm = min(board.clock_sm, 15 * round(board.clock_sm * clock / 15)) if context else _IDLE_CLOCK
    free = board.memory_bytes - board.reserved_bytes
    state.memory_used = free * state.job.kind.memory * doing.memory if state.job else 0.0
    state.energy.step(state.power)


def _heat(state: BoardState, board: Board, inlet: float, worse: float) -> None:
    target = inlet + 3 + state.power * board.degrees_per_watt * worse
    state.temp += (target - state.temp) * (1 - math.exp(-1 / _HEATS_IN_SECONDS))
    margin = board.slowdown_at - state.temp
    if margin < 0:
        state.thermal_cap = max(0.3, state.thermal_cap - (0.012 if margin > _HARD_MARGIN else 0.06))
    elif margin > 2:
        state.thermal_cap = min(1.0, state.thermal_cap + 0.01)


def _throttle(state: BoardState, board: Board, doing: Doing, brake: float, set_to: float, limit: float) -> int:
    """What holds its clocks down, as NVML's clocks event reasons; `brake` and `set_to` are shares of its clock."""
    if state.job is None or doing.busy == 0:
        return IDLE
    bits = SET_CLOCKS if set_to < min(1.0, brake, state.thermal_cap) else 0
    if state.power > 0.97 * limit:
        bits |= POWER_CAP
    if state.thermal_cap < 1:
        bits |= SOFT_THERMAL
    if board.slowdown_at - state.temp < _HARD_MARGIN + 1:
        bits |= HARD_THERMAL | SLOWDOWN
    if brake < 1:
        bits |= BRAKE | SLOWDOWN
    return bits


def _traffic(state: BoardState, board: Board, doing: Doing) -> None:
    slot_speed = {4: 1.97e9, 5: 3.94e9, 6: 7.56e9}[board.pcie_gen] * 16
    state.pcie_rx.step(slot_speed * (0.0002 + 0.03 * doing.draw + 0.22 * doing.reading * (doing.memory > 0)))
    state.pcie_tx.step(slot_speed * (0.0001 + 0.02 * doing.draw + 0.15 * doing.writing))
    state.link_bytes.step(board.links * board.link_speed * doing.fabric)


def _links(state: BoardState, board: Board, index: int, faults: Faults) -> None:
    struck = {link for at, link in (*faults.links_down, *faults.link_errors) if at == index}
    for link in sorted(struck - set(state.struck)):
        state.struck[link] = LinkState()
    for number, link in state.struck.items():
        down = (index, number) in faults.links_down
        link.errors.step(faults.link_errors.get((index, number), 0.0))
        link.silence.step(state.link_bytes.rate / board.links if down else 0.0)


def _errors(state: BoardState, node: int, index: int, t: float) -> None:
    weak = noise(node, index, 77)  # a few boards correct an error every few minutes, the rest none
    if weak > 0.93 and noise(node, index, int(t)) < 0.008:
        state.ecc_corrected.add(1)
