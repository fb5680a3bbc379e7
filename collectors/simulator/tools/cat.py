"""cat of simulated nodes: the files that something has written there, such as evidence."""

from __future__ import annotations

from collectors.simulator.hardware import Shape
from collectors.simulator.order import Ended, Order

PROGRAM = "cat"


def on(shape: Shape) -> bool:
    return True


def act(order: Order) -> Ended:
    files, out, err = order.machine.condition.files, "", ""
    for path in (word for word in order.argv[1:] if not word.startswith("-")):
        out += files.get(path, "")
        err += "" if path in files else f"cat: {path}: No such file or directory\n"
    return Ended(1 if err else 0, out, err)
