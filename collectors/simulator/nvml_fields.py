"""Field values of the simulated driver (nvmlDeviceGetFieldValues): field id -> number, None where unsupported."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pynvml

from collectors.simulator.hardware import Board
from collectors.simulator.machine import Machine

ALL_LINKS = 0xFFFFFFFF
_KIB = 1024
_MEGABYTE = 1_000_000
_GRACE_WATTS = 190.0


def field_value(machine: Machine, index: int, field: int, scope: int) -> int | None:
    board = machine.plan.shape.board
    answer = _ANSWERS.get(field)
    if answer is None or board is None:
        return None
    value = answer(machine, board, index, scope)
    return None if value is None else int(value)


_Answer = Callable[[Machine, Board, int, int], float | None]


def _memory_temp(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    return round(machine.boards[index].temp + 8) if board.memory_sensor else None


def _link_count(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    return board.links or None


def _link_speed(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    if not board.links:
        return None
    return 0 if (index, scope) in machine.faults.links_down else board.link_speed / _MEGABYTE


def _link_state(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    return int((index, scope) not in machine.faults.links_down) if scope < board.links else None


def _nvlink_bytes(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    if not board.links or (scope != ALL_LINKS and scope >= board.links):
        return None
    state = machine.boards[index]
    total = machine.now(state.link_bytes)
    if scope == ALL_LINKS:
        return total
    link = state.struck.get(scope)
    return total / board.links - (machine.now(link.silence) if link else 0.0)


def _nvlink_kib(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    counted = _nvlink_bytes(machine, board, index, scope)
    return None if counted is None else counted / _KIB


def _link_errors(share: float) -> _Answer:
    def answer(machine: Machine, board: Board, index: int, scope: int) -> float | None:
        if scope >= board.links:
            return None
        link = machine.boards[index].struck.get(scope)
        return machine.now(link.errors) * share if link else 0

    return answer


def _mended(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    """Blocks with one broken symbol: a few in every gigabyte, many on a link that is struck."""
    counted = _nvlink_bytes(machine, board, index, scope)
    if counted is None:
        return None
    struck = machine.boards[index].struck.get(scope)
    return counted / 2e9 + (20 * machine.now(struck.errors) if struck else 0.0)


def _none(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    return 0 if scope < board.links else None


def _pcie(name: str) -> _Answer:
    def answer(machine: Machine, board: Board, index: int, scope: int) -> float | None:
        return machine.now(getattr(machine.boards[index], name)) if board.byte_counters else None

    return answer


def _recovery(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    return int(index in machine.faults.uncorrected) if board.byte_counters else None  # drivers of Hopper and newer


def _milliwatts(name: str) -> _Answer:
    def answer(machine: Machine, board: Board, index: int, scope: int) -> float | None:
        return 1000 * getattr(board, name)

    return answer


def _power_limit(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    return 1000 * machine.power_limit(index)


def _power(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    own = machine.boards[index].power
    if scope == pynvml.NVML_POWER_SCOPE_MODULE:  # two GPUs and their CPU
        beside = machine.boards[index ^ 1].power
        return 1000 * (own + beside + _GRACE_WATTS) if "GB200" in board.model else None
    return 1000 * own if scope == pynvml.NVML_POWER_SCOPE_GPU else None


def _held_down(name: str) -> _Answer:
    """Nanoseconds."""

    def answer(machine: Machine, board: Board, index: int, scope: int) -> float | None:
        return 1e9 * machine.now(getattr(machine.boards[index], name))

    return answer


def _from_nvlink_5(answer: _Answer) -> _Answer:
    return lambda machine, board, index, scope: answer(machine, board, index, scope) if is_nvlink_5(board) else None


def _until_nvlink_4(answer: _Answer) -> _Answer:
    return lambda machine, board, index, scope: None if is_nvlink_5(board) else answer(machine, board, index, scope)


def is_nvlink_5(board: Board) -> bool:
    return "B200" in board.model


def _bit_error_rate(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    """Mantissa in bits 8 to 11, negative exponent below: 15e-255 where nothing was ever wrong."""
    if scope >= board.links:
        return None
    struck = machine.boards[index].struck.get(scope)
    return 0x3 << 8 | 8 if struck and struck.errors.rate else 0xF << 8 | 255


def _energy(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    return 1000 * machine.now(machine.boards[index].energy)


_ANSWERS: Mapping[int, _Answer] = {
    pynvml.NVML_FI_DEV_MEMORY_TEMP: _memory_temp,
    pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION: _energy,
    pynvml.NVML_FI_DEV_NVLINK_LINK_COUNT: _link_count,
    pynvml.NVML_FI_DEV_NVLINK_GET_SPEED: _link_speed,
    pynvml.NVML_FI_DEV_NVLINK_GET_STATE: _link_state,
    pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX: _nvlink_kib,
    pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX: _nvlink_kib,
    pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_RAW_TX: _nvlink_kib,
    pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_RAW_RX: _nvlink_kib,
    pynvml.NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES: _from_nvlink_5(_nvlink_bytes),
    pynvml.NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES: _from_nvlink_5(_nvlink_bytes),
    pynvml.NVML_FI_DEV_NVLINK_ERROR_DL_CRC: _until_nvlink_4(_link_errors(1.0)),
    pynvml.NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY: _until_nvlink_4(_link_errors(0.3)),
    pynvml.NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY: _until_nvlink_4(_link_errors(0.01)),
    pynvml.NVML_FI_DEV_NVLINK_COUNT_SYMBOL_ERRORS: _from_nvlink_5(_link_errors(1.0)),
    pynvml.NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_ERRORS: _from_nvlink_5(_link_errors(0.1)),
    pynvml.NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS: _from_nvlink_5(_link_errors(0.2)),
    pynvml.NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS: _from_nvlink_5(_link_errors(0.01)),
    pynvml.NVML_FI_DEV_NVLINK_COUNT_XMIT_DISCARDS: _from_nvlink_5(_link_errors(0.0)),
    pynvml.NVML_FI_DEV_NVLINK_PLR_XMIT_RETRY_BLOCKS: _from_nvlink_5(_link_errors(0.3)),
    pynvml.NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_BER: _from_nvlink_5(_bit_error_rate),
    pynvml.NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_1: _from_nvlink_5(_mended),
    **{pynvml.NVML_FI_DEV_NVLINK_COUNT_FEC_HISTORY_1 + more: _from_nvlink_5(_none) for more in range(1, 15)},
    pynvml.NVML_FI_DEV_PERF_POLICY_POWER: _held_down("short_of_power"),
    pynvml.NVML_FI_DEV_PERF_POLICY_THERMAL: _held_down("too_hot"),
    pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES: _pcie("pcie_rx"),
    pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES: _pcie("pcie_tx"),
    pynvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION: _recovery,
    pynvml.NVML_FI_DEV_POWER_AVERAGE: _power,
    pynvml.NVML_FI_DEV_POWER_INSTANT: _power,
    pynvml.NVML_FI_DEV_POWER_MIN_LIMIT: _milliwatts("power_min"),
    pynvml.NVML_FI_DEV_POWER_MAX_LIMIT: _milliwatts("power_limit"),
    pynvml.NVML_FI_DEV_POWER_CURRENT_LIMIT: _power_limit,
}
