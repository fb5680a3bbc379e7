"""sha256sum of simulated nodes: over the files that something has written there."""

from __future__ import annotations

from hashlib import sha256

from collectors.simulator.hardware import Shape
from collectors.simulator.order import Ended, Order

PROGRAM = "sha256sum"


def on(shape: Shape) -> bool:
    return True


def act(order: Order) -> Ended:
    out, err = "", ""
    for path in (word for word in order.argv[1:] if not word.startswith("-")):
        text = order.machine.condition.files.get(path)
        if text is None:
            err += f"sha256sum: {path}: No such file or directory\n"
        else:
            out += f"{sha256(text.encode()).hexdigest()}  {path}\n"
    return Ended(1 if err else 0, out, err)
