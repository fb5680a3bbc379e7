"""sudo of simulated nodes: everything is allowed, and done by the simulated tools as root."""

from __future__ import annotations

from collectors.simulator.hardware import Shape
from collectors.simulator.order import Ended, Order

PROGRAM = "sudo"
_NOT_FOUND = 127


def on(shape: Shape) -> bool:
    return True


def act(order: Order) -> Ended:
    """Of `sudo -n -- PROGRAM …`."""
    words = list(order.argv[1:])
    while words and words[0].startswith("-"):
        words = words[1:]
    if not words:
        return Ended(1, err="usage: sudo -n -- command [arg …]\n")
    ended = order.run(words, True)
    if ended.exit == _NOT_FOUND:
        return Ended(1, err=f"sudo: {words[0]}: command not found\n")
    return ended
