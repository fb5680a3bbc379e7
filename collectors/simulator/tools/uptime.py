"""uptime of simulated nodes."""

from __future__ import annotations

import time

from collectors.simulator.hardware import Shape
from collectors.simulator.order import Ended, Order

PROGRAM = "uptime"


def on(shape: Shape) -> bool:
    return True


def act(order: Order) -> Ended:
    machine = order.machine
    minutes = int(machine.time - machine.booted_at) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    load = ", ".join(f"{value:.2f}" for value in machine.host.load)
    clock = time.strftime("%H:%M:%S", time.gmtime(order.wall))
    return Ended(out=f" {clock} up {days} days, {hours:2d}:{minutes % 60:02d},  0 users,  load average: {load}\n")
