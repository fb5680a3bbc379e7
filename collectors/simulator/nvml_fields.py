"""Field values of the simulated driver (nvmlDeviceGetFieldValues): field id -> number, None where unsupported."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pynvml

from collectors.simulator.hardware import Board
from collectors.simulator.machine import Machine

ALL_LINKS = 0xFFFFFFFF
_KIB = 1024
_MEGABYTE = 1_000_000


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


def _pcie(name: str) -> _Answer:
    def answer(machine: Machine, board: Board, index: int, scope: int) -> float | None:
        return machine.now(getattr(machine.boards[index], name)) if board.byte_counters else None

    return answer


def _recovery(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    return 0 if board.byte_counters else None  # drivers of Hopper and newer


def _milliwatts(name: str) -> _Answer:
    def answer(machine: Machine, board: Board, index: int, scope: int) -> float | None:
        return 1000 * getattr(board, name)

    return answer


def _power(machine: Machine, board: Board, index: int, scope: int) -> float | None:
    return 1000 * machine.boards[index].power


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
    pynvml.NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES: _nvlink_bytes,
    pynvml.NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES: _nvlink_bytes,
    pynvml.NVML_FI_DEV_NVLINK_ERROR_DL_CRC: _link_errors(1.0),
    pynvml.NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY: _link_errors(0.3),
    pynvml.NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY: _link_errors(0.01),
    pynvml.NVML_FI_DEV_NVLINK_COUNT_SYMBOL_ERRORS: _link_errors(1.0),
    pynvml.NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_ERRORS: _link_errors(0.1),
    pynvml.NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS: _link_errors(0.2),
    pynvml.NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS: _link_errors(0.01),
    pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES: _pcie("pcie_rx"),
    pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES: _pcie("pcie_tx"),
    pynvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION: _recovery,
    pynvml.NVML_FI_DEV_POWER_AVERAGE: _power,
    pynvml.NVML_FI_DEV_POWER_INSTANT: _power,
    pynvml.NVML_FI_DEV_POWER_MIN_LIMIT: _milliwatts("power_min"),
    pynvml.NVML_FI_DEV_POWER_MAX_LIMIT: _milliwatts("power_limit"),
    pynvml.NVML_FI_DEV_POWER_CURRENT_LIMIT: _milliwatts("power_limit"),
}
