"""scancel of the demo's Slurm."""

from __future__ import annotations

from collectors.simulator import scheduler_control
from collectors.simulator.hardware import Shape
from collectors.simulator.order import Ended, Order

PROGRAM = "scancel"


def on(shape: Shape) -> bool:
    return True


def act(order: Order) -> Ended:
    return scheduler_control.cancel(order)
