"""ln of simulated nodes: it makes the one link by which monitors are asked to let go of a driver, and no other."""

from __future__ import annotations

from collectors.probe.world import LET_GO
from collectors.simulator.hardware import Shape
from collectors.simulator.order import Ended, Order
from collectors.simulator.record import Kind

PROGRAM = "ln"


def on(shape: Shape) -> bool:
    return True


def act(order: Order) -> Ended:
    """Of `ln -sfT TEXT LINK`."""
    match list(order.argv[1:]):
        case ["-sfT", text, path] if path == LET_GO and order.root:
            order.note(Kind.LET_GO, text)
            return Ended()
        case ["-sfT", _, path]:
            return Ended(1, err=f"ln: failed to create symbolic link '{path}': Permission denied\n")
    return Ended(1, err="ln: a simulated node knows -sfT alone\n")
