"""sacct of the demo's Slurm: every node has it, as nodes of a cluster do."""

from __future__ import annotations

from collectors.simulator import scheduler
from collectors.simulator.hardware import Shape
from collectors.simulator.order import Ended, Order

PROGRAM = "sacct"


def on(shape: Shape) -> bool:
    return True


def act(order: Order) -> Ended:
    return scheduler.told(order)
