"""scontrol of the demo's Slurm: what it shows, and what it changes."""

from __future__ import annotations

from collectors.simulator import scheduler, scheduler_control
from collectors.simulator.hardware import Shape
from collectors.simulator.order import Ended, Order

PROGRAM = "scontrol"


def on(shape: Shape) -> bool:
    return True


def act(order: Order) -> Ended:
    return scheduler_control.control(order) or scheduler.told(order)
