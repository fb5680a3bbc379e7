"""What the simulated driver's answers have in common: the board, its state, and the error for what it can't do."""

from __future__ import annotations

import pynvml

from collectors.simulator.board_physics import BoardState
from collectors.simulator.hardware import Board
from collectors.simulator.machine import Machine

NOT_SUPPORTED = pynvml.NVML_ERROR_NOT_SUPPORTED


def board_of(machine: Machine) -> Board:
    board = machine.plan.shape.board
    assert board is not None
    return board


def state_of(machine: Machine, index: int) -> BoardState:
    return machine.boards[index]


def datacenter_board(machine: Machine) -> Board:
    """The board; raises NotSupported on consumer boards."""
    board = board_of(machine)
    if not board.datacenter:
        raise pynvml.NVMLError(NOT_SUPPORTED)
    return board
