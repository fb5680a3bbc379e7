"""journalctl of simulated nodes: the kernel's lines since the node booted."""

from __future__ import annotations

import time

from collectors.simulator import kernel_log
from collectors.simulator.hardware import Shape
from collectors.simulator.order import Ended, Order

PROGRAM = "journalctl"


def on(shape: Shape) -> bool:
    return True


def act(order: Order) -> Ended:
    """Of `journalctl --dmesg --output=short-iso-precise …`."""
    machine = order.machine
    booted = order.wall - machine.time + machine.booted_at
    lines = []
    for record in kernel_log.records(machine):
        head, _, message = record.partition(";")
        at = booted + int(head.split(",")[2]) / 1e6
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
        lines.append(f"{stamp}.{int(at % 1 * 1e6):06d}+00:00 {machine.plan.name} kernel: {message}")
    return Ended(out="".join(lines) or "-- No entries --\n")
